"""The same export under every way to run an event loop: `asyncio.run`, `asyncio.Runner`, uvloop, anyio, a notebook."""

import ast
import asyncio
import inspect
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, NoReturn

import anyio
import pytest

from aps_async import Session, TwoLegged, export_many, wait_for_export
from aps_async.errors import InputError
from aps_async.exports.streaming import export_stream
from aps_async.simulator import Behaviour, JobPolls, Simulator, World, running_in_thread
from aps_async.threads import in_thread
from tests.cli.support import clean_environment
from tests.docstrings import programs
from tests.exports.test_streaming import SIZE, WORLD, begin

Main = Callable[[], Coroutine[Any, Any, Any]]


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    simulated = Simulator(World.from_json(WORLD), behaviour=Behaviour(job_time=JobPolls(2), quotas=False))
    with running_in_thread(simulated) as running:
        monkeypatch.setenv("APS_BASE_URL", running.url)
        monkeypatch.setenv("APS_CLIENT_ID", running.client_id)
        monkeypatch.setenv("APS_CLIENT_SECRET", running.client_secret)
        monkeypatch.setenv("APS_WAITING", "off")
        yield running


def with_asyncio_run(main: Main) -> Any:
    return asyncio.run(main())


def with_runner(main: Main) -> Any:
    with asyncio.Runner() as runner:
        runner.run(main())  # one loop for several calls
        return runner.run(main())


def with_uvloop(main: Main) -> Any:
    import uvloop

    return uvloop.run(main())


def with_anyio(main: Main) -> Any:
    return anyio.run(main)


def with_anyio_on_uvloop(main: Main) -> Any:
    return anyio.run(main, backend_options={"use_uvloop": True})


def with_eager_tasks(main: Main) -> Any:
    if sys.version_info < (3, 12):
        return asyncio.run(main())
    with asyncio.Runner() as runner:
        runner.get_loop().set_task_factory(asyncio.eager_task_factory)
        return runner.run(main())


WAYS = [with_asyncio_run, with_runner, with_anyio, with_eager_tasks]
if sys.platform != "win32":
    WAYS += [with_uvloop, with_anyio_on_uvloop]


@pytest.mark.parametrize("way", WAYS)
def test_an_export(way: Callable[[Main], Path], simulator: Simulator, tmp_path: Path) -> None:
    async def main() -> Path:
        async with Session(TwoLegged.from_env()) as session:
            found = await wait_for_export(session, await begin(session, simulator), tmp_path / "a.pdf")
            body = await export_stream(session, await begin(session, simulator))
            assert len(b"".join([chunk async for chunk in body])) == SIZE
        return found

    pdf = way(main)
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pdf"]


def test_the_script_in_the_docstring(tmp_path: Path) -> None:
    script, *_ = programs(Session.__doc__)
    with running_in_thread(Simulator(World.demo(2), behaviour=Behaviour(quotas=False), speed=60)) as running:
        known = {"APS_BASE_URL": running.url, "APS_CLIENT_ID": running.client_id}
        known["APS_CLIENT_SECRET"] = running.client_secret
        ran = subprocess.run(  # noqa: S603
            [sys.executable, "-W", "error", "-c", script], cwd=tmp_path, check=False, capture_output=True, timeout=60,
            env=clean_environment(known),
        )  # fmt: skip
    assert (ran.stdout, ran.stderr) == (b"[True, True]\n", b"")
    assert len([*tmp_path.glob("plans/*.pdf")]) == 2


def test_a_notebook_keeps_a_session_from_cell_to_cell(simulator: Simulator, tmp_path: Path) -> None:
    """As ipykernel does it: one loop that never ends, and each cell is a task of its own."""
    sheet = next(each for each in simulator.world.sheets if each.name.startswith("large"))
    cells = [
        "from aps_async import *",
        "session = await Session(TwoLegged.from_env()).open()",
        f"job = await bim360.start_export(session, {sheet.folder.project.id!r}, {sheet.tip.id!r})",
        f"await wait_for_export(session, job, {str(tmp_path / 'never.pdf')!r}, timeout=1e-9)",  # a cell that fails
        f"pdf = await wait_for_export(session, job, {str(tmp_path / 'a.pdf')!r})",
        "await session.close()",
    ]
    names: dict[str, Any] = {}
    problems = []
    loop = asyncio.new_event_loop()
    try:
        for cell in cells:
            code = compile(cell, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(code, names)  # noqa: S307 - our own text
            try:
                if inspect.isawaitable(result):
                    loop.run_until_complete(_cell(result))
            except Exception as problem:  # noqa: BLE001 - as a notebook, which shows it and goes on
                problems.append(type(problem).__name__)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    assert problems == ["ExportTimeoutError"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.pdf"]


def test_a_session_belongs_to_its_event_loop(simulator: Simulator) -> None:
    session = asyncio.run(Session(TwoLegged.from_env()).open())
    with asyncio.Runner() as runner:
        with pytest.raises(InputError, match="opened in another event loop: open one in each"):
            runner.run(begin(session, simulator))
        runner.run(session.close())
        runner.run(session.open())
        runner.run(begin(session, simulator))
        runner.run(session.close())


async def _cell(code: Awaitable[Any]) -> Any:
    return await code


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_cancel_scope_of_anyio_leaves_nothing(
    seconds: float, streamed: bool, simulator: Simulator, tmp_path: Path
) -> None:
    """anyio cancels again and again until the scope is left, not once as asyncio does."""

    async def stays() -> NoReturn:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def main() -> None:
        async with Session(TwoLegged.from_env()) as session:
            job = await begin(session, simulator, "never")
            before = asyncio.all_tasks()
            with anyio.move_on_after(seconds) as scope:
                if streamed:
                    await export_stream(session, job, receive=stays)
                else:
                    await wait_for_export(session, job, tmp_path / "a.pdf")
            assert scope.cancelled_caught
            await asyncio.sleep(0.05)
            assert asyncio.all_tasks() == before
            await wait_for_export(session, await begin(session, simulator), tmp_path / "b.pdf")

    anyio.run(main)
    assert [path.name for path in tmp_path.iterdir()] == ["b.pdf"]


def test_a_cancelled_bulk_run_and_session_leave_nothing(simulator: Simulator, tmp_path: Path) -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        with anyio.move_on_after(0.2) as scope:
            async with Session(TwoLegged.from_env()) as session:
                job = await begin(session, simulator, "never")
                async for _ in export_many(session, [job.ref.request] * 20, tmp_path):
                    pass
        assert scope.cancelled_caught
        assert asyncio.all_tasks() == before

    anyio.run(main)  # with a warning of aiohttp, which is an error here, if its session stays open
    assert list(tmp_path.iterdir()) == []


def test_work_in_a_thread_is_waited_for_under_anyio_too() -> None:
    began, ended = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        time.sleep(0.2)
        ended.set()

    async def main() -> None:
        with anyio.CancelScope() as scope:
            task = asyncio.get_running_loop().call_later(0.05, scope.cancel)
            await in_thread(work)
        assert task is not None
        assert began.is_set()
        assert ended.is_set()

    anyio.run(main)
