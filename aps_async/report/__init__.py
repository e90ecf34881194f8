"""`report.html`: a page about a run, for people to read without a server or a network."""
