"""Secrets: no token, secret or signed query is ever shown, whatever goes wrong and even if the service repeats them."""

import base64
import copy
import inspect
import json
import logging
import pickle
import re
import traceback
from pathlib import Path
from typing import Any, get_args

import pytest
from aiohttp import web

from aps_async import (
    APSError,
    ExportJob,
    ExportRef,
    ExportRequest,
    ExportStatus,
    Session,
    Settings,
    SignedUrl,
    StaticToken,
    TwoLegged,
    bim360,
    download,
    errors,
    list_sheets,
    projects,
    ref_to_json,
    wait_for_export,
)
from aps_async.auth import AccessToken
from aps_async.exports.wait import download_export
from aps_async.models import ExportKind
from aps_async.resources.bim360 import ExportResult
from aps_async.simulator import Behaviour, Fault, JobPolls, Simulator, World
from aps_async.simulator.faults import Kind
from aps_async.transport.quotas import Endpoint
from aps_async.transport.request import call_to
from aps_async.workers.records import error_to_json
from tests.support import served, service, session_for

SECRET = "canary-secret"
APP = "canary-app"  # an id is no secret; it may be shown
BASIC = base64.b64encode(f"{APP}:{SECRET}".encode()).decode()
SIGNED = "X-Amz-Security-Token=canary%2Ftoken&X-Amz-Signature=canarysignature"

virtual_time = pytest.mark.looptime


class Watcher(logging.Handler):
    """Formats every record of every logger, with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines = list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "aiohttp.access":  # the servers of these tests; a client has no such log
            return
        self.lines.append(logging.Formatter("%(name)s %(message)s").format(record))


@pytest.fixture
def log() -> Any:
    watcher, root = Watcher(), logging.getLogger()
    level = root.level
    root.addHandler(watcher)
    root.setLevel(logging.DEBUG)
    yield watcher
    root.setLevel(level)
    root.removeHandler(watcher)


def shown(problem: BaseException) -> list[str]:
    """Everything that is printed, logged or stored of an error: the last is a row of the workers' database."""
    texts = ["".join(traceback.format_exception(problem))]
    texts.append("".join(traceback.TracebackException.from_exception(problem, capture_locals=False).format()))
    chain, seen = [problem], set[int]()
    while chain:
        each = chain.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        texts += [
            str(each),
            repr(each),
            repr(each.args),
            repr(vars(each)),
            error_to_json(each),
            *getattr(each, "__notes__", ()),
        ]
        chain += [other for other in (each.__cause__, each.__context__) if other is not None]
    return texts


def assert_clean(texts: list[str], *secrets: str) -> None:
    for text in texts:
        for secret in (SECRET, BASIC, BASIC.rstrip("="), *secrets):
            assert secret not in text, text
        assert not re.search(r"(?i)x-amz-(signature|security-token|credential)=[^…]", text), text
        assert not re.search(r"eyJ[\w-]+\.[\w-]+", text), text


def guarded(simulator: Simulator) -> list[str]:
    """All that this simulator has given out: its tokens, whole and in parts."""
    tokens = list(simulator.tokens._tokens)
    return tokens + [token[-40:] for token in tokens]


ENDPOINTS = ("token", "hubs", "project", "top_folders", "folder_contents", "batch_get", "export_start", "export_status",
             "signed_get")  # fmt: skip
FAULTS = [
    *(Fault(endpoint=endpoint, kind=kind) for endpoint in ENDPOINTS for kind in get_args(Kind)),
    *(Fault(endpoint=endpoint, status=status) for endpoint in ENDPOINTS for status in (400, 401, 403, 404, 429, 500)),
]
NUMBERS = Settings(
    max_attempts=2,
    max_download_attempts=2,
    link_renewals=1,
    backoff_base=0.1,
    poll_interval=1,
    export_timeout=60,
    not_found_grace=0,
)


async def whole_run(session: Session, target: Path) -> None:
    sheet = await anext(list_sheets(session, "Riverside Clinic"))
    job = await bim360.start_export(session, sheet.project_id, sheet.version_urn, markups=True)
    assert_clean([repr(job), str(job), ref_to_json(job.ref), repr(sheet)])
    await wait_for_export(session, job, target, on_status=lambda each: assert_clean([repr(each), str(each)]))


