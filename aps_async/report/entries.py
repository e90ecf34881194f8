"""What a report is about: the sheets of one run, and when each was done."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from aps_async.report.thumbnails import ThumbnailProcess
from aps_async.spool import Spool
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
    file: str | None
    """The path of its file."""
    reason: str | None
    warnings: tuple[str, ...]
    exported_at: datetime | None
    ended: float | None
    """Seconds from the beginning of the run to the end of its export; None if this run exported nothing for it."""
    seconds: float
    """How long its export took."""

    @property
    def pdf(self) -> Path | None:
        """Its file, if that has a first page to show."""
        return Path(self.file) if self.file is not None and self.file.lower().endswith(".pdf") else None

    @property
    def label(self) -> str:
        """The number, or what else it is known by."""
        return self.number or self.title


def _plain(sheet: ReportSheet) -> Sequence[object]:
    """A row as JSON can hold it."""
    exported_at = sheet.exported_at
    return (
        sheet.state,
        sheet.number,
        sheet.title,
        sheet.place,
        sheet.version,
        sheet.previous,
        sheet.file,
        sheet.reason,
        sheet.warnings,
        exported_at and exported_at.isoformat(),
        sheet.ended,
        sheet.seconds,
    )


def _from_plain(state: str, number: str, title: str, place: str, version: str | None, *others: Any) -> ReportSheet:
    previous, file, reason, warnings, exported_at, ended, seconds = others
    return ReportSheet(
        state=SheetState(state),
        number=number,
        title=title,
        place=place,
        version=version,
        previous=previous,
        file=file,
        reason=reason,
        warnings=tuple(warnings),
        exported_at=exported_at and datetime.fromisoformat(exported_at),
        ended=ended,
        seconds=seconds,
    )


@define(kw_only=True)
class Report:
    """One run, filled while it goes on."""

    project: str
    began_at: datetime = field(factory=lambda: datetime.now(UTC))
    clock: Callable[[], float] = field(default=time.monotonic)
    """Seconds."""
    drawing: ThumbnailProcess | None = None
    """Draws the first pages while the run goes on, so that the page is ready soon after its end. To be closed."""
    counts: Counter[SheetState] = field(factory=Counter[SheetState], init=False)
    """How many sheets have which state."""
    exported: int = field(default=0, init=False)
    """Sheets that this run exported, or tried to."""
    _rows: Spool = field(factory=Spool, init=False)
    _began: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._began = self.clock()

    def add(self, outcome: SyncOutcome, reason: str | None = None) -> None:
        """Adds a sheet whose outcome has just become known.

        Args:
            outcome: of the sheet.
            reason: other words for what went wrong than the outcome's own.
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
            file=None if outcome.path is None else str(outcome.path),
            reason=reason or outcome.reason,
            warnings=outcome.warnings,
            exported_at=outcome.exported_at,
            ended=self.clock() - self._began if was_exported else None,
            seconds=exported.seconds if exported is not None and was_exported else 0.0,
        )
        self.counts[sheet.state] += 1
        self.exported += was_exported
        key = f"{ORDER.index(sheet.state):02}", sheet.place, sheet.number, sheet.title
        self._rows.add(key, json.dumps(_plain(sheet)))
        if self.drawing is not None and (pdf := sheet.pdf) is not None:
            self.drawing.announce(pdf)

    def close(self) -> None:
        """Ends the drawing."""
        if self.drawing is not None:
            self.drawing.close()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def sheets(self) -> Iterator[ReportSheet]:
        """All sheets: failures and what is left out first, and then by place and number."""
        return (_from_plain(*json.loads(row)) for row in self._rows)

    @property
    def seconds(self) -> float:
        """From the beginning of the run until now."""
        return self.clock() - self._began
