"""The results of a command's run, as text and as JSON."""

import json
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import asdict, define, field, frozen

from aps_async.cli.ending import reasons
from aps_async.cli.exit_codes import SOME_FAILED, exit_code, reason
from aps_async.cli.output import print_conclusion, print_status
from aps_async.cli.remarks import Remarks
from aps_async.errors import MergeError, RegisterError
from aps_async.models import DeliveredExport, ExportOutcome, Sheet, StoredExport
from aps_async.report.entries import Report
from aps_async.sync.compare import version_name
from aps_async.sync.joined import JoinedSet
from aps_async.sync.outcomes import SheetState, SyncOutcome
from aps_async.text import count, size
from aps_async.transport.converter import ref_to_json

STOPPED_AT_ONCE = "stopped before the first export; nothing was written"


@frozen(kw_only=True)
class Result:
    """The result of one task or id: a file, a failed export, or an id that was not found."""

    name: str
    id: str | None = None
    folder: str | None = None
    sheet: Sheet | None = None
    outcome: ExportOutcome | StoredExport | None = None
    error: Exception | None = None

    @property
    def short_name(self) -> str:
        """The sheet's number, or what else it is known by."""
        return (self.sheet.number if self.sheet else "") or self.name

    @property
    def of_sheet(self) -> SyncOutcome:
        """As a sync would report it, which knows more of the runs before."""
        sheet, outcome = self.sheet, self.outcome
        state = SheetState.FAILED if self.error else SheetState.NEW
        return SyncOutcome(
            state=SheetState.UNCHANGED if outcome and outcome.reused else state,
            name=self.name,
            number=sheet.number if sheet else "",
            title=sheet.title if sheet else "",
            version=version_name(sheet) if sheet else None,
            folder=self.folder or "",
            path=outcome.path if outcome else None,
            exported_at=datetime.now(UTC) if outcome and outcome.ok and not outcome.reused else None,
            warnings=outcome.warnings if outcome else (),
            outcome=outcome,
            error=self.error,
        )


@define
class Run:
    """The results of one command so far."""

    things: str = "sheet"
    """What the progress counts."""
    comes_as: str = "PDF"
    """What each one is delivered as."""
    total: int = 0
    is_listed: bool = True
    """False: there may be more than `total`."""
    kept: int = 0
    """Results so far; only what the end prints of them is remembered, since there may be 50,000."""
    done: int = 0
    """Those with a file."""
    reused: int = 0
    unpacked: int = 0
    """Files that archives were unpacked to."""
    received: int = 0
    """Bytes of all files."""
    failures: list[Result] = field(factory=list[Result])
    """Results without a file."""
    odd: list[DeliveredExport | StoredExport] = field(factory=list[DeliveredExport | StoredExport])
    """Files with warnings, or in which something is missing."""
    remarks: Remarks = field(factory=Remarks)
    others: Counter[SheetState] = field(factory=Counter[SheetState])
    """Sheets that were left out, and those of earlier runs that are withdrawn."""
    report: Report | None = None
    is_compared: bool = False
    """Whether outcomes are compared with the folder first, and are added to the report after that."""
    began: float = field(factory=time.monotonic)
    joined: JoinedSet | None = None
    unfinished: RegisterError | MergeError | None = None

    def add(self, result: Result) -> None:
        """Counts one result."""
        self.kept += 1
        if result.error is not None:
            self.failures.append(result)
        outcome = result.outcome
        if not isinstance(outcome, DeliveredExport | StoredExport):
            return
        self.done += 1
        self.reused += outcome.reused
        self.unpacked += _unpacked(outcome)
        self.received += outcome.size
        if outcome.warnings or outcome.failed_files:
            self.odd.append(outcome)

    def add_to_report(self, outcome: SyncOutcome) -> None:
        """Adds what became of one sheet to the report, if there is to be one, and to the remarks."""
        if outcome.is_numbered:
            self.remarks.add(outcome)
        if self.report is not None:
            self.report.add(outcome, *reasons(outcome.error, outcome.name))

    def close(self) -> None:
        """Ends what works for the report."""
        if self.report is not None:
            self.report.close()

    @property
    def code(self) -> int:
        """The exit code: 0; the code that all failures share, if there is no file at all; otherwise `SOME_FAILED`."""
        codes = {exit_code(each.error) for each in self.failures if each.error is not None}
        if not codes:
            if any(each.failed_files for each in self.odd):
                return SOME_FAILED
            return exit_code(self.unfinished) if self.unfinished else 0
        return codes.pop() if len(codes) == 1 and not self.done else SOME_FAILED


