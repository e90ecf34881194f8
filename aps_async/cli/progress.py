"""The progress of a run: a live display on a terminal, plain lines anywhere else."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from aps_async.cli.output import is_quiet, print_progress
from aps_async.cli.progress_lines import Lines
from aps_async.exports.progress import BulkProgress
from aps_async.text import count
from aps_async.transport.first_contact import FirstContact


class View(Protocol):
    """What a run reports to."""

    def moved(self, at: BulkProgress) -> None:
        """The figures changed; called for every chunk."""

    def finished(self, name: str, bytes_: int, seconds: float, *, ok: bool, reused: bool = False) -> None:
        """One export has ended."""

    def begin(self) -> None:
        """Another project begins, of which no total is known."""

    def expect(self, total: int, *, complete: bool = True) -> None:
        """So many are to come: at least, if the list is not complete."""

    def passed(self) -> None:
        """One sheet needed no export."""


@contextmanager
def shown(
    contact: FirstContact, total: int | None, things: str = "sheet", *, live: bool | None = None
) -> Generator[View, None, None]:
    """Shows the progress of `total` exports on standard error until the block ends.

    Args:
        contact: the session's, with its trouble.
        total: None: not known yet.
        things: what they are called in the line with the total; empty: there is no such line.
        live: whether to show a display instead of lines; None: on a terminal that can move its cursor.
    """
    if not _is_live(live):
        if total is not None:
            print_progress(f"exporting {count(total, things)}")
        yield Lines(total, things)
        return
    from aps_async.cli.display import Bar, displayed

    bar = Bar(total, contact)
    with displayed(bar):
        yield bar


@contextmanager
def busy(words: str, contact: FirstContact) -> Generator[None, None, None]:
    """Shows on a terminal what a command is doing before it has anything to count."""
    if not _is_live():
        yield
        return
    from aps_async.cli.display import Busy, displayed

    with displayed(Busy(words, contact)):
        yield


def _is_live(wanted: bool | None = None) -> bool:
    if is_quiet():
        return False
    if wanted is not None:
        return wanted
    if not sys.stderr.isatty():
        return False
    from aps_async.cli.display import can_move_cursor  # not before: a run without a terminal needs no display

    return can_move_cursor()
