"""Printing: what services and files call themselves never reaches the terminal as control codes."""

import json
import logging
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len

from aps_async.text import well_formed_values

# Besides control characters proper: those that turn the direction of the text around them.
_TURNING = {*"\u061c\u200e\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


def clean(text: object) -> str:
    """One line of text in which every control character is written out, as `\\x1b`."""
    return "".join(
        sign.encode("unicode_escape").decode()
        if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or sign in _TURNING
        else sign
        for sign in str(text)
    )


def tolerate_any_text() -> None:
    """A terminal or file in another encoding gets escapes for what it cannot hold, and not a crash."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # not there when somebody put a plain buffer in its place
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def print_result(text: str = "") -> None:
    """One line of the result."""
    sys.stdout.write(f"{clean(text)}\n")
    sys.stdout.flush()


def print_status(text: str) -> None:
    """One line beside the result: progress, warnings, errors."""
    sys.stderr.write(f"{clean(text)}\n")
    sys.stderr.flush()


def print_json(value: Any) -> None:
    """One JSON value on one line; pure ASCII, so that every reader and every terminal can take it."""
    sys.stdout.write(f"{json.dumps(well_formed_values(value))}\n")
    sys.stdout.flush()


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns under their heads, wide characters counted as the terminal shows them."""
    lines = [[clean(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(cell_len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)]
        print_result("  ".join(padded).rstrip())


def size(count: int) -> str:
    """Bytes as people read them."""
    amount, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{count} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def count(number: int, what: str) -> str:
    """`1 sheet`, `2 sheets`."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


class StatusHandler(logging.Handler):
    """Log records as lines on standard error, whatever that is by then: a live display takes it over for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record."""
        try:
            print_status(self.format(record))
        except Exception:  # noqa: BLE001 - logging's own rule: a record that cannot be written stops nothing
            self.handleError(record)


def turn_logging_on(verbosity: int) -> None:
    """Warnings are always shown; `-v` shows what is repeated and left out, `-vv` every call."""
    log = logging.getLogger("aps_async")
    handler = StatusHandler()
    form = "%(asctime)s %(levelname)s %(message)s" if verbosity else "warning: %(message)s"
    handler.setFormatter(logging.Formatter(form, "%H:%M:%S"))
    log.handlers = [handler]
    log.setLevel({0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG))
