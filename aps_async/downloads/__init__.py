"""From a signed link to a verified file, in a folder or in object storage.

What a file may be (`Expected`, `PDF`, `ZIP`, `DOCX`, `ANY`) is offered here; `aps_async.download` takes it.
"""

from aps_async.downloads.content import ANY, DOCX, PDF, ZIP, Expected, Signature

__all__ = ["ANY", "DOCX", "PDF", "ZIP", "Expected", "Signature"]
__dir__: object = __all__.copy
