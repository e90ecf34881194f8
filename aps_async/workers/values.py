"""What the books tell: plain values, as everywhere."""

from datetime import datetime
from typing import Literal

from attrs import frozen

from aps_async.models import ExportOutcome, ExportRef, ExportRequest

State = Literal["waiting", "running", "done", "failed", "cancelled"]


@frozen(kw_only=True)
class Entry:
    """One export as a worker finds it in the books."""

    id: int
    request: ExportRequest
    state: State
    folder: str
    """The run's own, below the storage."""
    name: str
    """Without suffix."""
    priority: int = 0
    export_id: str | None = None
    age: float = 0.0
    """Seconds since it was started, by the database's clock."""
    tries: int = 0
    """Steps in a row that met something that passes."""

    @property
    def ref(self) -> ExportRef | None:
        """What to ask about, once it is started."""
        return ExportRef(request=self.request, export_id=self.export_id) if self.export_id else None


@frozen(kw_only=True)
class RunStatus:
    """How a run stands."""

    id: int
    name: str
    priority: int
    created: datetime
    cancelled: datetime | None = None
    waiting: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    dropped: int = 0
    """Cancelled before they were done."""
    size: int = 0
    """Bytes delivered."""
    last: datetime | None = None
    """When the last one came to its end."""

    @property
    def total(self) -> int:
        """All exports of the run."""
        return self.waiting + self.running + self.done + self.failed + self.dropped

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return not self.waiting and not self.running


@frozen(kw_only=True)
class Record:
    """An export that has come to its end, in the books."""

    id: int
    run: int
    name: str
    outcome: ExportOutcome
    place: str | None = None
    """Where the file is: a path, or an address in object storage."""
    sha256: str | None = None
    finished: datetime | None = None
    tries: int = 0
