"""Whatever a service responds, every public coroutine returns a value or raises an `APSError`, and ends."""

import asyncio
import inspect
import os
import pkgutil
import random
import tempfile
import time
from collections.abc import AsyncIterable, Callable, Iterable
from contextlib import aclosing
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

import aps_async
from aps_async import (
    APSError,
    ExportJob,
    ExportOutcome,
    ExportRef,
    ExportRequest,
    ExportStatus,
    Project,
    Session,
    Settings,
    SignedUrl,
    StaticToken,
    TwoLegged,
    auth,
    polling,
)
from aps_async.auth import AppCredentials
from aps_async.downloads import archives
from aps_async.downloads import download as downloads
from aps_async.downloads.content import Expected
from aps_async.exports import bulk, kinds, streaming
from aps_async.exports import project as doors
from aps_async.exports import uploads as urns
from aps_async.exports import wait as exports
from aps_async.links import Part, Source
from aps_async.models import CostSource, Derivative, ExportKind, Folder, Item, Sheet
from aps_async.resources import (
    acc,
    associations,
    bim360,
    cost,
    derivatives,
    files,
    offsets,
    plans,
    projects,
    service_accounts,
    sheet_names,
    sheets,
    storage,
    users,
    walking,
)
from aps_async.resources import jsonapi as paging
from aps_async.sync import list_selected
from aps_async.sync import project as syncing
from aps_async.sync.options import SyncOptions
from aps_async.sync.selection import Selection
from aps_async.transport.quotas import Endpoint, Quotas
from tests.generated import FOLDER, ITEM, PROJECT, STORAGE, URN, GeneratedServer, generated_server

# Further ones for a longer search: APS_GENERATED=100000 pytest tests/test_generated_responses.py
COUNT = int(os.environ.get("APS_GENERATED", "3000"))
QUICK = Settings(
    max_attempts=2,
    max_download_attempts=2,
    link_renewals=2,
    connect_timeout=5,
    read_timeout=5,
    request_timeout=5,
    export_timeout=60,
    acc_export_timeout=60,
    not_found_grace=2,
    backoff_max=2,
    response_limit=1 << 20,
)
LONGEST = 1800.0
"""Virtual seconds: no call takes longer."""


@frozen
class Scene:
    """What a call may use."""

    session: Session
    base: str
    folder: Path
    cost_source = CostSource(container_id=PROJECT, association_type="Budget", template_id="t")

    def request(self, kind: ExportKind = ExportKind.BIM360) -> ExportRequest:
        subject = {ExportKind.COST: PROJECT, ExportKind.SHEETS: PROJECT}.get(kind, URN)
        return ExportRequest(kind=kind, project_id=PROJECT, source_ids=(subject,), cost=self.cost_source)

    def ref(self, kind: ExportKind = ExportKind.BIM360) -> ExportRef:
        return ExportRef(request=self.request(kind), export_id="1")

    def job(self, kind: ExportKind = ExportKind.BIM360, *, link: bool = True) -> ExportJob:
        return ExportJob(
            ref=self.ref(kind),
            status=ExportStatus.SUCCEEDED,
            raw_status="completed",
            link=SignedUrl(f"{self.base}/file?X-Amz-Signature=1") if link else None,
            derivative=Derivative(urn="dXJu", derivative_urn="urn:x"),
            deprecated_link=f"{self.base}/file",
            version_urn=URN,
        )

    @property
    def source(self) -> Source:
        return Source(parts=(Part(SignedUrl(f"{self.base}/file?X-Amz-Signature=1")),))

    @property
    def project(self) -> Project:
        return Project(id=f"b.{PROJECT}", name="P", hub_id="b.1", project_type="BIM360")

    @property
    def acc_project(self) -> Project:
        return Project(id=f"b.{PROJECT}", name="P", hub_id="b.1", project_type="ACC")

    @property
    def top(self) -> list[Folder]:
        return [Folder(id=FOLDER, name="Plans", path="Plans")]


ANY = Endpoint("any", 1000)
OUT = "file.pdf"
NAMELESS = Sheet(project_id=PROJECT.removeprefix("b."), id=URN, number="", title="x", folder_path="Plans")
_KINDS = list(ExportKind)


async def _streamed(session: Session, job: ExportJob) -> list[bytes]:
    async with aclosing(await streaming.export_stream(session, job)) as body:
        return [chunk async for chunk in body]


def _swapped(call: Callable[[Scene, Any], Any], value: Any, scene: Scene) -> Any:
    return call(scene, value)


def of_each(call: Callable[[Scene, Any], Any], values: Iterable[Any]) -> list[Callable[[Scene], Any]]:
    """The call with each value."""
    return [partial(_swapped, call, value) for value in values]


