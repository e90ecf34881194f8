"""Reports about made-up runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aps_async.models import DeliveredExport, ExportKind, ExportRequest
from aps_async.report.entries import Report
from aps_async.sync.outcomes import SheetState, SyncOutcome

WHEN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
LEFT_OUT = "version 2 is still being processed; version 1 kept"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"></bdi></td><script>document.title='owned'</script>&amp;"
"""A title that would do something if it were taken for markup."""


class Clock:
    """Time that passes when it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def outcome(number: str, state: SheetState, **more: Any) -> SyncOutcome:
    """One outcome."""
    return SyncOutcome(**{"state": state, "name": number, "number": number, "title": f"Plan {number}"} | more)


def delivered(path: Path, seconds: float) -> DeliveredExport:
    """An export that was done by the run."""
    request = ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=("urn:adsk.wipprod:fs.file:vf.a",))
    return DeliveredExport(request=request, path=path, size=10, seconds=seconds, polls=1)


def mixed(folder: Path, pdf: bytes) -> Report:
    """A run in which something of everything happened."""
    clock = Clock()
    report = Report(project="Riverside & Söhne", began_at=WHEN, clock=clock)
    for number in ("A-2", "A-10", "A-1"):
        path = folder / f"{number} #1 100%.pdf"
        path.write_bytes(pdf)
        clock.now += 2
        report.add(
            outcome(number, SheetState.NEW, path=path, version="1", exported_at=WHEN, outcome=delivered(path, 1.5))
        )
    report.add(outcome("H-1", SheetState.NEW, title=HOSTILE))
    report.add(outcome("R-1", SheetState.REVISED, previous="1", version="2", folder="Plans/Électricité"))
    report.add(outcome("L-1", SheetState.LEFT_OUT, reason=LEFT_OUT))
    for number, item in (("F-1", "2FLf2MaaKVZNxPga"), ("F-2", "EmOmzonUTeMsEzPC")):
        called = f"/bim360/docs/v1/projects/p/versions/urn%3Aadsk.wipprod%3Afs.file%3Avf.{item}%3Fversion%3D1/exports"
        words = f"not allowed (403): {number} of urn:adsk.wipprod:fs.file:vf.{item}: POST {called}"
        report.add(outcome(number, SheetState.FAILED, error=RuntimeError()), words)
    return report


def many(count: int, path: Path | None = None) -> Report:
    """A run with that many unchanged sheets."""
    report = Report(project="Tower", began_at=WHEN)
    for number in range(count):
        report.add(outcome(f"A-{number}", SheetState.UNCHANGED, path=path, exported_at=WHEN))
    return report
