"""The text that is shown while calls fail and are retried, because the service or the network is down."""

from collections.abc import Callable
from datetime import UTC, datetime

from attrs import define

from aps_async.cli.ending import few_words
from aps_async.cli.output import clock, is_live, print_progress
from aps_async.transport.first_contact import FirstContact, Trouble

_UNNOTICED = 2.0  # seconds after which a retry is worth a line
_BETWEEN = 15.0


def trouble_words(trouble: Trouble, now: datetime) -> list[str]:
    """What is waited for and why, until when, and since when."""
    left = (trouble.next_attempt - now).total_seconds() if trouble.next_attempt is not None else 0.0
    return [
        f"waiting for the service: {few_words(trouble.error)}",
        *([f"next attempt in {clock(left)}"] if left > 0 else []),
        f"since {trouble.since.astimezone():%H:%M:%S}",
    ]


@define
class TroubleLines:
    """Prints a line when a retry takes long, and when the service answers again; a live display shows it itself."""

    contact: FirstContact
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _printed: datetime | None = None

    def __call__(self) -> None:
        """The trouble has changed."""
        trouble, now = self.contact.trouble, self.now()
        if trouble is None:
            if self._printed is not None and not is_live():
                print_progress("the service answers again")
            self._printed = None
            return
        is_due = self._printed is None or (now - self._printed).total_seconds() >= _BETWEEN
        lasts = ((trouble.next_attempt or now) - trouble.since).total_seconds()
        if is_due and lasts >= _UNNOTICED and not is_live():
            print_progress(", ".join(trouble_words(trouble, now)))
            self._printed = now