def file_name(outcome: DeliveredExport | StoredExport) -> str:
    """The name of the file that was delivered."""
    return (outcome.names[0] if isinstance(outcome, StoredExport) else outcome.path.name).rpartition("/")[2]


def show_joined(joined: JoinedSet | None, *, as_json: bool) -> None:
    """Reports on the PDF of a set."""
    if joined is None:
        return
    for each in joined.missing:
        print_status(f"not in {joined.path.name}: {each}")
    for warning in joined.warnings:
        print_status(f"warning: {joined.path.name}: {warning}")
    print_conclusion(joined.in_words, as_json=as_json)


def as_json(result: Result) -> dict[str, Any]:
    """One line of `--json`."""
    outcome, error = result.outcome, result.error
    ref = outcome.ref if outcome else None
    places = locations(outcome)
    return {
        "ok": error is None,
        "kind": str(outcome.request.kind) if outcome else None,
        "name": result.name,
        "folder": result.folder,
        "id": result.id,
        "path": next(iter(places), None),
        "unpacked": places if len(places) > 1 else [str(path) for path in outcome.unpacked] if outcome else [],
        "missing": [asdict(each) for each in outcome.failed_files] if outcome else [],
        "warnings": list(outcome.warnings) if outcome else [],
        "bytes": outcome.size if outcome else 0,
        "seconds": round(outcome.seconds, 3) if outcome else 0.0,
        "polls": outcome.polls if outcome else 0,
        "reused": outcome.reused if outcome else False,
        "ref": json.loads(ref_to_json(ref)) if ref else None,
        "error": None if error is None else error_as_json(error),
    }


def locations(outcome: ExportOutcome | StoredExport | None) -> list[str]:
    """The file that was delivered; in a storage, all of them."""
    if isinstance(outcome, StoredExport):
        return list(outcome.locations)
    return [str(outcome.path)] if outcome and outcome.path else []


def error_as_json(error: Exception) -> dict[str, Any]:
    """An error in a line of `--json`."""
    return {"type": type(error).__name__, "message": reason(error), "exitCode": exit_code(error)}


def summary(run: Run, out: Path | str) -> str:
    """The last line of a finished run."""
    of = f" of {run.total:,}" if run.failures else ""
    seconds = time.monotonic() - run.began
    words = f"{run.done:,}{of} {run.comes_as}{'' if run.total == 1 else 's'}"
    if run.unpacked:
        words += f", unpacked to {count(run.unpacked, 'file')}"
    if run.reused:
        words += f" ({run.reused:,} already there)"
    if odd := sum(bool(each.warnings) for each in run.odd):
        words += f" ({odd:,} with warnings)"
    for state, number in run.others.items():
        words += f", {number:,} {state}"
    words += f", {size(run.received)}, in {seconds:.1f} s"
    return f"{words}: {out}" if run.done else words


def _unpacked(outcome: DeliveredExport | StoredExport) -> int:
    """How many files an archive was unpacked to."""
    if isinstance(outcome, StoredExport):
        return sum(not each.endswith(".zip") for each in outcome.names) if len(outcome.names) > 1 else 0
    return len(outcome.unpacked) - (outcome.path in outcome.unpacked)


def stopped_words(run: Run, out: Path | str) -> str:
    """What a stopped run had done."""
    if not run.total:
        return STOPPED_AT_ONCE
    where = f"in {out}" if run.done else "so no file was written"
    least = "" if run.is_listed else "at least "
    of = f"{least}{count(run.total, run.things)}"
    return f"stopped: {run.done:,} of {of} done, {where}; no unfinished file is left"
