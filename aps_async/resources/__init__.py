"""One module per service: functions (session, ids in the order of the URL, *, options) that give values."""
