"""From a signed link to a verified file, in a folder or in object storage."""
