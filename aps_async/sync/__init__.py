"""A folder that matches a project: which sheets are chosen, what their files are called, and what has changed."""
