"""How a PDF begins, for files and for those inside archives."""

__all__ = ["PDF_HEAD", "PDF_HEAD_WITHIN"]
__dir__: object = __all__.copy

PDF_HEAD = b"%PDF-"
PDF_HEAD_WITHIN = 1024
"""Viewers look for the head in this many first bytes: a line break, a BOM or a part header may precede it."""
