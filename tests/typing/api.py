"""What type checkers see of the public API. mypy and pyright read this file, nothing runs it; see `test_types.py`.

A line that has to change here is a change for users, whose own code is checked in the same way.
"""

from collections.abc import AsyncGenerator
from io import BytesIO
from pathlib import Path
from typing import assert_type

from aps_async import (
    APSError,
    ExportJob,
    ExportOutcome,
    ExportRef,
    ExportRequest,
    Project,
    Session,
    Settings,
    SignedUrl,
    StaticToken,
    TwoLegged,
    bim360,
    cost,
    download,
    export_many,
    export_project,
    files,
    list_sheets,
    poll,
    poll_many,
    poll_states,
    projects,
    ref_from_json,
    ref_to_json,
    sheets,
    start_export,
    stream,
    wait_for_export,
)
from aps_async.auth import AccessToken, FileStore, ThreeLegged, TokenClient, TokenProvider
from aps_async.exports.kinds import get_export
from aps_async.exports.streaming import ExportStream, export_stream
from aps_async.exports.uploads import download_urn
from aps_async.exports.wait import download_export, export_states, poll_export
from aps_async.ledger import Ledger, LedgerStatus, ledger_status
from aps_async.links import Source
from aps_async.models import DeliveredExport, Downloaded, FailedExport, Received, Sheet
from aps_async.workers import Record, RunStore


async def one_export(session: Session, request: ExportRequest, ref: ExportRef) -> None:
    job = assert_type(await start_export(session, request), ExportJob)
    assert_type(job.ref, ExportRef)
    assert_type(job.link, SignedUrl | None)
    assert_type(await get_export(session, ref), ExportJob)
    assert_type(await poll_export(session, job), ExportJob)
    assert_type(await wait_for_export(session, job, "A-101.pdf"), Path)
    assert_type(await wait_for_export(session, ref, Path("A-101.pdf"), timeout=300), Path)
    assert_type(await wait_for_export(session, ref, BytesIO()), None)
    async for state in export_states(session, ref):
        assert_type(state, ExportJob)
    async for ended in poll_many(session, [job, ref]):
        assert_type(ended, tuple[ExportRef, ExportJob | Exception])
    assert_type(ref_from_json(assert_type(ref_to_json(ref), str)), ExportRef)


async def one_download(session: Session, job: ExportJob, link: SignedUrl, source: Source) -> None:
    assert_type(await download(session, link, "A-101.pdf"), Downloaded)
    assert_type(await download(session, source, BytesIO()), Received)
    assert_type((await download(session, link, Path("A-101.pdf"))).path, Path)
    assert_type((await download_export(session, job, "A-101", add_suffix=True)).path, Path)
    assert_type(await download_export(session, job, BytesIO()), Received)
    assert_type((await download_urn(session, "urn:x", "A-101.pdf")).path, Path)
    assert_type(await download_urn(session, "urn:x", BytesIO()), Received)
    assert_type(stream(session, link), AsyncGenerator[bytes, None])
    assert_type(await export_stream(session, job, filename="A-101"), ExportStream)


async def many_exports(session: Session, requests: list[ExportRequest], project: Project) -> None:
    async for outcome in export_many(session, [*requests], "plans", ledger=True):
        which(outcome)
    async for outcome in export_project(session, project, Path("plans"), what="files", batch=None):
        which(outcome)


def which(outcome: ExportOutcome) -> None:
    """Type checkers narrow an outcome by `ok`. pyright wants `is True`; mypy takes `if outcome.ok:` as well."""
    assert_type(outcome.path, Path | None)
    assert_type(outcome.error, Exception | None)
    if outcome.ok is True:
        assert_type(outcome, DeliveredExport)
        assert_type(outcome.path, Path)
        assert_type(outcome.error, None)
    else:
        assert_type(outcome, FailedExport)
        assert_type(outcome.error, Exception)
        assert_type(outcome.path, None)
    if outcome.error is None:
        assert_type(outcome, DeliveredExport)
    match outcome:
        case DeliveredExport():
            assert_type(outcome.unpacked, tuple[Path, ...])
        case FailedExport():
            assert_type(outcome.error, Exception)
    assert_type(outcome.request, ExportRequest)
    assert_type(outcome.ref, ExportRef | None)


async def workers(store: RunStore) -> None:
    async for record in store.records():
        assert_type(record, Record)
        assert_type(record.location, str | None)
        if record.outcome.ok is False:
            assert_type(record.outcome.error, Exception)


async def polls(session: Session) -> None:
    async def ask() -> dict[str, str]:
        return await session.request(bim360.STATUS, "GET", "/x", into=dict[str, str])

    def is_final(answer: dict[str, str]) -> bool:
        return answer["status"] == "success"

    assert_type(await poll(ask, is_final=is_final, timeout=60), dict[str, str])
    async for answer in poll_states(ask, is_final=is_final):
        assert_type(answer, dict[str, str])


async def resources(session: Session, project: Project) -> None:
    assert_type(await bim360.start_export(session, "id", "urn:x", markups=True), ExportJob)
    assert_type(await files.start_export(session, "id", ["urn:x"]), ExportJob)
    assert_type(await sheets.start_export(session, "id", ["uuid"]), ExportJob)
    assert_type(await cost.get_export(session, ref_from_json("")), ExportJob)
    assert_type(await projects.find_project(session, "Riverside Clinic"), Project)
    async for sheet in list_sheets(session, project):
        assert_type(sheet, Sheet)
        assert_type(sheet.to_request(markups=True), ExportRequest)


class OwnTokens:
    """A provider needs no base class and one method."""

    async def token(self, client: TokenClient, rejected: AccessToken | None = None) -> AccessToken:  # noqa: ARG002
        return AccessToken("…", expires_at=client.now() + 60)


async def sessions() -> None:
    providers: list[TokenProvider] = [
        TwoLegged("id", "secret"),
        StaticToken("token"),
        ThreeLegged("id", store=FileStore("folder")),
        OwnTokens(),
    ]
    for provider in providers:
        async with Session(provider, settings=Settings(max_attempts=2)) as session:
            assert_type(session, Session)
            assert_type(session.base_url, str)
            assert_type(session.settings, Settings)
            assert_type(session.two_legged, bool)
    opened = assert_type(await Session(providers[0]).open(), Session)
    assert_type(await opened.close(), None)


def errors(error: APSError) -> None:
    assert_type(str(error), str)


async def ledgers() -> None:
    assert_type(ledger_status("plans"), LedgerStatus)
    async with Ledger("plans") as ledger:
        assert_type(ledger, Ledger)
