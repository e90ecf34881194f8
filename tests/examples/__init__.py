"""The steps of an export inside other people's workers. Each of these is run by a test."""
