"""Keeps a folder or storage in agreement with a project: selection, file names, comparison, register, forecast."""
