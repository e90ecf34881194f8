"""What a report is about: the sheets of one run, and when each was done."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import define, field, frozen

from aps_async.report.thumbnails import ThumbnailProcess
from aps_async.sync.outcomes import SheetState, SyncOutcome

__all__ = ["ATTENTION", "ORDER", "Report", "ReportSheet"]
__dir__: object = __all__.copy

ATTENTION = (SheetState.FAILED, SheetState.LEFT_OUT, SheetState.WITHDRAWN)
"""States of sheets that somebody has to look at."""
ORDER = (
    *ATTENTION,
    SheetState.NOT_LOOKED_AT,
    SheetState.REVISED,
    SheetState.NEW,
    SheetState.RENAMED,
    SheetState.REFRESHED,
    SheetState.UNCHANGED,
)
"""States in the order of the page."""


@frozen(kw_only=True)
class ReportSheet:
    """One row of the report."""

    state: SheetState
    number: str
    title: str
    """The title; of a sheet without one, what else it is known by."""
    place: str
    """BIM 360: the folder. ACC: the version set."""
    version: str | None
    previous: str | None
    path: Path | None
    """Its file."""
    reason: str | None
    brief: str | None
    """The reason in a few words, for its row."""
    warnings: tuple[str, ...]
    exported_at: datetime | None
    ended: float | None
    """Seconds from the beginning of the run to the end of its export; None if this run exported nothing for it."""
    seconds: float
    """How long its export took."""

    @property
    def pdf(self) -> Path | None:
        """Its file, if that has a first page to show."""
        return self.path if self.path is not None and self.path.suffix.lower() == ".pdf" else None

    @property
    def label(self) -> str:
        """The number, or what else it is known by."""
        return self.number or self.title


@define(kw_only=True)
class Report:
    """One run, filled while it goes on."""

    project: str
    began_at: datetime = field(factory=lambda: datetime.now(UTC))
    clock: Callable[[], float] = field(default=time.monotonic)
    """Seconds."""
    drawing: ThumbnailProcess | None = None
    """Draws the first pages while the run goes on, so that the page is ready soon after its end. To be closed."""
    _sheets: list[ReportSheet] = field(factory=list[ReportSheet], init=False)
    _began: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._began = self.clock()

    def add(self, outcome: SyncOutcome, reason: str | None = None, brief: str | None = None) -> None:
        """Adds a sheet whose outcome has just become known.

        Args:
            outcome: of the sheet.
            reason: other words for what went wrong than the outcome's own.
            brief: the same in a few words; by default the reason.
        """
        exported = outcome.outcome
        was_exported = exported is not None and not exported.reused
        sheet = ReportSheet(
            state=outcome.state,
            number=outcome.number,
            title=outcome.title or ("" if outcome.number else outcome.name),
            place=outcome.folder,
            version=outcome.version,
            previous=outcome.previous,
            path=outcome.path,
            reason=reason or outcome.reason,
            brief=brief or reason or outcome.reason,
            warnings=outcome.warnings,
            exported_at=outcome.exported_at,
            ended=self.clock() - self._began if was_exported else None,
            seconds=exported.seconds if exported is not None and was_exported else 0.0,
        )
        self._sheets.append(sheet)
        if self.drawing is not None and sheet.pdf is not None:
            self.drawing.announce(sheet.pdf)

    def close(self) -> None:
        """Ends the drawing."""
        if self.drawing is not None:
            self.drawing.close()

    @property
    def sheets(self) -> Sequence[ReportSheet]:
        """All sheets: failures and what is left out first, and then by place and number."""
        return sorted(self._sheets, key=lambda each: (ORDER.index(each.state), each.place, each.number, each.title))

    @property
    def counts(self) -> Counter[SheetState]:
        """How many sheets have which state."""
        return Counter(each.state for each in self._sheets)

    @property
    def seconds(self) -> float:
        """From the beginning of the run until now."""
        return self.clock() - self._began