def test_a_call_does_not_show_its_credentials() -> None:
    call = call_to("http://h", Endpoint("token", 50), "POST", "/token", {"Authorization": BASIC}, body=SECRET.encode())
    assert "/token" in repr(call)
    assert_clean([repr(call)])


@pytest.mark.long
@virtual_time
async def test_nothing_is_shown_whatever_goes_wrong(tmp_path: Path, log: Watcher) -> None:
    document = {"apps": [{"id": APP, "secret": SECRET}]}
    met, texts = set[str](), list[str]()
    for number, fault in enumerate([None, *FAULTS]):
        world = World.demo(1)
        world.apps.clear()
        world.apps.update(World.from_json(document).apps)
        behaviour = Behaviour(job_time=JobPolls(1))
        async with service(world, faults=[fault] if fault else [], behaviour=behaviour) as simulator:
            async with session_for(simulator, NUMBERS) as session:
                assert_clean([repr(session), str(session), repr(session._tokens), str(session._tokens)])
                try:
                    await whole_run(session, tmp_path / f"{number}.pdf")
                except APSError as problem:
                    met.add(type(problem).__name__)
                    texts += shown(problem)
                except BaseException as problem:  # noqa: BLE001 - the point is that there is none
                    pytest.fail(f"{fault}: {problem!r} is not of our tree")
            assert_clean(texts + log.lines, *guarded(simulator))
            texts.clear()
            log.lines.clear()
    assert met >= {
        "AuthError", "UnauthorizedError", "TransportError", "ResponseError", "NotAllowedError", "NotFoundError",
        "RateLimitedError", "ServerError", "DecodeError", "ExportTimeoutError", "LinkExpiredError",
        "IncompleteDownloadError",
    }  # fmt: skip


@virtual_time
async def test_exit_codes_of_the_job_the_target_and_the_input_show_nothing(tmp_path: Path, log: Watcher) -> None:
    texts, met = list[str](), set[str]()
    items = [{"number": "fails", "fails": True}, {"type": "file", "name": "x.pdf"}, {"number": "good"}]
    tree = {"hubs": [{"projects": [{"name": "P", "folders": [{"name": "Plans", "items": items}]}]}],
            "apps": [{"id": APP, "secret": SECRET}]}  # fmt: skip
    async with service(World.from_json(tree), behaviour=Behaviour(job_time=JobPolls(1))) as simulator:
        async with session_for(simulator, NUMBERS) as session:
            project = simulator.world.hubs[0].projects[0]
            link = SignedUrl(f"http://h/x?{SIGNED}")
            fails, file, good = (item.tip.id for item in project.folders[0].items)

            async def to(version: str, path: Path) -> None:
                await wait_for_export(session, await bim360.start_export(session, project.id, version), path)

            async def with_a_token() -> None:
                async with session.open_link(link, {"Authorization": f"Bearer {SECRET}"}):
                    pass

            for call in (
                to(fails, tmp_path / "x"),
                to(file, tmp_path / "x"),
                to(good, tmp_path / "missing" / "x"),
                to("nonsense", tmp_path / "x"),
                anext(list_sheets(session, "Nowhere")),
                with_a_token(),
            ):
                with pytest.raises(APSError) as caught:
                    await call
                met.add(type(caught.value).__name__)
                texts += shown(caught.value)
        assert_clean(texts + log.lines, *guarded(simulator))
    assert met == {"ExportFailedError", "NotExportableError", "TargetError", "InputError", "NotFoundInProjectError"}


def repeated(request: web.BaseRequest, body: str) -> str:
    return f"{dict(request.headers)} {request.url} {body}"


