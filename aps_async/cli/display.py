"""The progress of a run as a live display, which terminals can show. Imported only for these: rich takes its time."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, ConsoleRenderable, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aps_async.cli.output import clean, clock, displaying
from aps_async.cli.progress_lines import quota_words, shown_total, words_left
from aps_async.cli.trouble import trouble_words
from aps_async.exports.progress import BulkProgress
from aps_async.text import size
from aps_async.transport.first_contact import FirstContact

_GAP = "  "
_WIDEST_BAR = 32
_RECENT = 10.0  # seconds that the speed is measured over


def can_move_cursor() -> bool:
    """Whether standard error is a terminal that can show a display."""
    return not Console(stderr=True).is_dumb_terminal


@contextmanager
def displayed(content: ConsoleRenderable) -> Generator[None, None, None]:
    """Shows what `content` looks like on standard error, again and again, until the block ends."""
    # Standard output stays untouched: the result goes there, perhaps into a pipe.
    display = Live(
        get_renderable=lambda: content,
        console=Console(stderr=True),
        refresh_per_second=8,
        transient=True,
        redirect_stdout=False,
    )
    with displaying(), display:
        yield


class Bar:
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
        of = "listing" if self._total is None else f"{at.ended}/{shown_total(self._total, complete=self._complete)}"
        room = min(_WIDEST_BAR, max(10, width // 5))
        figures = [of, *([f"{at.failed} failed"] if at.failed else []), *words_left(at)]
        figures.append(f"{clock(now - self._began)} elapsed")
        if at.received:
            figures += [size(at.received), *self._speed(now)]
        row = Table.grid(padding=(0, 2))
        row.add_row(
            ProgressBar(total=self._total if self._complete else None, completed=at.ended, width=room),
            Text(_fitting(figures, width - room - 2), no_wrap=True, overflow="ellipsis"),
        )
        lines = [_fitting(each, width) for each in (_under_way(at), _trouble(self._contact), quota_words(at)) if each]
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


class Busy:
    """What a command is doing before it has anything to count, and for how long."""

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
        "not started": at.starting - at.waiting,
    }
    return [f"{number:,} {state}" for state, number in states.items() if number > 0]


def _fitting(parts: Iterable[str], width: int) -> str:
    """As many parts as there is room for, the first in any case."""
    text = ""
    for part in parts:
        longer = f"{text}{_GAP}{part}" if text else part
        if text and cell_len(longer) > width:
            break
        text = longer
    return text
