"""Printing. Control codes in names from services and files never reach the terminal."""

import json
import logging
import os
import shlex
import shutil
import sys
import unicodedata
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from textwrap import TextWrapper
from typing import Any, TextIO

from attrs import define
from rich.cells import cell_len, set_cell_size

from aps_async.errors import TargetError
from aps_async.text import well_formed_values

# Besides control characters: those that change the direction of the text around them.
_BIDI = {*"\u061c\u200e\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}

_GAP = "  "
_LEAST = 20
"""Characters that a column of a table keeps, however narrow the terminal is."""


def clean(text: object) -> str:
    """The text with every control character escaped, such as `\\x1b`."""
    words = str(text)
    if words.isprintable():  # nearly all are, and this asks for all characters at once
        return words
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in _BIDI
        else char
        for char in words
    )


def program() -> str:
    """What to type for this program: its name where the shell finds it, otherwise the path that was typed."""
    typed, name = sys.argv[0], "aps-async"
    if Path(typed).stem != name:  # `python -m aps_async`, or a test
        return name
    found = shutil.which(name)
    if found and Path(found).parent.resolve() == Path(typed).parent.resolve():  # their suffixes differ on Windows
        return name
    if os.name == "nt":  # PowerShell runs what is quoted only after an ampersand
        return f"& '{typed}'" if " " in typed else typed
    return shlex.quote(typed)


def typed_path(path: Path) -> str:
    """A path as it has to be typed: `-x` would be an option, and `~` is the home folder in paths of commands."""
    text = str(path)
    if text.startswith(("-", "~")):
        text = f".{os.sep}{text}"
    if os.name != "nt":
        return shlex.quote(text)
    is_plain = not set(text) & set(" '`\"$&|<>;,(){}@#%")
    return text if is_plain else "'" + text.replace("'", "''") + "'"  # as PowerShell reads it


