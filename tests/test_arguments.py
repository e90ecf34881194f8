"""Functions that callers pass: an async one in place of a plain one is refused before anything is begun."""

import functools
import importlib
import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aps_async import (
    Session,
    SignedUrl,
    StaticToken,
    bim360,
    download,
    export_many,
    export_project,
    list_sheets,
    poll,
    poll_many,
    poll_states,
    wait_for_export,
)
from aps_async.downloads import PDF
from aps_async.downloads.archives import unpack_archive
from aps_async.downloads.filenames import NameBook
from aps_async.errors import InputError
from aps_async.exports.streaming import export_stream
from aps_async.exports.uploads import download_urn
from aps_async.exports.wait import download_export, export_states, poll_export
from aps_async.models import ExportJob, ExportKind, ExportRef, ExportRequest, ExportStatus
from aps_async.polling import Poller, PollRules
from aps_async.resources import plans
from aps_async.simulator import World
from aps_async.sync.options import SyncOptions
from aps_async.sync.project import sync_project
from aps_async.sync.projects import sync_projects
from aps_async.transport.quotas import Endpoint
from aps_async.workers import Worker
from tests.support import service, session_for

pytestmark = pytest.mark.looptime
REF = ExportRef(
    request=ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=("urn:x:fs.file:vf.x?version=1",)),
    export_id="j",
)
JOB = ExportJob(ref=REF, status=ExportStatus.SUCCEEDED, raw_status="completed")
WEB = Endpoint("hubs", 300)


async def all_of(many: AsyncIterator[Any]) -> None:
    async for _ in many:
        pass


async def answered() -> str:
    raise AssertionError("nothing may be asked")


async def at_once(make: Callable[[], object]) -> None:
    make()


def _syncing(sync: Callable[..., AsyncIterator[Any]], what: object, name: str) -> "Call":
    return lambda s, to, f: all_of(sync(s, what, to, SyncOptions(), **{name: f}))


SYNC = ("policy", "on_progress", "on_listed", "on_total")
Call = Callable[[Session, Path, Any], Awaitable[object]]
PLAIN: dict[str, Call] = {
    "Session clock": lambda _, __, f: at_once(lambda: Session(StaticToken("x"), clock=f)),
    "Session hooks": lambda _, __, f: at_once(lambda: Session(StaticToken("x"), hooks=[print, f])),
    "Session on_unreachable": lambda _, __, f: at_once(lambda: Session(StaticToken("x"), on_unreachable=f)),
    "Session.request on_headers": lambda s, _, f: s.request(WEB, "GET", "/x", into=dict, on_headers=f),
    "Signature verify": lambda _, __, f: at_once(lambda: functools.partial(type(PDF), "X", ".x", b"X")(verify=f)),
    "download on_progress": lambda s, to, f: download(s, SignedUrl(s.base_url), to, on_progress=f),
    "download opener": lambda s, to, f: download(s, SignedUrl(s.base_url), to, opener=f),
    "download_export on_progress": lambda s, to, f: download_export(s, JOB, to, on_progress=f),
    "download_urn on_progress": lambda s, to, f: download_urn(s, "urn:x", to, on_progress=f),
    "unpack_archive on_skip": lambda _, to, f: unpack_archive(to, to, NameBook(), on_skip=f),
    "export_many on_progress": lambda s, to, f: all_of(export_many(s, [REF], to, on_progress=f)),
    "export_many policy": lambda s, to, f: all_of(export_many(s, [REF], to, policy=f)),
    "export_project on_progress": lambda s, to, f: all_of(export_project(s, "P", to, on_progress=f)),
    "export_project policy": lambda s, to, f: all_of(export_project(s, "P", to, policy=f)),
    "export_states policy": lambda s, _, f: all_of(export_states(s, REF, policy=f)),
    "export_stream policy": lambda s, _, f: export_stream(s, REF, policy=f),
    "list_sheets on_left_out": lambda s, _, f: all_of(list_sheets(s, "P", on_left_out=f)),
    "plans.list_sheets on_left_out": lambda s, _, f: all_of(plans.list_sheets(s, "P", on_left_out=f)),
    "poll is_final": lambda _, __, f: poll(answered, is_final=f),
    "poll policy": lambda _, __, f: poll(answered, is_final=bool, policy=f),
    "poll_states is_final": lambda _, __, f: all_of(poll_states(answered, is_final=f)),
    "poll_states policy": lambda _, __, f: all_of(poll_states(answered, is_final=bool, policy=f)),
    "poll_export on_status": lambda s, _, f: poll_export(s, REF, on_status=f),
    "poll_export policy": lambda s, _, f: poll_export(s, REF, policy=f),
    "poll_many policy": lambda s, _, f: all_of(poll_many(s, [REF], policy=f)),
    "Poller.result on_answer": lambda _, __, f: Poller(answered, PollRules(is_final=bool)).result(on_answer=f),
    "PollRules is_final": lambda _, __, f: at_once(lambda: PollRules(is_final=f)),
    "PollRules policy": lambda _, __, f: at_once(lambda: PollRules(is_final=bool, policy=f)),
    "PollRules may_recover": lambda _, __, f: at_once(lambda: PollRules(is_final=bool, may_recover=f)),
    "PollRules not_yet": lambda _, __, f: at_once(lambda: PollRules(is_final=bool, not_yet=f)),
    "PollRules timeout_error": lambda _, __, f: at_once(lambda: PollRules(is_final=bool, timeout_error=f)),
    "wait_for_export on_progress": lambda s, to, f: wait_for_export(s, REF, to, on_progress=f),
    "wait_for_export on_status": lambda s, to, f: wait_for_export(s, REF, to, on_status=f),
    "wait_for_export policy": lambda s, to, f: wait_for_export(s, REF, to, policy=f),
    **{f"sync_project {name}": _syncing(sync_project, "P", name) for name in (*SYNC, "on_selected", "on_joined")},
    **{f"sync_projects {name}": _syncing(sync_projects, ["P"], name) for name in (*SYNC, "project_command")},
    "Worker on_outcome": lambda s, _, f: at_once(lambda: Worker(s, None, None, on_outcome=f)),  # type: ignore[arg-type]
}
"""Every public parameter that takes a function whose result is not awaited, and a call that passes one."""


