"""The pytest plugin as users have it: found through its entry point, by a pytest in a fresh folder."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from aps_async import InputError, Settings
from aps_async.cli.environment import settings_from
from aps_async.cli.exit_codes import UsageProblem
from aps_async.integrations import pytest_plugin
from tests.docstrings import programs

ROOT = Path(__file__).parents[2]


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


OTHERS = ("looptime_plugin", "hypothesispytest", "anyio", "xdist", "xdist.looponfail")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to import the package from, with the metadata that an installer writes from pyproject.toml."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "aps_async").symlink_to(ROOT / "aps_async", target_is_directory=True)
    info = folder / f"aps_async-{PROJECT['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {PROJECT['name']}\nVersion: {PROJECT['version']}\n")
    lines = [f"{name} = {module}" for name, module in PROJECT["entry-points"]["pytest11"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))
    return folder


def run(folder: Path, site: Path, tests: str, *options: str, **environ: str) -> tuple[dict[str, int], str]:
    """pytest on these tests; gives how many had which result, and what was printed."""
    (folder / "test_mine.py").write_text(tests)
    (folder / "pytest.ini").touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("APS_", "PYTEST", "COV"))}
    # Without the short summary: it repeats messages, whole where `CI` is set or the terminal is wide. And without
    # plugins that users need not have: one looks for an event loop, which is a DeprecationWarning from Python 3.12 on,
    # and together they take half of the time that pytest needs to start.
    others = [word for name in OTHERS for word in ("-p", f"no:{name}")]
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", "-q", "-rN", "--color=no", "--strict-markers", "-p", "no:cacheprovider",
         *others,
         "-W", "error", "-W", "ignore:The configuration option \"asyncio_default", *options],
        cwd=folder, check=False, capture_output=True, text=True, timeout=120,
        env={**kept, "PYTHONPATH": str(site), **environ},
    )  # fmt: skip
    last = ran.stdout.strip().rpartition("\n")[2]
    words = last.replace(",", "").replace("errors", "error").split()
    counts = {word: int(words[at - 1]) for at, word in enumerate(words) if word in ("passed", "failed", "error")}
    return counts, ran.stdout + ran.stderr


def test_the_entry_point_is_the_plugin() -> None:
    assert PROJECT["entry-points"]["pytest11"] == {"aps_async": pytest_plugin.__name__}
    assert {*PROJECT["optional-dependencies"]["simulator"]} < {*PROJECT["optional-dependencies"]["testing"]}


def example() -> str:
    """The code of the plugin's docstring, as it is written there."""
    [program] = programs(pytest_plugin.__doc__)
    return program


def test_the_example_of_the_docstring_passes(installed: Path, tmp_path: Path) -> None:
    counts, out = run(tmp_path, installed, example())
    assert counts == {"passed": 1}, out


MARKERS = """
import asyncio
import subprocess
import sys
import time

import pytest
from aps_async import Session, Settings, TwoLegged, bim360, sheets, wait_for_export

asyncio.set_event_loop(None)  # else pytest-asyncio asks for one between two tests, and never closes it
pytestmark = pytest.mark.aps_simulator(sheets=2)


async def export(session, simulator, target):
    sheet = simulator.world.sheets[0]
    job = await bim360.start_export(session, sheet.folder.project.id, sheet.tip.id)
    return await wait_for_export(session, job, target)


def outcomes(simulator, endpoint):
    return [seen.status for seen in simulator.log if seen.endpoint == endpoint]


def test_a_script_with_asyncio_run(aps_simulator, tmp_path):
    async def main():
        async with Session(TwoLegged.from_env()) as session:
            return await export(session, aps_simulator, tmp_path / "a.pdf")

    assert asyncio.run(main()).exists()
    assert aps_simulator.speed == 60


def test_another_process(aps_simulator):
    code = "import asyncio; from aps_async import *\\n"
    code += "async def main():\\n async with Session(TwoLegged.from_env()) as s: await s.check_token()\\n"
    subprocess.run([sys.executable, "-c", code + "asyncio.run(main())"], check=True, timeout=60)
    assert "token" in aps_simulator.counts()["endpoints"]


@pytest.mark.asyncio
@pytest.mark.aps_fault(endpoint="export_status", status=503, nth=1)
@pytest.mark.aps_fault("export_status", status=429, retry_after=0, nth=[2, 3])
async def test_faults(aps_simulator, aps_session, tmp_path):
    await export(aps_session, aps_simulator, tmp_path / "a.pdf")
    assert outcomes(aps_simulator, "export_status")[:3] == [503, 429, 429]


@pytest.mark.asyncio
@pytest.mark.aps_simulator(sheets=1, speed=200)
async def test_the_nearest_marker_wins(aps_simulator, aps_session):
    assert len(aps_simulator.world.sheets) == 1
    assert aps_session.settings.time_scale == aps_simulator.speed == 200


@pytest.mark.asyncio
async def test_the_speed_is_right_from_the_first_call(aps_simulator, aps_session):
    assert aps_session.settings == Settings().scaled(60)
    assert not aps_simulator.log


@pytest.mark.asyncio
@pytest.mark.aps_simulator(waiting=False, speed=1)
@pytest.mark.aps_fault("export_status", status=503, nth=[1, 2, 3, 4])
async def test_without_waiting(aps_simulator, aps_session, tmp_path):
    began = time.monotonic()
    await export(aps_session, aps_simulator, tmp_path / "a.pdf")
    for _ in range(120):  # more than a minute's quota
        sheet = aps_simulator.world.sheets[0]
        await bim360.start_export(aps_session, sheet.folder.project.id, sheet.tip.id)
    assert outcomes(aps_simulator, "export_status")[:5] == [503, 503, 503, 503, 200]
    assert set(outcomes(aps_simulator, "export_start")) <= {200, 201, 202}
    assert time.monotonic() - began < 15  # at this speed, one retry and one poll alone would take longer
"""


