"""The progress of a run: a live display on a terminal, plain lines anywhere else."""

import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, ConsoleRenderable, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aps_async.cli.output import clean, clock, count, displaying, is_quiet, print_progress, size
from aps_async.cli.trouble import trouble_words
from aps_async.exports.progress import BulkProgress
from aps_async.transport.first_contact import FirstContact

_GAP = "  "
_WIDEST_BAR = 32
_RECENT = 10.0  # seconds that the speed is measured over


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
    console = Console(stderr=True)
    if not _is_live(console, live):
        if total is not None:
            print_progress(f"exporting {count(total, things)}")
        yield _Lines(total, things)
        return
    bar = _Bar(total, contact)
    with _display(bar, console):
        yield bar


@contextmanager
def busy(words: str, contact: FirstContact) -> Generator[None, None, None]:
    """Shows on a terminal what a command is doing before it has anything to count."""
    console = Console(stderr=True)
    if not _is_live(console, None):
        yield
        return
    with _display(_Busy(words, contact), console):
        yield


def _is_live(console: Console, wanted: bool | None) -> bool:
    live = sys.stderr.isatty() and not console.is_dumb_terminal if wanted is None else wanted
    return live and not is_quiet()


@contextmanager
def _display(content: ConsoleRenderable, console: Console) -> Generator[None, None, None]:
    # Standard output stays untouched: the result goes there, perhaps into a pipe.
    display = Live(
        get_renderable=lambda: content, console=console, refresh_per_second=8, transient=True, redirect_stdout=False
    )
    with displaying(), display:
        yield


class _Lines:
    def __init__(self, total: int | None, things: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._things = things
        self._ended = 0
        self._complete = total is not None
        self._clock = clock
        self._quiet_until = 0.0

    def moved(self, at: BulkProgress) -> None:
        """One line for each pause of the quota."""
        now = self._clock()
        if at.next_start is None or now < self._quiet_until:
            return
        wait = (at.next_start - datetime.now(UTC)).total_seconds()
        if wait >= 1:
            self._quiet_until = now + wait + 1
            print_progress(", ".join([*_quota(at), *_left(at)]))

    def finished(self, name: str, bytes_: int, seconds: float, *, ok: bool, reused: bool = False) -> None:
        self._ended += 1
        if ok:
            of = f"[{self._ended}/{_shown_total(self._total, complete=self._complete)}]"
            print_progress(f"{of} {name}: {size(bytes_)}, {'already there' if reused else f'{seconds:.1f} s'}")

    def begin(self) -> None:
        self._total, self._ended, self._complete = None, 0, False

    def expect(self, total: int, *, complete: bool = True) -> None:
        self._total, self._complete = total, complete
        if complete and self._things:
            print_progress(f"exporting {count(total, self._things)}")

    def passed(self) -> None:
        self._ended += 1


class _Bar:
    """Keeps the latest figures; the display reads them a few times a second, however often they change."""

    def __init__(self, total: int | None, contact: FirstContact, clock: Callable[[], float] = time.monotonic) -> None:
        self._contact = contact
        self._clock = clock
        self.begin(total)

    def moved(self, at: BulkProgress) -> None:
        self._at = at

    def finished(self, name: str, bytes_: int, seconds: float, *, ok: bool, reused: bool = False) -> None:
        if ok:
            self._last = f"{clean(name)}: {size(bytes_)}, {'already there' if reused else f'{seconds:.1f} s'}"

    def begin(self, total: int | None = None) -> None:
        self._total = total
        self._complete = total is not None
        self._at = BulkProgress(starting=0, running=0, done=0, failed=0, received=0)
        self._began = self._clock()
        self._received = deque([(self._began, 0)])
        self._last = ""

    def expect(self, total: int, *, complete: bool = True) -> None:
        self._total, self._complete = total, complete

    def passed(self) -> None:
        pass

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.render(options.max_width)

    def render(self, width: int = 80) -> Group:
        """At most five lines, none wider than the terminal: the bar, what is under way or waited for, the latest."""
        at, now = self._at, self._clock()
        of = "listing" if self._total is None else f"{at.ended}/{_shown_total(self._total, complete=self._complete)}"
        room = min(_WIDEST_BAR, max(10, width // 5))
        figures = [of, *([f"{at.failed} failed"] if at.failed else []), *_left(at)]
        figures.append(f"{clock(now - self._began)} elapsed")
        if at.received:
            figures += [size(at.received), *self._speed(now)]
        row = Table.grid(padding=(0, 2))
        row.add_row(
            ProgressBar(total=self._total if self._complete else None, completed=at.ended, width=room),
            Text(_fitting(figures, width - room - 2), no_wrap=True, overflow="ellipsis"),
        )
        lines = [_fitting(each, width) for each in (_under_way(at), _trouble(self._contact), _quota(at)) if each]
        if self._last:
            lines.append(self._last)
        return Group(row, *map(_dim, lines))

    def _speed(self, now: float) -> list[str]:
        """Of the last seconds, if bytes have come in them."""
        recent = self._received
        if self._at.received < recent[-1][1]:  # a download has started over
            recent.clear()
        recent.append((now, self._at.received))
        while len(recent) > 2 and recent[1][0] < now - _RECENT:
            recent.popleft()
        seconds, received = now - recent[0][0], self._at.received - recent[0][1]
        return [f"{size(int(received / seconds))}/s"] if received and seconds >= 1 else []


class _Busy:
    def __init__(self, words: str, contact: FirstContact) -> None:
        self._words, self._contact, self._began = words, contact, time.monotonic()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        words = [self._words, clock(time.monotonic() - self._began)]
        for each in (words, _trouble(self._contact)):
            if each:
                yield _dim(_fitting(each, options.max_width))


def _dim(line: str) -> Text:
    return Text(line, no_wrap=True, overflow="ellipsis", style="dim")


def _trouble(contact: FirstContact) -> list[str]:
    return [] if contact.trouble is None else trouble_words(contact.trouble, datetime.now(UTC))


def _under_way(at: BulkProgress) -> list[str]:
    """How many exports are in which state, the most telling first."""
    jobs = at.running - at.downloading - at.queued
    states = {
        "downloading": at.downloading,
        "waiting for a slot": at.queued,
        "at the service": jobs,
        "starting": at.starting - at.waiting,
    }
    return [f"{number:,} {state}" for state, number in states.items() if number > 0]


def _quota(at: BulkProgress) -> list[str]:
    """What waits for the quota and until when."""
    if at.next_start is None:
        return []
    to_start = at.waiting if at.total is None else max(at.waiting, at.total - at.ended - at.running)
    seconds = max(0.0, (at.next_start - datetime.now(UTC)).total_seconds())
    return [
        f"waiting for the quota until {at.next_start.astimezone():%H:%M:%S} ({clock(seconds)})",
        f"{to_start:,} to start",
    ]


def _left(at: BulkProgress) -> list[str]:
    seconds = at.seconds_left
    return [] if seconds is None or not at.total or at.ended >= at.total else [f"about {clock(seconds)} left"]


def _fitting(parts: Iterable[str], width: int) -> str:
    """As many parts as there is room for, the first in any case."""
    text = ""
    for part in parts:
        longer = f"{text}{_GAP}{part}" if text else part
        if text and cell_len(longer) > width:
            break
        text = longer
    return text


def _shown_total(total: int | None, *, complete: bool) -> str:
    """The total, with a plus sign while the list goes on."""
    if total is None:
        return "?"
    return str(total) if complete else f"{total}+"
