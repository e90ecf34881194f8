"""The outcomes of a sync: the state of each sheet, and its file."""

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
    """How a sheet has changed since the previous run."""

    NEW = "new"
    REVISED = "revised"
    """A newer version was exported, and its file has replaced the older one."""
    RENAMED = "renamed"
    """Only its title, number or file name has changed."""
    REFRESHED = "refreshed"
    """The same version was exported again; the reason says why."""
    UNCHANGED = "unchanged"
    WITHDRAWN = "withdrawn"
    """The service was asked about this very sheet: it is deleted, hidden, or has another number."""
    LEFT_OUT = "left out"
    """It exists, but cannot be exported now, for example because it is still being processed."""
    NOT_LOOKED_AT = "not looked at"
    """Its file is in the folder, but this run did not find out whether the sheet still exists."""
    FAILED = "failed"


@frozen(kw_only=True)
class SyncOutcome:
    """The outcome of a sync for one sheet."""

    state: SheetState
    name: str
    """Number and title; or a file name or an id if these are not known."""
    number: str = ""
    title: str = ""
    id: str = ""
    """The id to export. BIM 360: the version URN. ACC: the UUID of the revision."""
    version: str | None = None
    """BIM 360: the version's number. ACC: the version set."""
    previous: str | None = None
    """The older version whose file was replaced, or is still there."""
    folder: str = ""
    """BIM 360: the folder in the project. ACC: the version set."""
    file: str | None = None
    """The sheet's file, relative to the folder or storage, with `/` between folders; None if there is none."""
    path: Path | None = None
    """The path of the file; None in a storage."""
    location: str | None = None
    """The location of the file, to show to users: a path or an address."""
    reason: str | None = None
    exported_at: datetime | None = None
    """When the file was exported, which is the time that its markups are from."""
    is_numbered: bool = False
    """Whether its file has a number in its name, because another file has the name that it should have."""
    warnings: tuple[str, ...] = ()
    outcome: ExportOutcome | StoredExport | None = None
    """The outcome of the export, if the sheet was exported."""
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
    """The number of sheets in each state."""

    by_state: Counter[SheetState]

    @classmethod
    def of(cls, outcomes: Iterable[SyncOutcome]) -> "SyncCounts":
        """Counts the states of outcomes."""
        return cls(Counter(each.state for each in outcomes))

    def __getitem__(self, state: SheetState) -> int:
        return self.by_state[state]

    def __str__(self) -> str:
        return ", ".join(f"{self.by_state[state]:,} {state}" for state in SheetState if self.by_state[state])