async def told(*_: object) -> None:
    """What is given by mistake: an async function."""


class Told:
    async def __call__(self, *_: object) -> None: ...

    async def method(self, *_: object) -> None: ...


async def yielding(*_: object) -> AsyncIterator[int]:
    yield 1


MISTAKES: dict[str, Any] = {
    "a coroutine function": told,
    "a partial of one": functools.partial(functools.partial(told, 1), 2),
    "a method": Told().method,
    "an object": Told(),
    "a partial of an object": functools.partial(Told(), 1),
    "an async generator function": yielding,
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("name", PLAIN)
async def test_an_async_function_in_place_of_a_plain_one(name: str, mistake: str, tmp_path: Path) -> None:
    async with service(World.single_folder(1)) as simulator, session_for(simulator) as session:
        with pytest.raises(InputError, match="must be a plain function; this one is async and would never run"):
            await PLAIN[name](session, tmp_path / "out", MISTAKES[mistake])
        assert not simulator.log
    assert list(tmp_path.iterdir()) == []


def stepping(*_: object) -> Iterator[float]:
    yield 1.0


@pytest.mark.parametrize("name", [name for name in PLAIN if not name.endswith(" policy")])
async def test_a_generator_in_place_of_a_plain_function(name: str, tmp_path: Path) -> None:
    async with service(World.single_folder(1)) as simulator, session_for(simulator) as session:
        with pytest.raises(InputError, match="must be a plain function; this generator would never run"):
            await PLAIN[name](session, tmp_path / "out", functools.partial(stepping, 1))
        assert not simulator.log


AWAITED = re.compile(r"Awaitable\[|AsyncContextManager\[")
FUNCTIONS = re.compile(r"Callable\[")
MODULES = (
    "", "downloads", "downloads.archives", "downloads.content", "downloads.download", "exports.project",
    "exports.streaming", "exports.uploads", "exports.wait", "ledger", "polling", "resources.plans", "session",
    "sync.project", "sync.projects", "workers",
)  # fmt: skip


def public_parameters() -> Iterator[tuple[str, str]]:
    """The parameters of public functions, methods and constructors, with their annotations."""
    for each in MODULES:
        module = importlib.import_module(f"aps_async.{each}".rstrip("."))
        for name in module.__all__:
            found = getattr(module, name)
            if inspect.isfunction(found):
                functions = {name: found}
            elif inspect.isclass(found) and not issubclass(found, BaseException):
                functions = {
                    f"{name}.{own}".removesuffix(".__init__"): method
                    for own, method in vars(found).items()
                    if inspect.isfunction(method) and (own == "__init__" or not own.startswith("_"))
                }
            else:
                functions = {}
            for label, function in functions.items():
                for parameter in inspect.signature(function).parameters.values():
                    yield f"{label} {parameter.name}", str(parameter.annotation)


def test_every_public_parameter_that_takes_a_plain_function_is_in_the_table() -> None:
    wanted = {
        name
        for name, annotation in public_parameters()
        if FUNCTIONS.search(annotation) and not AWAITED.search(annotation)
    }
    assert len(wanted) > 15
    assert wanted - PLAIN.keys() == set()


class Plain:
    def __call__(self, *_: object) -> None: ...


async def test_plain_functions_of_any_kind_and_async_ones_where_they_are_awaited_are_taken(tmp_path: Path) -> None:
    world = World.single_folder(1)
    async with service(world) as simulator, session_for(simulator, hooks=[Plain(), [].append]) as session:
        seen: list[object] = []
        sheet = world.sheets[0]
        ref = await bim360.start_export(session, world.hubs[0].projects[0].id, sheet.tip.id)
        plain: Any
        for number, plain in enumerate((seen.append, Plain(), functools.partial(print, end=""), lambda _: None)):
            await wait_for_export(session, ref, tmp_path / f"{number}.pdf", on_status=plain, on_progress=plain)
        job = await poll_export(session, ref)
        kept: list[object] = []

        async def keep(file: object) -> None:
            kept.append(file)

        async def renew(_: object) -> Any:
            raise AssertionError("the link is fresh")

        assert job.link is not None
        await download(session, job.link, tmp_path / "a.pdf", before_rename=keep, renew=functools.partial(renew))
        assert kept
        assert seen
