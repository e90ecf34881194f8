"""The environment of a command: closed streams, unusable terminal widths, two distributions of one package."""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import backoff
import pytest

from tests.cli.support import COMMAND, Ran, Simulation, clean_environment, run

STREAMS = ("<&-", ">&-", "2>&-")
CLOSED = [" ".join(some) for count in (1, 2, 3) for some in itertools.combinations(STREAMS, count)]
WIDTHS = ["0", "1", "-5", "x", "19", "²", "99999999999", "", " 80 "]


def in_a_shell(command: str, env: dict[str, str]) -> Ran:
    """A command as a shell starts it, with streams closed by it."""
    argv = ["bash", "-c", f'exec "$@" {command}', "bash", *COMMAND]
    done = subprocess.run(argv, capture_output=True, text=True, env=clean_environment(env), timeout=60, check=False)  # noqa: S603
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
@pytest.mark.parametrize("closed", CLOSED)
def test_closed_streams_stop_nothing(service: Simulation, closed: str) -> None:
    ran = in_a_shell(f"projects --json -v {closed}", service.env)
    assert ran.code == 0, ran.err
    assert ("Riverside" in ran.out) == (">&-" not in closed.split())
    assert ("Unable to get hubs" in ran.err) == ("2>&-" not in closed.split())
    assert "Traceback" not in ran.err


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
@pytest.mark.parametrize("closed", CLOSED)
def test_closed_streams_leave_the_exit_code_of_an_error(closed: str) -> None:
    assert in_a_shell(f"projects {closed}", {}).code == 3


@pytest.mark.parametrize("name", ["COLUMNS", "TERMINAL_WIDTH"])
@pytest.mark.parametrize("width", WIDTHS)
def test_help_and_errors_are_readable_at_any_width(name: str, width: str) -> None:
    calls = "main(['--help']), main(['export', 'P', '--nosuch'])"  # in one process, whose start takes most of the time
    code = f"from aps_async.cli import main; raise SystemExit(({calls}) != (0, 2))"
    command = [sys.executable, "-W", "error", "-c", code]
    env = clean_environment({name: width})
    shown = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)  # noqa: S603
    assert shown.returncode == 0, shown.stderr
    assert "Exit codes" in shown.stdout
    assert "export" in shown.stdout


def site_with(folder: Path, distributions: tuple[str, ...], *, whole: bool) -> dict[str, str]:
    """The variables that put a package `backoff` of these distributions before the installed one."""
    package = folder / "backoff"
    if whole:
        shutil.copytree(Path(backoff.__file__).parent, package)
    else:
        package.mkdir()
        (package / "__init__.py").write_text("")  # what an uninstallation may leave
    for name in distributions:
        (folder / f"{name}-3.0.0.dist-info").mkdir()
    root = Path(__file__).parents[2]
    return {"PYTHONPATH": os.pathsep.join((str(folder), str(root)))}


@pytest.mark.parametrize("argv", [("projects",), ("demo",)])
def test_a_backoff_that_is_incomplete_says_what_to_do(tmp_path: Path, argv: tuple[str, ...]) -> None:
    ran = run(*argv, env=site_with(tmp_path, ("python_backoff",), whole=False))
    assert ran.code == 2
    assert ran.err.startswith("aps-async: error: the package backoff is missing or incomplete")
    assert ran.err.endswith("pip uninstall -y backoff python-backoff, then pip install python-backoff\n")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("distributions", "warns"),
    [(("backoff", "python_backoff"), True), (("python_backoff",), False), (("backoff",), False)],
)
def test_two_distributions_of_backoff_are_warned_of(
    service: Simulation, tmp_path: Path, distributions: tuple[str, ...], warns: bool
) -> None:
    ran = run("projects", env=service.env | site_with(tmp_path, distributions, whole=True))
    assert ran.code == 0, ran.err
    assert ("both installed" in ran.err) == warns
    assert ran.err.count("python-backoff") == (3 if warns else 0)
