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

__all__ = ["aps_session", "aps_simulator", "pytest_addoption", "pytest_configure"]
__dir__: object = __all__.copy

_SPEED = "60"
_MARKERS = (
    "aps_simulator(world=None, sheets=12, speed=60, waiting=True, **options): how the simulator of this test runs; "
    "options as for aps_async.simulator.Simulator",
    "aps_fault(endpoint, kind='status', **options): something that goes wrong, as for aps_async.simulator.Fault; may "
    "be repeated",
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
    """Registers the markers."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.fixture
def aps_simulator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> "Iterator[Simulator]":
    """Autodesk's services on loopback, in a thread: for async tests, for `asyncio.run`, and for other processes.

    The environment variables of the library lead to it, so that code under test can use
    `Session(TwoLegged.from_env())` as it does elsewhere. The markers `aps_simulator` and `aps_fault`, and the
    settings `aps_speed` and `aps_waiting`, say how it runs. `Retry-After` is sent as given, and obeyed.
    """
    with _running(request) as simulator:
        for name, value in _environment(simulator, waiting=_waiting(request)).items():
            monkeypatch.setenv(name, value)
        yield simulator


def _async_fixture(function: Any) -> Any:
    """pytest-asyncio's fixture; without it, one that reports that it is missing."""
    if _async_plugin is not None:
        return _async_plugin.fixture(function)

    @pytest.fixture(name=function.__name__)
    def report() -> None:
        _fail_without(ModuleNotFoundError(name="pytest_asyncio"), function.__name__)

    return report


@_async_fixture
async def aps_session(aps_simulator: "Simulator") -> "AsyncIterator[Session]":
    """An open session with `aps_simulator`: two-legged, acting for the first user of its world."""
    from aps_async import Session, TwoLegged

    async with Session(TwoLegged.from_env(), user_id=next(iter(aps_simulator.world.users))) as session:
        yield session


def _environment(simulator: "Simulator", *, waiting: bool) -> dict[str, str]:
    return {
        "APS_BASE_URL": simulator.url,
        "APS_CLIENT_ID": simulator.client_id,
        "APS_CLIENT_SECRET": simulator.client_secret,
        "APS_USER_ID": next(iter(simulator.world.users)),
        "APS_SPEED": str(simulator.speed),
        "APS_WAITING": "on" if waiting else "off",
    }


def _running(request: pytest.FixtureRequest) -> "AbstractContextManager[Simulator]":
    """The simulator that markers and configuration ask for."""
    try:
        from aps_async.simulator import Behaviour, Fault, JobPolls, Simulator, World, running_in_thread
    except ModuleNotFoundError as problem:
        _fail_without(problem, "aps_simulator")
    options = _options(request)
    world = options.pop("world", None) or World.demo(options.pop("sheets", 12))
    options.setdefault("speed", float(request.config.getini("aps_speed")))
    options["faults"] = [*options.get("faults", ()), *(_fault(Fault, mark) for mark in _marks(request, "aps_fault"))]
    options.pop("waiting", None)
    if not _waiting(request):
        options.setdefault("behaviour", Behaviour(job_time=JobPolls(1), quotas=False))
    return running_in_thread(Simulator(world, **options))


def _fault(kind: Any, mark: pytest.Mark) -> Any:
    """A marker's fault; values as in the JSON form, so that `nth=1` is enough."""
    names = ("endpoint", "kind")
    return kind.from_json({**dict(zip(names, mark.args, strict=False)), **mark.kwargs})


def _marks(request: pytest.FixtureRequest, name: str) -> list[pytest.Mark]:
    return list(reversed(list(request.node.iter_markers(name))))


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the markers `aps_simulator` say; that of the test wins over that of its class or module."""
    return {name: value for mark in _marks(request, "aps_simulator") for name, value in mark.kwargs.items()}


def _waiting(request: pytest.FixtureRequest) -> bool:
    return bool(_options(request).get("waiting", request.config.getini("aps_waiting")))


def _fail_without(problem: ModuleNotFoundError, fixture: str) -> NoReturn:
    from aps_async.extras import missing

    failure = pytest.fail.Exception(missing(problem, "testing", fixture), pytrace=False)
    raise failure from None
