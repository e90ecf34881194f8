"""What connects the library to other packages; each module needs an extra, and nothing else imports it."""
