"""Printing. Control codes in names from services and files never reach the terminal."""

import json
import logging
import sys
import unicodedata
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from rich.cells import cell_len
from rich.filesize import decimal

from aps_async.text import well_formed_values

# Besides control characters: those that change the direction of the text around them.
_BIDI = {*"\u061c\u200e\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


def clean(text: object) -> str:
    """The text with every control character escaped, such as `\\x1b`."""
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in _BIDI
        else char
        for char in str(text)
    )


def tolerate_any_text() -> None:
    """Makes the standard streams escape characters that their encoding lacks, instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # missing if the stream was replaced by a plain buffer
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def print_result(text: str = "") -> None:
    """Prints one line of the result to standard output."""
    sys.stdout.write(f"{clean(text)}\n")
    sys.stdout.flush()


_status_as_json: ContextVar[bool] = ContextVar("status_as_json", default=False)


def print_status(text: str, *, level: str = "info", **fields: Any) -> None:
    """Prints one line to standard error: progress, warnings, errors. As a JSON object, it also has `fields`."""
    if _status_as_json.get():
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "message": text}
        text = json.dumps(well_formed_values(line | fields))
    sys.stderr.write(f"{clean(text)}\n")
    sys.stderr.flush()


def print_json(value: Any) -> None:
    """Prints one JSON value on one line, in pure ASCII, which every reader and terminal accepts."""
    sys.stdout.write(f"{json.dumps(well_formed_values(value))}\n")
    sys.stdout.flush()


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints aligned columns below their headings; wide characters count as the terminal shows them."""
    lines = [[clean(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(cell_len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)]
        print_result("  ".join(padded).rstrip())


def size(count: int) -> str:
    """A number of bytes in decimal units, such as `1.5 MB`."""
    return decimal(count)


def count(number: int, what: str) -> str:
    """`1 sheet`, `2 sheets`."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


class StatusHandler(logging.Handler):
    """Prints log records to the current `sys.stderr`, which a live display replaces while it runs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record."""
        try:
            fields = {"logger": record.name} if _status_as_json.get() else {}
            print_status(self.format(record), level=record.levelname.lower(), **fields)
        except Exception:  # noqa: BLE001 - logging's own rule: a failure to log must not stop the program
            self.handleError(record)


def turn_logging_on(verbosity: int) -> None:
    """Warnings are always shown; `-v` also shows retries and what is left out, `-vv` every call."""
    log = logging.getLogger("aps_async")
    handler = StatusHandler()
    form = "%(asctime)s %(levelname)s %(message)s" if verbosity else "warning: %(message)s"
    handler.setFormatter(logging.Formatter(form, "%H:%M:%S"))
    log.handlers = [handler]
    log.setLevel({0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG))
    _status_as_json.set(False)


def write_status_as_json() -> None:
    """From here on, every line on standard error is one JSON object: `time`, `level`, `message` and fields."""
    _status_as_json.set(True)
    for handler in logging.getLogger("aps_async").handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
