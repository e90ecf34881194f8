"""One module per service, with functions that take the session, ids in the order of the URL, and options."""
