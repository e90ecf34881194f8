"""The folder of one project and that of several are kept apart, by runs and forecasts alike."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.support import Ran, Simulation

Cli = Callable[..., Ran]
ONE, SEVERAL = ("sync", "Riverside"), ("sync", "Riverside*")
FOR_ONE = "has a subfolder for each project: choose one of them, or another --out"
FOR_SEVERAL = "is the folder of an export or of one project"
GOOD = ("--folder", "Plans/Good")


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "forecast"])
@pytest.mark.parametrize(
    ("before", "after", "code", "words"),
    [
        (ONE, SEVERAL, 8, FOR_SEVERAL),
        (("export", "Riverside"), SEVERAL, 8, FOR_SEVERAL),
        (SEVERAL, ONE, 2, FOR_ONE),
        (SEVERAL, ("export", "Riverside"), 2, FOR_ONE),
    ],
    ids=["one, several", "export, several", "several, one", "several, export"],
)
def test_they_are_kept_apart(
    cli: Cli,
    service: Simulation,
    tmp_path: Path,
    before: tuple[str, ...],
    after: tuple[str, ...],
    code: int,
    words: str,
    dry: tuple[str, ...],
) -> None:
    ran = cli(*before, *GOOD, "--out", tmp_path, env=service.env)
    assert ran.code == 0, ran.err
    there = sorted(tmp_path.rglob("*"))
    refused = cli(*after, *GOOD, "--out", tmp_path, *dry, env=service.env)
    assert refused.code == code
    assert words in " ".join(refused.err.split())
    assert sorted(tmp_path.rglob("*")) == there
    again = cli(*before, *GOOD, "--out", tmp_path, env=service.env)
    assert again.code == 0, again.err


def test_tables_of_several_registers_have_names(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    ran = cli(*SEVERAL, *GOOD, "--out", tmp_path, env=service.env)
    assert ran.code == 0, ran.err
    shown = cli("register", tmp_path, env=service.env)
    assert shown.out.splitlines()[0] == "Riverside"
    assert shown.out.splitlines()[1].startswith("SHEET ")
    [only] = [each for each in tmp_path.iterdir() if each.is_dir()]
    assert cli("register", only, env=service.env).out.startswith("SHEET ")


@pytest.mark.parametrize("which", [ONE, SEVERAL], ids=["one", "several"])
def test_json_of_a_forecast_names_the_project_as_a_run_does(
    cli: Cli, service: Simulation, tmp_path: Path, which: tuple[str, ...]
) -> None:
    options = (*GOOD, "--out", tmp_path, "--json")
    forecast = cli(*which, *options, "--dry-run", env=service.env)
    run = cli(*which, *options, env=service.env)
    for ran in (forecast, run):
        lines = ran.out.splitlines()
        assert len(lines) == 3, ran.err
        assert all(each.startswith('{"project": "Riverside", "projectId": ') for each in lines)
