"""What a sync finds of each sheet, and does with it."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from attrs import frozen

from aps_async.models import ExportOutcome, StoredExport

__all__ = ["SheetState", "SyncCounts", "SyncOutcome"]
__dir__: object = __all__.copy


class SheetState(StrEnum):
    """What became of a sheet since the run before."""

    NEW = "new"
    REVISED = "revised"
    """A newer version has replaced the older one's file."""
    RENAMED = "renamed"
    """Its title, number or file name changed, and nothing else."""
    REFRESHED = "refreshed"
    """The same version was exported again; the reason says why."""
    UNCHANGED = "unchanged"
    WITHDRAWN = "withdrawn"
    """The service was asked about this very sheet: it is deleted, hidden, or has another number."""
    LEFT_OUT = "left out"
    """It is there and cannot be exported now, such as a version that is still being processed."""
    NOT_LOOKED_AT = "not looked at"
    """Its file is in the folder, and this run could not see whether the sheet still exists."""
    FAILED = "failed"


@frozen(kw_only=True)
class SyncOutcome:
    """What a sync found of one sheet."""

    state: SheetState
    name: str
    """Number and title, or what else it is known by."""
    number: str = ""
    title: str = ""
    id: str = ""
    """What it is exported from. BIM 360: the version URN. ACC: the UUID of the revision."""
    version: str | None = None
    """BIM 360: the version's number. ACC: the version set."""
    previous: str | None = None
    """The version whose file was replaced, or is kept."""
    folder: str = ""
    """BIM 360: the folder in the project. ACC: the version set."""
    file: str | None = None
    """The name of the sheet's file now, relative to the folder or storage, with `/`; None if there is none."""
    path: Path | None = None
    """Where that is; None in a storage."""
    location: str | None = None
    """The same to show to users: a path, or an address."""
    reason: str | None = None
    exported_at: datetime | None = None
    """When the file was exported: markups are as of then."""
    warnings: tuple[str, ...] = ()
    outcome: ExportOutcome | StoredExport | None = None
    """Of the export, where there was one."""
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return self.error is None

    @property
    def in_words(self) -> str:
        """The state with versions and reason in one line."""
        words = str(self.state)
        if self.state is SheetState.REVISED and self.previous and self.version:
            words += f" ({self.previous} -> {self.version})"
        details = [each for each in (self.reason, *self.warnings) if each]
        return f"{words}: {'; '.join(details)}" if details else words


@frozen
class SyncCounts:
    """How many sheets have which state."""

    by_state: Counter[SheetState]

    @classmethod
    def of(cls, outcomes: Iterable[SyncOutcome]) -> "SyncCounts":
        """Counts outcomes."""
        return cls(Counter(each.state for each in outcomes))

    def __getitem__(self, state: SheetState) -> int:
        return self.by_state[state]

    def __str__(self) -> str:
        return ", ".join(f"{self.by_state[state]:,} {state}" for state in SheetState if self.by_state[state])
