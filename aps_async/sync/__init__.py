"""Folders that agree with a project, and the set of sheets as one PDF."""
