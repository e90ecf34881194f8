"""From a request to a finished export: one, many, a whole project."""
