"""`report.html`: one page about a run, for people, that needs no server and no network."""
