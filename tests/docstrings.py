"""The programs in docstrings, as they are written there."""

import inspect
import re
from textwrap import dedent

_INDENTED = re.compile(r"(?m)(?:^ {4}.*\n(?:^\n)*)+")


def programs(docstring: str | None) -> list[str]:
    """The indented blocks of a docstring."""
    return [dedent(block) for block in _INDENTED.findall(inspect.cleandoc(docstring or "") + "\n")]
