"""Escapes text from outside for HTML."""

import html
import os
from urllib.parse import quote

from aps_async.text import well_formed

__all__ = ["breakable", "escaped", "isolated", "link_to"]
__dir__: object = __all__.copy

_CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n\r"}


def escaped(text: str) -> str:
    """The text for an element or a quoted attribute: never markup, and without control characters."""
    return html.escape(text if text.isprintable() else well_formed(text).translate(_CONTROLS))


def isolated(text: str) -> str:
    """The text as an element of its own, so that its direction of writing does not spread to what follows."""
    return f"<bdi>{escaped(text)}</bdi>" if text else ""


def breakable(path: str) -> str:
    """The same of a path, which may be wrapped after each of its parts."""
    return isolated(path).replace("/", "/<wbr>", path.count("/"))


def link_to(path: str) -> str:
    """The address of a file below the page's folder; it begins with `./`, so that no name is taken for a scheme."""
    return "./" + quote(well_formed(path.replace(os.sep, "/")))
