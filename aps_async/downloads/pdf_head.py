"""How a PDF begins, for downloaded files and for entries of archives."""

__all__ = ["PDF_HEAD", "PDF_HEAD_WITHIN"]
__dir__: object = __all__.copy

PDF_HEAD = b"%PDF-"
PDF_HEAD_WITHIN = 1024
"""Viewers accept the head within this many first bytes: after a line break, a BOM or a multipart header."""