CALLS: dict[Any, list[Callable[[Scene], Any]]] = {
    associations.find_labels: [lambda s: associations.find_labels(s.session, s.cost_source, [PROJECT])],
    associations.list_associations: of_each(
        lambda s, each: associations.list_associations(s.session, PROJECT, each), associations.LISTS
    ),
    associations.name_jobs: [lambda s: associations.name_jobs(s.session, [s.job(ExportKind.COST)])],
    list_selected.list_selected: [lambda s: list_selected.list_selected(s.session, PROJECT, Selection(match="A*"))],
    list_selected.with_path: [lambda s: list_selected.with_path(s.session, s.project, Selection(folder=FOLDER), None)],
    syncing.sync_project: [
        lambda s: syncing.sync_project(s.session, s.project, s.folder),
        lambda s: syncing.sync_project(s.session, s.acc_project, s.folder, SyncOptions(user_id="U")),
    ],
    walking.walk: [lambda s: walking.walk(s.session, s.project)],
    auth.revoke: [lambda s: auth.revoke(s.session, AppCredentials("c", "s"), "t")],
    doors.export_project: [lambda s: doors.export_project(s.session, PROJECT, s.folder)],
    doors.get_sheet: of_each(lambda s, each: doors.get_sheet(s.session, PROJECT, each), (URN, "A-101")),
    doors.list_sheets: [lambda s: doors.list_sheets(s.session, PROJECT)],
    doors.project_requests: [lambda s: doors.project_requests(s.session, s.acc_project, what="files")],
    bulk.export_many: [
        lambda s: bulk.export_many(s.session, [s.request(kind) for kind in _KINDS], s.folder),
        lambda s: bulk.export_many(s.session, [s.request(), s.ref(ExportKind.FILES)], s.folder, ledger=True),
    ],
    downloads.download: [lambda s: downloads.download(s.session, s.source, s.folder / OUT)],
    downloads.stream: [lambda s: downloads.stream(s.session, s.source, expected=Expected())],
    exports.download_export: [lambda s: exports.download_export(s.session, s.job(), s.folder / OUT)],
    exports.export_states: [lambda s: exports.export_states(s.session, s.ref())],
    exports.poll_export: of_each(lambda s, kind: exports.poll_export(s.session, s.ref(kind)), _KINDS),
    streaming.export_stream: [lambda s: _streamed(s.session, s.job(link=False))],
    exports.wait_for_export: [
        *of_each(lambda s, kind: exports.wait_for_export(s.session, s.ref(kind), s.folder / OUT), _KINDS),
    ],
    kinds.start_export: of_each(lambda s, kind: kinds.start_export(s.session, s.request(kind)), _KINDS),
    kinds.get_export: of_each(lambda s, kind: kinds.get_export(s.session, s.ref(kind)), _KINDS),
    urns.download_urn: of_each(
        lambda s, urn: urns.download_urn(s.session, urn, s.folder / OUT, project=PROJECT), (URN, ITEM, STORAGE)
    ),
    urns.download_link: [lambda s: urns.download_link(s.session, s.job(), s.folder / OUT)],
    exports.poll_many: [lambda s: exports.poll_many(s.session, [s.ref(kind) for kind in _KINDS])],
    polling.poll: [lambda s: polling.poll(lambda: kinds.get_export(s.session, s.ref()), is_final=_ended, timeout=20)],
    polling.poll_states: [
        lambda s: polling.poll_states(lambda: kinds.get_export(s.session, s.ref()), is_final=_ended, timeout=20)
    ],
    doors.list_collections: [lambda s: doors.list_collections(s.session, s.acc_project)],
    sheets.list_collections: [lambda s: sheets.list_collections(s.session, PROJECT)],
    paging.pages: [lambda s: paging.pages(s.session, ANY, "/project/v1/hubs/b.1/projects")],
    acc.get_export: [lambda s: acc.get_export(s.session, s.ref(ExportKind.FILES), files.SERVICE, retry=True)],
    acc.resolve: [lambda s: acc.resolve(s.session, s.job(ExportKind.FILES), [])],
    acc.start: [lambda s: acc.start(s.session, s.request(ExportKind.FILES), files.SERVICE)],
    bim360.get_export: [lambda s: bim360.get_export(s.session, s.ref())],
    bim360.resolve: [lambda s: bim360.resolve(s.session, s.job(link=False), [])],
    bim360.start: [lambda s: bim360.start(s.session, s.request())],
    bim360.start_export: of_each(lambda s, urn: bim360.start_export(s.session, PROJECT, urn), (URN, ITEM)),
    cost.list_exports: [
        lambda s: cost.list_exports(s.session, PROJECT, association_type="Budget", association_ids=[PROJECT])
    ],
    cost.get_export: [lambda s: cost.get_export(s.session, s.ref(ExportKind.COST))],
    cost.list_documents: [
        lambda s: cost.list_documents(s.session, PROJECT, association_type="Budget", association_ids=[PROJECT])
    ],
    cost.resolve: [lambda s: cost.resolve(s.session, s.job(ExportKind.COST), [])],
    cost.start: [lambda s: cost.start(s.session, s.request(ExportKind.COST))],
    derivatives.get_source: [
        lambda s: derivatives.get_source(s.session, Derivative(urn="dXJu", derivative_urn="urn:x"), region="EMEA")
    ],
    files.get_export: [lambda s: files.get_export(s.session, s.ref(ExportKind.FILES))],
    files.list_files: [
        *of_each(lambda s, each: files.list_files(s.session, s.acc_project, folder=each), (None, "Plans/x")),
    ],
    files.start: [lambda s: files.start(s.session, s.request(ExportKind.FILES))],
    files.start_export: [lambda s: files.start_export(s.session, PROJECT, [URN])],
    sheet_names.with_names: [lambda s: sheet_names.with_names(s.session, [NAMELESS], None)],
    plans.bim360_project: [lambda s: plans.bim360_project(s.session, PROJECT)],
    plans.get_sheet: of_each(lambda s, urn: plans.get_sheet(s.session, s.project, urn), (URN, ITEM)),
    plans.list_sheets: [
        *of_each(lambda s, each: plans.list_sheets(s.session, s.project, folder=each), (None, FOLDER, "Plans/x")),
    ],
    projects.as_project: [lambda s: projects.as_project(s.session, "Clinic")],
    projects.find_project: [
        *of_each(lambda s, each: projects.find_project(s.session, each), (PROJECT, "A-101.pdf")),
    ],
    projects.find_projects: [lambda s: projects.find_projects(s.session, "A*", PROJECT)],
    projects.find_project_id: [lambda s: projects.find_project_id(s.session, "A-101.pdf")],
    projects.get_folder: [lambda s: projects.get_folder(s.session, PROJECT, FOLDER)],
    projects.get_item: [lambda s: projects.get_item(s.session, PROJECT, ITEM)],
    projects.get_project: [lambda s: projects.get_project(s.session, "b.1", PROJECT)],
    projects.get_tip: [lambda s: projects.get_tip(s.session, PROJECT, ITEM)],
    projects.get_version: [lambda s: projects.get_version(s.session, PROJECT, URN)],
    projects.list_folder_pages: [lambda s: projects.list_folder_pages(s.session, PROJECT, FOLDER)],
    projects.list_folder_contents: [lambda s: projects.list_folder_contents(s.session, PROJECT, FOLDER)],
    projects.list_hubs: [lambda s: projects.list_hubs(s.session)],
    projects.list_projects: [lambda s: projects.list_projects(s.session, "b.1")],
    projects.list_top_folders: [lambda s: projects.list_top_folders(s.session, s.project)],
    projects.list_versions: [lambda s: projects.list_versions(s.session, PROJECT, ITEM)],
    service_accounts.create_service_account: [
        lambda s: service_accounts.create_service_account(s.session, "robot", first_name="a", last_name="b")
    ],
    service_accounts.create_service_account_key: [
        lambda s: service_accounts.create_service_account_key(s.session, "s")
    ],
    service_accounts.delete_service_account: [lambda s: service_accounts.delete_service_account(s.session, "s")],
    service_accounts.delete_service_account_key: [
        lambda s: service_accounts.delete_service_account_key(s.session, "s", "k")
    ],
    service_accounts.get_service_account: [lambda s: service_accounts.get_service_account(s.session, "s")],
    service_accounts.list_service_account_keys: [lambda s: service_accounts.list_service_account_keys(s.session, "s")],
    service_accounts.list_service_accounts: [lambda s: service_accounts.list_service_accounts(s.session)],
    service_accounts.set_service_account_enabled: [
        lambda s: service_accounts.set_service_account_enabled(s.session, "s", enabled=True)
    ],
    service_accounts.set_service_account_key_enabled: [
        lambda s: service_accounts.set_service_account_key_enabled(s.session, "s", "k", enabled=True)
    ],
    sheets.get_export: [lambda s: sheets.get_export(s.session, s.ref(ExportKind.SHEETS))],
    sheets.get_sheets: [lambda s: sheets.get_sheets(s.session, PROJECT, [PROJECT])],
    sheets.list_sheets: [
        *of_each(lambda s, each: sheets.list_sheets(s.session, PROJECT, version_set=each), (None, "V")),
    ],
    sheets.list_version_sets: [lambda s: sheets.list_version_sets(s.session, PROJECT)],
    sheets.start: [lambda s: sheets.start(s.session, s.request(ExportKind.SHEETS))],
    sheets.start_export: [lambda s: sheets.start_export(s.session, PROJECT, [PROJECT])],
    storage.find_storage: of_each(lambda s, urn: storage.find_storage(s.session, PROJECT, urn), (URN, ITEM)),
    storage.get_source: [lambda s: storage.get_source(s.session, STORAGE)],
    users.get_user_info: [lambda s: users.get_user_info(s.session)],
    walking.descend: [lambda s: walking.descend(s.session, s.project, s.top, "Plans/x", None)],
    walking.first_folders: [lambda s: walking.first_folders(s.session, s.project, None, None)],
    walking.known_folder: [lambda s: walking.known_folder(s.session, s.project, FOLDER, None)],
    walking.folder_path: [lambda s: walking.folder_path(s.session, s.project, s.top[0], None)],
    walking.newest: [lambda s: walking.newest(s.session, s.project, Item(id=ITEM, name="x", type=""), None, None)],
    Session.check_token: [lambda s: s.session.check_token()],
    Session.request: [lambda s: s.session.request(ANY, "GET", "/x", into=dict[str, Any])],
}
NOT_CALLED = {
    auth.authorize: "opens a browser: tests/auth",
    auth.authorize_elsewhere: "asks a person: tests/auth",
    auth.open_browser: "calls no service",
    downloads.in_order: "the same as stream",
    offsets.listed: "what the lists of other modules are made of",
    archives.unpack_archive: "calls no service: tests/test_archives.py",
}


