"""The content of a report: the sheets of one run, and when each was done."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
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
"""States of sheets that need attention."""
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
        return Path(self.file) if self.file is not None and _is_pdf(self.file) else None

    @property
    def label(self) -> str:
        """The number, or what else it is known by."""
        return self.number or self.title


def _is_pdf(file: str) -> bool:
    return file.lower().endswith(".pdf")


def _from_row(state: str, number: str, title: str, place: str, version: str | None, *others: Any) -> ReportSheet:
    previous, file, reason, brief, warnings, exported_at, ended, seconds = others
    return ReportSheet(
        state=SheetState(state),
        number=number,
        title=title,
        place=place,
        version=version,
        previous=previous,
        file=file,
        reason=reason,
        brief=brief,
        warnings=tuple(warnings),
        exported_at=exported_at and datetime.fromisoformat(exported_at),
        ended=ended,
        seconds=seconds,
    )


@define(kw_only=True)
class Report:
    """One run, filled in while it is active."""

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

    def add(self, outcome: SyncOutcome, reason: str | None = None, brief: str | None = None) -> None:
        """Adds a sheet whose outcome has just become known.

        Args:
            outcome: of the sheet.
            reason: other words for what went wrong than the outcome's own.
            brief: the same in a few words; by default the reason.
        """
        exported = outcome.outcome
        was_exported = exported is not None and not exported.reused
        title = outcome.title or ("" if outcome.number else outcome.name)
        row = (
            outcome.state,
            outcome.number,
            title,
            outcome.folder,
            outcome.version,
            outcome.previous,
            None if outcome.path is None else str(outcome.path),
            reason or outcome.reason,
            brief or reason or outcome.reason,
            outcome.warnings,
            outcome.exported_at and outcome.exported_at.isoformat(),
            self.clock() - self._began if was_exported else None,
            exported.seconds if exported is not None and was_exported else 0.0,
        )
        self.counts[outcome.state] += 1
        self.exported += was_exported
        key = f"{ORDER.index(outcome.state):02}", outcome.folder, outcome.number, title
        self._rows.add(key, json.dumps(row))
        if self.drawing is not None and outcome.path is not None and _is_pdf(outcome.path.name):
            self.drawing.announce(outcome.path)

    def close(self) -> None:
        """Ends the drawing."""
        if self.drawing is not None:
            self.drawing.close()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def sheets(self) -> Iterator[ReportSheet]:
        """All sheets: failures and what is left out first, and then by place and number."""
        return (_from_row(*json.loads(row)) for row in self._rows)

    @property
    def seconds(self) -> float:
        """From the beginning of the run until now."""
        return self.clock() - self._began
