"""The progress of a run: a live bar on a terminal, plain lines anywhere else."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aps_async.cli.output import count, print_status, size
from aps_async.exports.bulk import BulkProgress


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
def shown(total: int | None, things: str = "sheet", *, live: bool | None = None) -> Generator[View, None, None]:
    """Shows the progress of `total` exports on standard error until the block ends.

    Args:
        total: None: not known yet.
        things: what they are called in the line with the total; empty: there is no such line.
        live: whether to show a bar instead of lines; None: on a terminal.
    """
    if live is None:
        live = sys.stderr.isatty()
    if not live:
        if total is not None:
            print_status(f"exporting {count(total, things)}")
        yield _Lines(total, things)
        return
    bar = _Bar(total)
    # Standard output stays untouched: the result goes there, perhaps into a pipe.
    display = Live(
        get_renderable=bar.render,
        console=Console(stderr=True),
        refresh_per_second=8,
        transient=True,
        redirect_stdout=False,
    )
    with display:
        yield bar


class _Lines:
    def __init__(self, total: int | None, things: str) -> None:
        self._total = total
        self._things = things
        self._ended = 0
        self._complete = total is not None

    def moved(self, at: BulkProgress) -> None:
        pass

    def finished(self, name: str, bytes_: int, seconds: float, *, ok: bool, reused: bool = False) -> None:
        self._ended += 1
        what = f"{size(bytes_)}, {'already there' if reused else f'{seconds:.1f} s'}" if ok else "FAILED"
        print_status(f"[{self._ended}/{_shown_total(self._total, complete=self._complete)}] {name}: {what}")

    def begin(self) -> None:
        self._total, self._ended, self._complete = None, 0, False

    def expect(self, total: int, *, complete: bool = True) -> None:
        self._total, self._complete = total, complete
        if complete and self._things:
            print_status(f"exporting {count(total, self._things)}")

    def passed(self) -> None:
        self._ended += 1


class _Bar:
    """Keeps the latest figures; the display reads them a few times a second, however often they change."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._at = BulkProgress(starting=0, running=0, done=0, failed=0, received=0)
        self._began = time.monotonic()
        self._complete = total is not None

    def moved(self, at: BulkProgress) -> None:
        self._at = at

    def finished(self, name: str, bytes_: int, seconds: float, *, ok: bool, reused: bool = False) -> None:
        pass

    def begin(self) -> None:
        self._total, self._complete = None, False

    def expect(self, total: int, *, complete: bool = True) -> None:
        self._total, self._complete = total, complete

    def passed(self) -> None:
        pass

    def render(self) -> Table:
        at = self._at
        ended = at.done + at.failed
        elapsed = int(time.monotonic() - self._began)
        figures = [
            "listing" if self._total is None else f"{ended}/{_shown_total(self._total, complete=self._complete)}",
            f"{at.running + at.starting} running",
            size(at.received),
        ]
        if at.failed:
            figures.append(f"{at.failed} failed")
        figures.append(f"{elapsed // 60}:{elapsed % 60:02d}")
        row = Table.grid(padding=(0, 2))
        row.add_row(
            ProgressBar(total=self._total if self._complete else None, completed=ended, width=32),
            Text("  ".join(figures)),
        )
        return row


def _shown_total(total: int | None, *, complete: bool) -> str:
    """The total, with a plus sign while the list goes on."""
    if total is None:
        return "?"
    return str(total) if complete else f"{total}+"
