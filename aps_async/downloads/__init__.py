"""From a signed link to a verified file, in a folder or in object storage.

The requirements for a file (`Expected`, `PDF`, `ZIP`, `DOCX`, `ANY`) are here, for use with `aps_async.download`.
"""

from aps_async.downloads.content import ANY, DOCX, PDF, ZIP, Expected, Signature

__all__ = ["ANY", "DOCX", "PDF", "ZIP", "Expected", "Signature"]
__dir__: object = __all__.copy
