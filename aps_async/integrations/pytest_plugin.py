"""A pytest plugin: the simulated services as `aps_simulator`, and a session that talks to them as `aps_session`.

pytest loads it in every environment that has this package, so it imports nothing of ours until a fixture is requested.
It needs `pip install 'aps-async[testing]'`.

    import pytest
    from aps_async import bim360, wait_for_export

    @pytest.mark.asyncio
    @pytest.mark.aps_fault(endpoint="export_status", status=503, nth=1)
    async def test_a_sheet(aps_simulator, aps_session, tmp_path):
        sheet = aps_simulator.world.sheets[0]
        job = await bim360.start_export(aps_session, sheet.folder.project.id, sheet.tip.id)
        pdf = await wait_for_export(aps_session, job, tmp_path / "A-101.pdf")
        assert pdf.read_bytes().startswith(b"%PDF-")
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from aps_async.session import Session
    from aps_async.simulator import Simulator

try:
    import pytest_asyncio
except ModuleNotFoundError:  # reported when the fixture is requested
    _async_plugin = None
else:
    _async_plugin = pytest_asyncio

__all__ = ["aps_session", "aps_simulator", "pytest_addoption", "pytest_configure", "pytest_runtest_call"]
__dir__: object = __all__.copy

_SPEED = "60"
_IS_USED = pytest.StashKey[bool]()
_MARKERS = (
    "aps_simulator(sheets=12, pdf=None, world=None, speed=60, waiting=True, **options): how the simulator of this test "
    "runs: with that many drawn sheets, a PDF whose pages are the sheets, or a world (a World, its JSON, or a file of "
    "it); waiting=False: nothing waits; options as for aps_async.simulator.Simulator",
    "aps_fault(endpoint, kind='status', **options): something that goes wrong, as for aps_async.simulator.Fault, such "
    "as aps_fault('export_status', status=503, nth=[1, 2]); may be repeated",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `aps_speed` and `aps_waiting` to the configuration file."""
    parser.addini("aps_speed", "the simulator's speed: at 60, a minute of the service takes a second", default=_SPEED)
    parser.addini(
        "aps_waiting",
        "false: jobs are done at the first question, quotas are not counted, and neither polls nor retries wait",
        type="bool",
        default=True,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers, and the fixtures behind `aps_session`."""
    config.pluginmanager.register(_Sessions(), "aps_async sessions")
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.hookimpl(trylast=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Fails a test whose own markers had no effect, since it would prove nothing."""
    for marker in item.own_markers:
        if marker.name in ("aps_simulator", "aps_fault") and not item.stash.get(_IS_USED, False):
            words = "the test uses neither of the fixtures aps_simulator and aps_session"
            pytest.fail(f"the marker {marker.name} has no effect: {words}", pytrace=False)


@pytest.fixture
def aps_simulator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> "Iterator[Simulator]":
    """Autodesk's services on loopback, in a thread: for async tests, for `asyncio.run`, and for other processes.

    The environment variables of the library lead to it, so that code under test can use
    `Session(TwoLegged.from_env())` as it does elsewhere; your own `APS_` variables are not seen. The markers
    `aps_simulator` and `aps_fault`, and the settings `aps_speed` and `aps_waiting`, say how it runs. `Retry-After` is
    sent as given, and obeyed.
    """
    request.node.stash[_IS_USED] = True
    running, waiting = _simulator_of(request)
    with running as simulator:
        for name in [each for each in os.environ if each.startswith("APS_")]:
            monkeypatch.delenv(name)
        for name, value in _environment(simulator, waiting=waiting).items():
            monkeypatch.setenv(name, value)
        yield simulator


@pytest.fixture
def aps_session(request: pytest.FixtureRequest) -> "Session":
    """An open session with `aps_simulator`: two-legged, acting for the first user of its world.

    It is opened in the event loop that the test runs in, whatever its `loop_scope`.
    """
    if _async_plugin is None:
        _fail_without(ModuleNotFoundError(name="pytest_asyncio"), "aps_session")
    session: Session = request.getfixturevalue(f"_aps_session_{_loop_scope(request)}")
    return session


def _session_in(loop_scope: Any) -> Any:
    """The fixture that opens the session in one of the loops of pytest-asyncio, which it names by their scopes."""

    async def opened(self: object, aps_simulator: "Simulator") -> "AsyncIterator[Session]":  # noqa: ARG001 - a method
        from aps_async import Session, TwoLegged

        async with Session(TwoLegged.from_env(), user_id=next(iter(aps_simulator.world.users))) as session:
            yield session

    return _async_plugin and _async_plugin.fixture(opened, loop_scope=loop_scope, name=f"_aps_session_{loop_scope}")


class _Sessions:
    """A plugin of its own, since a fixture of pytest-asyncio belongs to the loop of one scope."""

    in_function = _session_in("function")
    in_class = _session_in("class")
    in_module = _session_in("module")
    in_package = _session_in("package")
    in_session = _session_in("session")


def _loop_scope(request: pytest.FixtureRequest) -> str:
    """The scope of the event loop that a test runs in."""
    marker = request.node.get_closest_marker("asyncio")
    given = marker.kwargs.get("loop_scope", marker.kwargs.get("scope")) if marker else None
    return str(given or request.config.getini("asyncio_default_test_loop_scope"))


def _environment(simulator: "Simulator", *, waiting: bool) -> dict[str, str]:
    return {
        "APS_BASE_URL": simulator.url,
        "APS_CLIENT_ID": simulator.client_id,
        "APS_CLIENT_SECRET": simulator.client_secret,
        "APS_USER_ID": next(iter(simulator.world.users)),
        "APS_SPEED": str(simulator.speed),
        "APS_WAITING": "on" if waiting else "off",
    }


def _simulator_of(request: pytest.FixtureRequest) -> "tuple[AbstractContextManager[Simulator], bool]":
    """The simulator that markers and configuration ask for, and whether the test waits."""
    try:
        from aps_async.integrations.markers import simulator_of, waits

        return simulator_of(request), waits(request)
    except ModuleNotFoundError as problem:
        _fail_without(problem, "aps_simulator")
    except (ValueError, OSError) as problem:
        raise pytest.fail.Exception(str(problem), pytrace=False) from None


def _fail_without(problem: ModuleNotFoundError, fixture: str) -> NoReturn:
    from aps_async.extras import missing

    failure = pytest.fail.Exception(missing(problem, "testing", fixture), pytrace=False)
    raise failure from None
