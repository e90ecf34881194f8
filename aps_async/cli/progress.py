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

    def expect(self, total: int) -> None:
        """The total is known now, of a project that begins."""

    def passed(self) -> None:
        """One sheet needed no export."""


@contextmanager
def shown(total: int | None, things: str = "sheet", *, live: bool | None = None) -> Generator[View, None, None]:
    """Shows the progress of `total` exports on standard error until the block ends; None: not known yet."""
    if live is None:
        live = sys.stderr.isatty()
    if not live:
        if total is not None:
            print_status(f"exporting {count(total, things)}")
        yield _Lines(total)
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
    def __init__(self, total: int | None) -> None:
        self._total = total
        self._ended = 0

    def moved(self, at: BulkProgress) -> None:
        pass

    def finished(self, name: str, bytes_: int, seconds: float, *, ok: bool, reused: bool = False) -> None:
        self._ended += 1
        what = f"{size(bytes_)}, {'already there' if reused else f'{seconds:.1f} s'}" if ok else "FAILED"
        print_status(f"[{self._ended}/{self._total if self._total is not None else '?'}] {name}: {what}")

    def expect(self, total: int) -> None:
        self._total, self._ended = total, 0

    def passed(self) -> None:
        self._ended += 1


class _Bar:
    """Keeps the latest figures; the display reads them a few times a second, however often they change."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._at = BulkProgress(starting=0, running=0, done=0, failed=0, received=0)
        self._began = time.monotonic()

    def moved(self, at: BulkProgress) -> None:
        self._at = at

    def finished(self, name: str, bytes_: int, seconds: float, *, ok: bool, reused: bool = False) -> None:
        pass

    def expect(self, total: int) -> None:
        self._total = total

    def passed(self) -> None:
        pass

    def render(self) -> Table:
        at = self._at
        ended = at.done + at.failed
        elapsed = int(time.monotonic() - self._began)
        figures = [
            f"{ended}/{self._total}" if self._total is not None else "listing",
            f"{at.running + at.starting} running",
            size(at.received),
        ]
        if at.failed:
            figures.append(f"{at.failed} failed")
        figures.append(f"{elapsed // 60}:{elapsed % 60:02d}")
        row = Table.grid(padding=(0, 2))
        row.add_row(ProgressBar(total=self._total, completed=ended, width=32), Text("  ".join(figures)))
        return row