@virtual_time
@pytest.mark.parametrize("shape", ["json", "text", "html", "xml", "broken", "title", "list"])
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
async def test_a_service_that_repeats_everything_it_was_sent(
    tmp_path: Path, log: Watcher, shape: str, status: int
) -> None:
    async def parrot(request: web.BaseRequest) -> web.StreamResponse:
        said = repeated(request, (await request.read()).decode())
        body = {
            "json": json.dumps({"developerMessage": said, "errorCode": said}),
            "list": json.dumps({"errors": [{"title": said, "detail": said, "code": said}]}),
            "text": said,
            "html": f"<html><title>{said}</title></html>",
            "xml": f"<?xml version='1.0'?><Error><Code>X</Code><Message>{said}</Message></Error>",
            "broken": json.dumps({"access_token": SECRET, "client_secret": SECRET, "refresh_token": SECRET})[:-3],
            "title": json.dumps({"title": said}),
        }[shape]
        kind = {"text": "text/plain", "html": "text/html", "xml": "application/xml"}.get(shape, "application/json")
        headers = {"x-ads-troubleshooting": said.replace("\r", "").replace("\n", "")}
        return web.Response(status=status, text=body, content_type=kind, headers=headers)

    texts = list[str]()
    async with served(parrot) as url:
        numbers = Settings(max_attempts=2, max_download_attempts=2, backoff_base=0.1)
        link = SignedUrl(f"{url}/x.pdf?{SIGNED}")
        async with Session(TwoLegged(APP, SECRET), base_url=url, settings=numbers) as session:
            with pytest.raises(APSError) as caught:
                await projects.list_hubs(session)
            texts += shown(caught.value)
        async with Session(StaticToken(SECRET), base_url=url, settings=numbers) as session:
            for call in (
                bim360.start_export(session, "p", "urn:adsk.wipprod:fs.file:vf.A?version=1"),
                download(session, link, tmp_path / "x.pdf"),
            ):
                with pytest.raises(APSError) as caught:
                    await call
                texts += shown(caught.value)
    assert_clean(texts + log.lines, "canarysignature", "canary%2Ftoken", "canary/token")


# ------------------------------------------------------------------- values


def test_values_that_hold_secrets_do_not_show_them() -> None:
    request = ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=("urn:x",))
    ref = ExportRef(request=request, export_id="e")
    link = SignedUrl.parse(f"https://h/x?{SIGNED}", received_at=0)
    for value in (
        AccessToken(SECRET, 1.0),
        TwoLegged(APP, SECRET),
        StaticToken(SECRET),
        link,
        ExportJob(ref=ref, status=ExportStatus.SUCCEEDED, raw_status="completed", link=link),
        ExportResult(signed_url=f"https://h/x?{SIGNED}"),
        [link],
        {"link": link},
    ):
        assert_clean([str(value), repr(value), f"{value}", "%s %r" % (value, value)], "canarysignature")  # noqa: UP031


# --------------------------------------------------------- errors as values

CLASSES = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, APSError)]


def example(kind: type[APSError]) -> APSError:
    """One of each, with everything that its constructor takes."""
    request = ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=("urn:x",))
    ref = ExportRef(request=request, export_id="e")
    link = SignedUrl(f"https://h/x?{SIGNED}")
    given: dict[str, Any] = {
        "sent": True,
        "status": 500,
        "method": "GET",
        "path": Path("/x") if issubclass(kind, errors.DownloadError) else "/x",
        "code": "C",
        "detail": "d",
        "request_id": "r",
        "retry_after": 7.0,
        "problems": ("p",),
        "garbled": True,
        "ref": ref,
        "job": ExportJob(ref=ref, status=ExportStatus.RUNNING, raw_status="committed", link=link),
    }
    wanted = inspect.signature(kind.__init__).parameters
    return kind("words", **{name: value for name, value in given.items() if name in wanted})


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_shows_no_secret_of_what_it_carries(kind: type[APSError]) -> None:
    problem = example(kind)
    assert str(problem) == "words"
    assert_clean(shown(problem), "canarysignature")


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda problem: pickle.loads(pickle.dumps(problem))])  # noqa: S301
def test_an_error_goes_to_another_process_whole(kind: type[APSError], way: Any) -> None:
    problem = example(kind)
    problem.add_note("while testing")
    twin = way(problem)
    assert type(twin) is kind
    assert twin is not problem
    assert (str(twin), vars(twin)) == (str(problem), vars(problem))
    twin.add_note("only here")
    assert problem.__notes__ == ["while testing"]


def test_only_what_is_catalogued_is_raised_by_name() -> None:
    """Each has its own docstring: it says what the caller can do."""
    assert len(CLASSES) >= 19
    assert all(each.__doc__ and each.__doc__ != each.__mro__[1].__doc__ for each in CLASSES)
    assert download_export.__doc__