def tolerate_any_text() -> None:
    """Makes the standard streams escape characters that their encoding lacks, instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # missing if the stream was replaced by a plain buffer
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


class LogFormat(StrEnum):
    """Of the log file."""

    TEXT = "text"
    JSON = "json"


@define
class Output:
    """Where lines that are not the result go."""

    quiet: bool = False
    """Whether progress is left out on standard error."""
    file: TextIO | None = None
    """Gets every line with its time."""
    as_json: bool = False
    """Whether each line of the file is a JSON object."""
    status_as_json: bool = False
    """Whether each line on standard error is one."""
    live: bool = False
    """Whether a display of the progress is on the terminal."""

    def keep(self, text: str, *, level: str = "info", **fields: Any) -> None:
        """Adds a line to the file."""
        if self.file is None:
            return
        at = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
        line = _json_line(text, level=level, **fields) if self.as_json else f"{at} {clean(text)}"
        try:
            self.file.write(f"{line}\n")
            self.file.flush()
        except OSError as problem:
            self.file = None
            print_status(f"warning: the log file cannot be written to any more: {problem.strerror or problem}")


_output = Output()


def _json_line(text: str, **fields: Any) -> str:
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "message": text, **fields}
    return json.dumps(well_formed_values(line))


def is_quiet() -> bool:
    """Whether no progress is shown."""
    return _output.quiet


def is_live() -> bool:
    """Whether a display of the progress is on the terminal."""
    return _output.live


@contextmanager
def displaying() -> Generator[None, None, None]:
    """A display of the progress is on the terminal during the block."""
    _output.live = True
    try:
        yield
    finally:
        _output.live = False


@contextmanager
def printing(*, quiet: bool, log_file: Path | None, as_json: bool) -> Generator[None, None, None]:
    """Sets what is printed in the block, and which file gets it with times.

    Raises:
        TargetError: the file cannot be opened.
    """
    global _output
    before, file = _output, None
    if log_file is not None:
        try:
            file = log_file.open("a", encoding="utf-8", errors="backslashreplace")
        except OSError as problem:
            raise TargetError(f"the log file {log_file} cannot be opened: {problem.strerror or problem}") from problem
    _output = Output(quiet=quiet, file=file, as_json=as_json)
    try:
        yield
    finally:
        _output = before
        if file is not None:
            with suppress(OSError):  # what could not be written has been reported, and is still in its buffer
                file.close()


def discard(stream: TextIO) -> None:
    """Leaves what is written to a standard stream from now on, and what is still in its buffer, without a reader.

    Otherwise Python would try to write it at its end, report that, and exit with 120.
    """
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def print_result(text: str = "") -> None:
    """Prints one line of the result to standard output.

    Raises:
        BrokenPipeError: nothing reads it any more.
        TargetError: it goes to a file that cannot be written.
    """
    _write_result(clean(text))


def print_conclusion(text: str, *, as_json: bool) -> None:
    """Prints what a run has come to, which the log file gets, too; to standard error if the result is JSON."""
    if as_json:
        print_status(text)
    else:
        _output.keep(text)
        print_result(text)


def _write_result(line: str) -> None:
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as problem:
        words = problem.strerror or problem
        discard(sys.stdout)
        raise TargetError(f"the result cannot be written to standard output: {words}") from problem


def _write_status(line: str) -> None:
    """One line to standard error. A file that it goes to and that cannot be written must not end a run.

    Raises:
        BrokenPipeError: nothing reads it any more.
    """
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except BrokenPipeError:
        raise
    except OSError:  # there is no other place to report it
        discard(sys.stderr)


def print_progress(text: str) -> None:
    """Prints one line to standard error that --quiet leaves out."""
    if _output.quiet:
        _output.keep(text)
    else:
        print_status(text)


def print_status(text: str, *, level: str = "info", **fields: Any) -> None:
    """Prints one line to standard error: warnings, errors, what to do. As a JSON object, it also has `fields`."""
    _output.keep(text, level=level, **fields)
    if _output.status_as_json:
        text = _json_line(text, level=level, **fields)
    _write_status(clean(text))


def print_prose(text: str, *, level: str = "info") -> None:
    """The same for sentences: on a terminal, no word is broken at its edge, and an indentation is kept."""
    if not sys.stderr.isatty() or _output.status_as_json:
        print_status(text, level=level)
        return
    from rich.console import Console  # here, since nothing else in this module needs a terminal

    _output.keep(text, level=level)
    indent = text[: len(text) - len(text.lstrip())]
    _write_status(_folded(clean(text), indent, Console(stderr=True).width))


def print_beside(head: str, text: str) -> None:
    """Prints one line of the result; on a terminal, a long text goes on below its beginning, beside the head."""
    line, width = clean(f"{head}{text}"), shutil.get_terminal_size().columns
    if sys.stdout.isatty() and width >= len(head) + _LEAST:
        line = _folded(line, " " * len(head), width)
    _write_result(line)


def _folded(line: str, indent: str, width: int) -> str:
    wrapper = TextWrapper(width, subsequent_indent=indent, break_long_words=False)
    wrapper.break_on_hyphens = False
    return wrapper.fill(line)


def print_json(value: Any) -> None:
    """Prints one JSON value on one line, in pure ASCII, which every reader and terminal accepts."""
    _write_result(json.dumps(well_formed_values(value)))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, elastic: Collection[str] = ()) -> None:
    """Prints aligned columns below their headings; wide characters count as the terminal shows them.

    On a terminal that is too narrow, cells of the columns in `elastic` are shortened; never those to be copied, and
    nothing in a pipe or a file.
    """
    lines = [[clean(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(cell_len(line[column]) for line in lines) for column in range(len(headings))]
    if sys.stdout.isatty():
        _shrink(widths, [headings.index(each) for each in elastic], shutil.get_terminal_size().columns)
    for line in lines:
        cells = [_fitted(cell, width) for cell, width in zip(line, widths, strict=True)]
        print_result(_GAP.join(cells).rstrip())


def _shrink(widths: list[int], elastic: Sequence[int], width: int) -> None:
    """Takes what is too much from the widest of the elastic columns, as long as one is wide enough."""
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    while excess > 0 and elastic:
        widest = max(elastic, key=widths.__getitem__)
        if widths[widest] <= _LEAST:
            return
        widths[widest] -= 1
        excess -= 1


def _fitted(cell: str, width: int) -> str:
    length = cell_len(cell)
    return (
        f"{set_cell_size(cell, width - 1)}\N{HORIZONTAL ELLIPSIS}" if length > width else cell + " " * (width - length)
    )


def local_time(at: datetime) -> str:
    """Date and time as a clock on the wall shows them, such as `2026-11-27 09:30:00`."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def clock(seconds: float) -> str:
    """`0:09`, `49:03`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class StatusHandler(logging.Handler):
    """Prints log records to the current `sys.stderr`, which a live display replaces while it runs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record."""
        try:
            fields = {"logger": record.name} if _output.status_as_json else {}
            print_status(self.format(record), level=record.levelname.lower(), **fields)
        except Exception:  # noqa: BLE001 - logging's own rule: a failure to log must not stop the program
            self.handleError(record)


def turn_logging_on(verbosity: int) -> None:
    """Warnings are always shown; `-v` also shows retries and what is left out, `-vv` every call."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it cannot read is in our own errors
    log = logging.getLogger("aps_async")
    handler = StatusHandler()
    form = "%(asctime)s %(levelname)s %(message)s" if verbosity else "warning: %(message)s"
    handler.setFormatter(logging.Formatter(form, "%H:%M:%S"))
    log.handlers = [handler]
    log.setLevel({0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG))


def write_status_as_json() -> None:
    """From here on, every line on standard error is one JSON object: `time`, `level`, `message` and fields."""
    _output.status_as_json = True
    for handler in logging.getLogger("aps_async").handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