def test_markers_and_fixtures(installed: Path, tmp_path: Path) -> None:
    counts, out = run(tmp_path, installed, MARKERS)
    assert counts == {"passed": 6}, out


def test_the_module_is_loaded_by_name_too(installed: Path, tmp_path: Path) -> None:
    options = ("-p", "pytest_asyncio.plugin", "-p", pytest_plugin.__name__)
    counts, out = run(tmp_path, installed, example(), *options, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert counts == {"passed": 1}, out


LOOPS = """
import asyncio

import pytest

asyncio.set_event_loop(None)


async def ask(session):
    await session.check_token()


@pytest.mark.asyncio
async def test_as_configured(aps_session):
    await ask(aps_session)


@pytest.mark.asyncio(loop_scope="module")
class TestOfAClass:
    async def test_one(self, aps_session):
        await ask(aps_session)

    @pytest.mark.asyncio(loop_scope="class")
    async def test_other(self, aps_session):
        await ask(aps_session)


@pytest.mark.asyncio(loop_scope="module")
async def test_of_the_module(aps_session):
    await ask(aps_session)


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("number", [1, 2])
async def test_of_all(number, aps_session):
    await ask(aps_session)
"""


@pytest.mark.parametrize("tests", ["function", "module", "session"])
@pytest.mark.parametrize("fixtures", ["function", "session"])
def test_the_session_is_open_in_the_loop_of_the_test(
    installed: Path, tmp_path: Path, tests: str, fixtures: str
) -> None:
    options = ("-o", f"asyncio_default_test_loop_scope={tests}", "-o", f"asyncio_default_fixture_loop_scope={fixtures}")
    counts, out = run(tmp_path, installed, LOOPS, *options)
    assert counts == {"passed": 6}, out


def test_waiting_is_turned_off_in_the_configuration(installed: Path, tmp_path: Path) -> None:
    tests = """
    import os
    def test_settings(aps_simulator):
        from aps_async import Settings
        assert os.environ["APS_SPEED"] == "30.0"
        assert Settings.from_env() == Settings().scaled(30).without_waiting()
    """
    options = ("-o", "aps_waiting=false", "-o", "aps_speed=30")
    counts, out = run(tmp_path, installed, tests.replace("\n    ", "\n"), *options)
    assert counts == {"passed": 1}, out


def test_nothing_of_ours_is_imported_before_a_fixture_is_requested(installed: Path, tmp_path: Path) -> None:
    tests = """
import sys
def test_imports():
    ours = {name for name in sys.modules if name.startswith("aps_async")}
    assert ours == {"aps_async", "aps_async.integrations", "aps_async.integrations.pytest_plugin"}
    assert "aiohttp" not in sys.modules
"""
    counts, out = run(tmp_path, installed, tests)
    assert counts == {"passed": 1}, out


WRONG = {
    "aps_simulator(speeed=3)": "the marker aps_simulator has no option 'speeed'; did you mean 'speed'?",
    "aps_simulator(60)": "the marker aps_simulator takes options by name, not 60",
    "aps_simulator(speed=0)": "the marker aps_simulator: speed must be a positive number, not 0",
    "aps_simulator(speed='fast')": "the marker aps_simulator: speed must be a positive number, not 'fast'",
    "aps_simulator(waiting='off')": "the marker aps_simulator: waiting must be True or False, not 'off'",
    "aps_simulator(pdf='none.pdf')": "none.pdf: cannot be read: No such file or directory",
    "aps_simulator(world='none.json')": "none.json: cannot be read: ",
    "aps_simulator(world={'hubs': 3})": "hubs",
    "aps_simulator(world={}, sheets=3)": "sheets applies to drawn sheets; a world or a PDF has its own",
    "aps_simulator(sheets='3')": "the marker aps_simulator: sheets must be a whole number, 0 or more, not '3'",
    "aps_simulator(sheets=-1)": "the marker aps_simulator: sheets must be a whole number, 0 or more, not -1",
    "aps_fault('hubs', status='503')": "the marker aps_fault: status must be a whole number, not '503'",
    "aps_fault(status=503)": "the marker aps_fault takes an endpoint, a kind, and the rest by name",
    "aps_fault('hubs', 'status', 503)": "the marker aps_fault takes an endpoint, a kind, and the rest by name",
    "aps_fault('hubs', 'odd')": "the marker aps_fault: unknown kind 'odd'",
    "aps_fault('hubs', stat=503)": "the marker aps_fault: unknown key 'stat'",
    "aps_fault('export_statu', status=503)": "there is no endpoint 'export_statu'; did you mean 'export_status'?",
}


def test_a_wrong_marker_is_one_clear_error(installed: Path, tmp_path: Path) -> None:
    tests = [f"@pytest.mark.{marker}\ndef test_{n}(aps_simulator): pass\n" for n, marker in enumerate(WRONG)]
    counts, out = run(tmp_path, installed, "import pytest\n" + "".join(tests))
    assert counts == {"error": len(WRONG)}, out
    for marker, words in WRONG.items():
        assert words in out, marker
    assert "Traceback" not in out
    assert "site-packages" not in out


WITHOUT_EFFECT = """
import pytest

@pytest.mark.aps_fault("hubs", status=503)
def test_with_a_fault(): pass

@pytest.mark.aps_simulator(sheets=2)
def test_with_a_simulator(): pass

@pytest.mark.aps_simulator(sheets=2)
class TestAll:
    def test_one(self, aps_simulator): pass
    def test_another(self): pass

@pytest.mark.aps_fault("hubs", status=503)
def test_that_asks_for_it_itself(request): request.getfixturevalue("aps_simulator")

@pytest.mark.aps_fault("hubs", status=503)
@pytest.mark.skip
def test_that_is_skipped(): pass
"""


def test_a_marker_of_a_test_without_the_fixture_is_an_error(installed: Path, tmp_path: Path) -> None:
    counts, out = run(tmp_path, installed, WITHOUT_EFFECT)
    assert counts == {"failed": 2, "passed": 3}, out
    for name in ("aps_fault", "aps_simulator"):
        assert out.count(f"the marker {name} has no effect: the test uses neither of the fixtures") == 1, out


OWN_PLANS = """
import pytest
from aps_async import bim360, export_project, wait_for_export


@pytest.mark.asyncio
@pytest.mark.aps_simulator(pdf="plans/mine.pdf", waiting=False)
async def test_sheets_of_my_own_pdf(aps_simulator, aps_session, tmp_path):
    outcomes = [outcome async for outcome in export_project(aps_session, "Riverside Clinic", tmp_path)]
    assert [outcome.ok for outcome in outcomes] == [True] * 3
    assert len(list(tmp_path.glob("*.pdf"))) == 3


@pytest.mark.aps_simulator(world="world.json")
def test_a_world_of_my_own(aps_simulator):
    assert [sheet.name for sheet in aps_simulator.world.sheets] == ["X-1"]


def test_my_variables_are_not_seen(aps_simulator):
    import os
    assert "APS_ACCESS_TOKEN" not in os.environ
"""


def test_files_of_the_newcomer(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()
    drawing = Canvas(str(tmp_path / "plans" / "mine.pdf"))
    for number in range(3):
        drawing.drawString(100, 100, f"Mine {number}")
        drawing.showPage()
    drawing.save()
    folders = [{"name": "Plans", "items": [{"number": "X-1"}]}]
    world = {"hubs": [{"name": "H", "projects": [{"name": "P", "projectType": "BIM360", "folders": folders}]}]}
    (tmp_path / "world.json").write_text(json.dumps(world))
    counts, out = run(tmp_path, installed, OWN_PLANS, APS_ACCESS_TOKEN="mine")
    assert counts == {"passed": 3}, out


@pytest.mark.parametrize(
    ("package", "fixture"),
    [
        ("reportlab", "aps_simulator"),
        ("pypdf", "aps_simulator"),
        ("joserfc", "aps_simulator"),
        ("pytest_asyncio", "aps_session"),
    ],
)
def test_a_missing_package_is_one_clear_error(installed: Path, tmp_path: Path, package: str, fixture: str) -> None:
    (tmp_path / "hide.py").write_text(f"import sys\nsys.modules[{package!r}] = None\n")
    tests = f"def test_of_others():\n    pass\n\ndef test_with_ours({fixture}):\n    pass\n"
    options = ("-p", "hide", *([] if fixture == "aps_simulator" else ["-p", "no:asyncio"]))
    site = os.pathsep.join((str(installed), str(tmp_path)))
    counts, out = run(tmp_path, Path(site), tests, *options)
    assert counts == {"passed": 1, "error": 1}, out
    words = f"{fixture} needs {package}, which is not installed: pip install 'aps-async[testing]'"
    assert out.count(words) == 1, out
    assert "Traceback" not in out


def test_a_wrong_word_for_waiting_is_refused() -> None:
    with pytest.raises(InputError, match="APS_WAITING must be 'on' or 'off'"):
        Settings.from_env({"APS_WAITING": "perhaps"})
    assert Settings.from_env({"APS_WAITING": "on"}) == Settings()


@pytest.mark.parametrize("name", ["APS_WAITING", "APS_SPEED"])
def test_the_command_line_refuses_both_for_a_service_that_is_not_on_this_machine(name: str) -> None:
    with pytest.raises(UsageProblem, match=f"{name} is for a simulator on this machine"):
        settings_from({name: "10"}, "https://aps.example")
