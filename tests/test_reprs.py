"""Reprs of public values are short and honest: they fit a line, say what matters, and show no secret."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from aps_async import Session, Settings, StaticToken, TwoLegged, models
from aps_async.errors import ExportFailedError, IncompleteDownloadError
from aps_async.links import Part, SignedUrl, Source
from aps_async.models import (
    Collection,
    CostSource,
    DeliveredExport,
    Downloaded,
    ExportJob,
    ExportKind,
    ExportOptions,
    ExportRef,
    ExportRequest,
    ExportStatus,
    FailedExport,
    FailedFile,
    Folder,
    Hub,
    Hubs,
    ItemWarning,
    LeftOut,
    Project,
    ServiceWarning,
    Sheet,
    SheetIdentity,
    StoredExport,
)
from aps_async.workers.records import Record, RunStatus

PROJECT = "5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18"
URN = "urn:adsk.wipprod:fs.file:vf.s3GqvKmTQ7WpZ0hYdXcR1A?version=1"
CANARY = "canary"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LONG = "Level 1 - " * 200
LINK = SignedUrl(f"https://storage.example/{'key/' * 200}file.pdf?X-Amz-Signature={CANARY}")
REQUEST = ExportRequest(
    kind=ExportKind.SHEETS,
    project_id=PROJECT,
    source_ids=(PROJECT,) * 1000,
    options=ExportOptions(markups=True, output_name=LONG),
    user_id="BW9RM76WZBGL",
    name="A-101 - Ground floor",
    cost=CostSource(container_id=PROJECT, association_type="Budget", template_id=PROJECT),
    identity=SheetIdentity(number="A-101", collection_id=PROJECT),
)
REF = ExportRef(request=REQUEST, export_id=PROJECT)
LOST = (FailedFile(id=URN, reason="NOT_FOUND", detail=LONG),) * 200
JOB = ExportJob(ref=REF, status=ExportStatus.PARTIAL, raw_status="partialSuccess", link=LINK, failed_files=LOST)
FAILURE = ExportFailedError(LONG, ref=REF, job=JOB)
KNOWN: dict[str, Any] = {"request": REQUEST, "ref": REF, "seconds": 21.345678901234, "polls": 10, "failed_files": LOST}
PATH = Path("plans") / LONG / "A-101 - Ground floor.pdf"
DELIVERED = DeliveredExport(**KNOWN, path=PATH, size=26113, unpacked=(PATH,) * 200, warnings=(LONG,) * 9)
VALUES = [
    LINK,
    Source(parts=(Part(LINK, 1),) * 90, size=1, sha1="0" * 40),
    REQUEST,
    REF,
    JOB,
    DELIVERED,
    FailedExport(**KNOWN, error=FAILURE),
    StoredExport(**KNOWN, size=1),
    Downloaded(path=PATH, size=1, etag=LONG, sha256="0" * 64, warnings=(LONG,)),
    Settings(max_attempts=9),
    Settings(**dict[str, Any]({each.name: 9 for each in attrs.fields(Settings) if each.type in (int, float)})),
    Project(id=f"b.{PROJECT}", name=LONG, hub_id=PROJECT, project_type="ACC", root_folder_id=URN),
    Hubs(
        (Hub(id="b.1", name=LONG, region="US", extension_type=LONG),) * 9, (ServiceWarning(title=LONG, status="403"),)
    ),
    Folder(id=URN, name=LONG, actions=(LONG,) * 9, path=LONG),
    Sheet(project_id=PROJECT, id=URN, number="A-101", title=LONG, folder_path=LONG, collection=Collection(id=PROJECT)),
    LeftOut(id=URN, name=LONG, folder_path=LONG, reason=LONG, version=1, version_urn=URN),
    ItemWarning(call=LONG, id=LONG, reason=LONG, left_out=True),
    Record(id=1, run=1, name=LONG, outcome=DELIVERED, location=LONG, sha256="0" * 64, finished=NOW),
    RunStatus(id=1, name=LONG, priority=0, created=NOW, cancelled=None),
    Session(StaticToken(CANARY)),
    TwoLegged("client", CANARY),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda each: type(each).__name__)
def test_a_repr_fits_a_line_and_holds_no_secret(value: object) -> None:
    shown = repr(value)
    assert len(shown) <= 200
    assert CANARY not in shown
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (ExportOptions(), "ExportOptions()"),
        (Settings(max_attempts=9), "Settings(max_attempts=9)"),
        (
            DeliveredExport(request=REQUEST, ref=REF, path=Path("plans/A-101.pdf"), size=26113, seconds=21.34567),
            "DeliveredExport(request=<acc-sheets export of A-101 - Ground floor>, seconds=21.346, "
            "path='plans/A-101.pdf', size=26113)",
        ),
        (
            FailedExport(request=REQUEST, error=IncompleteDownloadError("the line broke")),
            "FailedExport(request=<acc-sheets export of A-101 - Ground floor>, "
            "error=IncompleteDownloadError('the line broke'))",
        ),
        (
            ExportJob(ref=REF, status=ExportStatus.RUNNING, raw_status="inprogress"),
            f"ExportJob(ref=<acc-sheets export {PROJECT} of project {PROJECT}>, status='running', "
            "raw_status='inprogress')",
        ),
        (FailedFile(id="x" * 500), f"FailedFile(id='{'x' * 55}…{'x' * 54}')"),
        (Project(id="b.1", name="Ü\n\x1b[1m", hub_id="b.2", project_type="ACC"),
         "Project(id='b.1', name='Ü\\n\\x1b[1m', hub_id='b.2', project_type='ACC')"),
    ],
)  # fmt: skip
def test_a_repr_shows_what_differs_from_the_defaults(value: object, shown: str) -> None:
    assert repr(value) == shown


def test_every_value_of_the_models_has_such_a_repr() -> None:
    classes = [each for each in vars(models).values() if isinstance(each, type) and attrs.has(each)]
    left_out = {models.Progress, models.FinishedExport, SignedUrl}  # two numbers; a base class; its own
    wrong = [each for each in classes if each not in left_out and each.__repr__.__module__ != "aps_async.reprs"]
    assert wrong == []
