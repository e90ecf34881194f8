"""Arguments that a first program gets wrong: each is one error of ours that names what to write instead."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aps_async import (
    Session,
    SignedUrl,
    StaticToken,
    TwoLegged,
    bim360,
    download,
    export_many,
    export_project,
    list_sheets,
    poll,
    wait_for_export,
)
from aps_async.errors import InputError
from aps_async.models import ExportKind, ExportOptions, ExportRef, ExportRequest
from aps_async.settings import Settings
from aps_async.simulator import World
from aps_async.sync.naming import NamePattern
from aps_async.sync.options import SyncOptions
from aps_async.sync.project import sync_project
from aps_async.sync.projects import sync_projects
from aps_async.sync.selection import Selection
from tests.support import service, session_for

pytestmark = pytest.mark.looptime


async def _many(session: Session, wanted: Any, **options: Any) -> None:
    async for _ in export_many(session, wanted, options.pop("folder"), **options):
        pass


async def _project(session: Session, project: Any, **options: Any) -> None:
    async for _ in export_project(session, project, options.pop("folder"), **options):
        pass


async def _sync(session: Session, project: Any, folder: Path, how: Any = None, **options: Any) -> None:
    async for _ in sync_project(session, project, folder, how or SyncOptions(), **options):
        pass


async def _syncs(session: Session, projects: Any, folder: Path, how: Any) -> None:
    async for _ in sync_projects(session, projects, folder, how):
        pass


_REF = ExportRef(
    request=ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=("urn:x:fs.file:vf.x?version=1",)),
    export_id="j",
)
Call = Callable[[Session, Any, Path], Awaitable[object]]


async def _never() -> str:
    raise AssertionError("this must not be asked")


CALLS: dict[str, tuple[Call, str]] = {
    "a sheet": (lambda s, sheet, to: _many(s, [sheet], folder=to), "and not Sheet: make a request of it with its to_r"),
    "a list": (lambda s, _, to: _many(s, list_sheets(s, "P"), folder=to), "and not Sheet: make a request of it"),
    "a text": (
        lambda s, _, to: _many(s, ["A-1"], folder=to),
        "an ExportRequest, an ExportJob or an ExportRef, and not",
    ),
    "a wait": (lambda s, _, to: wait_for_export(s, "A-1", to.with_suffix(".pdf")), "or an ExportRef, and not str"),  # type: ignore[call-overload]
    "no place": (lambda s, sheet, _: _many(s, [sheet.to_request()], folder=None), "a folder, an address or a Storage"),
    "no slot": (
        lambda s, sheet, to: _many(s, [sheet.to_request()], folder=to, max_concurrent_downloads=0),
        "max_concurrent_downloads must be at least 1, not 0",
    ),
    "no time": (
        lambda s, sheet, to: _many(s, [sheet.to_request()], folder=to, timeout=-1),
        "timeout must be a number of seconds, 0 or more, not -1",
    ),
    "a text as time": (
        lambda s, _, to: _project(s, "P", folder=to, timeout="5"),
        "timeout must be a number of seconds, 0 or more, not '5'",
    ),
    "not a number": (
        lambda s, sheet, to: _many(s, [sheet.to_request()], folder=to, timeout=float("nan")),
        "timeout must be a number of seconds, 0 or more, not nan",
    ),
    "more than clocks count": (
        lambda s, sheet, to: _many(s, [sheet.to_request()], folder=to, timeout=10**400),
        "timeout must be a number of seconds, 0 or more, not 1000",
    ),
    "no number for a call": (lambda s, *_: s.check_token(timeout=float("nan")), "seconds, 0 or more, not nan"),
    "no number for a wait": (lambda *_: poll(_never, is_final=bool, timeout=float("nan")), "0 or more, not nan"),
    "a text for slots": (
        lambda s, sheet, to: _many(s, [sheet.to_request()], folder=to, max_concurrent_downloads="3"),
        "max_concurrent_downloads must be at least 1, not '3'",
    ),
    "a misspelt what": (
        lambda s, _, to: _project(s, "P", folder=to, what="sheet"),
        "what must be 'sheets' or 'files', not 'sheet'",
    ),
    "one request": (
        lambda s, sheet, to: _many(s, sheet.to_request(), folder=to),
        "requests must be a list or another iterable of requests, not ExportRequest; for a single one, write [request]",
    ),
    "no requests": (lambda s, _, to: _many(s, None, folder=to), "iterable of requests, not NoneType"),
    "a number of requests": (lambda s, _, to: _many(s, 3, folder=to), "iterable of requests, not int"),
    "a policy in seconds": (
        lambda s, sheet, to: _many(s, [sheet.to_request()], folder=to, policy=5),
        "policy must be a function or another callable, not 5",
    ),
    "a policy in seconds, for one": (
        lambda s, _, to: wait_for_export(s, _REF, to, policy=5),  # type: ignore[call-overload]
        "policy must be a function or another callable, not 5",
    ),
    "a policy in seconds, for a job of another service": (
        lambda *_: poll(_never, is_final=bool, policy=5),  # type: ignore[arg-type]
        "policy must be a function or another callable, not 5",
    ),
    "a policy in seconds, for a sync": (
        lambda s, _, to: _sync(s, "P", to, policy=5),
        "policy must be a function or another callable, not 5",
    ),
    "a bar instead of a function": (
        lambda s, sheet, to: _many(s, [sheet.to_request()], folder=to, on_progress="bar"),
        "on_progress must be a function or another callable, not 'bar'",
    ),
    "a bar for one": (
        lambda s, _, to: wait_for_export(s, _REF, to, on_progress="bar"),  # type: ignore[call-overload]
        "on_progress must be a function or another callable, not 'bar'",
    ),
    "a text on every status": (
        lambda s, _, to: wait_for_export(s, _REF, to, on_status="print"),  # type: ignore[call-overload]
        "on_status must be a function or another callable, not 'print'",
    ),
    "a text before the renaming": (
        lambda s, _, to: download(s, SignedUrl(s.base_url), to, before_rename="x"),  # type: ignore[call-overload]
        "before_rename must be a function or another callable, not 'x'",
    ),
    "a number for a list": (
        lambda s, _, to: _sync(s, "P", to, on_listed=3),
        "on_listed must be a function or another callable, not 3",
    ),
    "a ledger by its name": (
        lambda s, sheet, to: _many(s, [sheet.to_request()], folder=to, ledger="plans"),
        "ledger must be Ledger(...), not 'plans'",
    ),
    "a batch as text": (
        lambda s, sheet, to: _many(s, [sheet.to_request()], folder=to, batch="9"),
        "a batch has 1 to 1,000 sheets, not '9'",
    ),
    "half a batch": (
        lambda s, sheet, to: _many(s, [sheet.to_request()], folder=to, batch=0.5),
        "a batch has 1 to 1,000 sheets, not 0.5",
    ),
    "options of a sync": (
        lambda s, _, to: _sync(s, "P", to, {"prune": True}),
        "how must be SyncOptions(...), not {",
    ),
    "options of several syncs": (
        lambda s, _, to: _syncs(s, ["P"], to, {"prune": True}),
        "how must be SyncOptions(...), not {",
    ),
    "one project for several": (
        lambda s, _, to: _syncs(s, "P", to, None),
        "projects must be a list of projects or of texts",
    ),
    "no project": (lambda s, _, to: _project(s, None, folder=to), "its name, id or web address, not NoneType"),
    "a number for an id": (lambda s, sheet, _: bim360.start_export(s, sheet.project_id, "A-1"), "is not a version URN"),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_wrong_argument_of_a_call(tmp_path: Path, name: str) -> None:
    call, words = CALLS[name]
    world = World.single_folder(2)
    world.hubs[0].projects[0].name = "P"
    async with service(world) as simulator, session_for(simulator) as session:
        sheet = await anext(aiter(list_sheets(session, "P")))
        with pytest.raises(InputError) as caught:
            await call(session, sheet, tmp_path / "out")
        assert words in str(caught.value)
        assert not simulator.counts()["jobs_started"]
    assert not list(tmp_path.rglob("*.pdf"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"refresh": "7d"}, "refresh must be a value such as timedelta(days=7), not '7d'"),
        ({"refresh": 7}, "such as timedelta(days=7), not 7"),
        ({"selection": "A-1*"}, "selection must be a value such as Selection(match='A-1*'), not 'A-1*'"),
        ({"options": {"markups": True}}, "such as ExportOptions(markups=True), not {'markups': True}"),
        ({"pattern": "{titel}"}, "there is no field {titel}"),
        ({"superseded": "delete"}, "superseded must be 'keep' or 'drop', not 'delete'"),
        ({"merge": "set.txt"}, "give it a name that ends in .pdf"),
    ],
)
def test_a_wrong_option_of_a_sync(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        SyncOptions(**options)
    assert words in str(caught.value)


def test_what_may_be_given_instead() -> None:
    assert SyncOptions(pattern="{number}").pattern == NamePattern("{number}")
    how = SyncOptions(refresh=timedelta(days=7), options=ExportOptions(markups=True))
    assert (how.refresh, how.options.markups) == (timedelta(days=7), True)


def test_a_date_as_text_and_a_speed_of_nothing() -> None:
    with pytest.raises(InputError, match="since must be a datetime with a time zone, not '2024-05-31'"):
        Selection(since="2024-05-31")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="speed must be positive, not 0"):
        Settings().scaled(0)


@pytest.mark.parametrize(
    ("tokens", "options", "words"),
    [
        ("a token", {}, "tokens must be a token provider such as TwoLegged.from_env(), not str"),
        (None, {}, "not NoneType"),
        (TwoLegged, {}, "not the class TwoLegged"),
        (StaticToken("x"), {"settings": {"max_attempts": 3}}, "settings must be Settings(...), not dict"),
        (StaticToken("x"), {"clock": 3}, "clock must be a function or another callable, not 3"),
        (StaticToken("x"), {"on_unreachable": "print"}, "on_unreachable must be a function or another callable"),
        (StaticToken("x"), {"base_url": "aps.example"}, "the base address is not a plain http(s) address"),
    ],
)
def test_a_wrong_argument_of_a_session(tokens: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        Session(tokens, **options)
    assert words in str(caught.value)


@pytest.mark.parametrize("token", ["", " ", None, 3])
def test_a_token_that_is_none(token: Any) -> None:
    with pytest.raises(InputError, match=r"the access token (is empty|must be a text, not)"):
        StaticToken(token)