def _ended(job: ExportJob) -> bool:
    return job.status.is_final


FLAT = [(called.__qualname__, call) for called, calls in CALLS.items() for call in calls]


def test_every_public_coroutine_is_in_the_table() -> None:
    homes = [archives, auth, bulk, doors, downloads, exports, kinds, paging, list_selected, streaming, syncing, urns]
    folder = import_module("aps_async.resources").__path__
    homes += [import_module(f"aps_async.resources.{each.name}") for each in pkgutil.iter_modules(folder)]
    found = {
        each
        for home in [aps_async, *homes]
        for name in dir(home)
        if not name.startswith("_") and _is_coroutine(each := getattr(home, name))
    }
    assert found <= CALLS.keys() | NOT_CALLED.keys()


def _is_coroutine(thing: object) -> bool:
    ours = str(getattr(thing, "__module__", "")).startswith("aps_async")
    return ours and (inspect.iscoroutinefunction(thing) or inspect.isasyncgenfunction(thing))


async def _taken(result: Any) -> Any:
    """What a coroutine returns, or all that an iterator yields."""
    if not isinstance(result, AsyncIterable):
        return await result
    async with aclosing(result) as items:  # type: ignore[type-var]
        return [each async for each in items]


async def _case(server: GeneratedServer, number: int, folder: Path) -> None:
    name, call = FLAT[number % len(FLAT)]
    server.chance = random.Random(number)  # noqa: S311 - guards nothing
    random.seed(number)  # of the waits
    tokens: Any = TwoLegged("c", "s") if name == "Session.check_token" else StaticToken("token")
    async with Session(tokens, base_url=server.base, settings=QUICK, quotas=Quotas()) as session:
        try:
            async with asyncio.timeout(LONGEST):
                found = await _taken(call(Scene(session, server.base, folder)))
        except APSError as problem:
            str(problem).encode()
        except BaseException as problem:
            problem.add_note(f"seed {number}: {name}")
            raise
        else:
            for each in found if isinstance(found, list) else ():
                assert not isinstance(each, ExportOutcome) or isinstance(each.error, APSError | None), (number, each)
        for warning in session.warnings:
            str(warning).encode()


@pytest.mark.looptime(start=time.monotonic)
@pytest.mark.parametrize("part", range(10))
async def test_every_response_ends_in_a_value_or_an_error_of_ours(part: int) -> None:
    async with generated_server() as server:
        for number in range(part, COUNT, 10):
            with tempfile.TemporaryDirectory() as folder:
                await _case(server, number, Path(folder))
                left = {
                    each.name for each in Path(folder).iterdir() if not each.name.endswith((".pdf", ".zip", ".docx"))
                }
                assert not {each for each in left if not each.startswith((".aps-async", "register."))}, number
        assert server.requests > COUNT // 10
