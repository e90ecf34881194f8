"""`aps-async sync` with several projects: one line each, one in total, and the worst exit code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aps_async.cli.exit_codes import EXIT_CODES, SEVERITY, worst
from aps_async.ledger.lock import FolderLock
from tests.cli.support import Ran, Simulation

Cli = Callable[..., Ran]
GOOD = ("--folder", "Plans/Good")


def pdfs(folder: Path) -> list[str]:
    """Every PDF below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.pdf"))


def test_one_line_for_each_project_and_one_in_total(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = cli("sync", "Rivers*", "Annex", "Bare", "--out", out, *GOOD, env=service.env)
    lines = ran.out.splitlines()
    assert [line.partition(";")[0] for line in lines] == ["Riverside: 3 new", "3 projects (2 failed): 3 new"]
    assert lines[0].endswith(str(out / "Riverside"))
    assert lines[1].endswith(str(out))
    assert "Annex: failed: " in ran.err
    assert "Bare: failed: " in ran.err
    assert ran.code == 5, "Annex is not allowed, and Bare has no such folder"
    assert len(pdfs(out)) == 3
    assert all(each.startswith("Riverside/") for each in pdfs(out))


@pytest.mark.parametrize(
    ("projects", "where"),
    [
        (("Riverside",), ""),
        (("rivers",), ""),
        (("https://acc.autodesk.com/docs/files/projects/6f1d2c4e-8a53-4c0b-9f7e-2b1a90c3d4e5?folderUrn=x",), ""),
        (("acc.autodesk.com/docs/files/projects/6f1d2c4e-8a53-4c0b-9f7e-2b1a90c3d4e5?folderUrn=x",), ""),
        (("Riverside", "rivers"), "Riverside/"),
        (("Rivers*",), "Riverside/"),
        (("[R]iverside",), "Riverside/"),
    ],
)
def test_only_one_plain_project_goes_directly_into_the_folder(
    cli: Cli, service: Simulation, tmp_path: Path, projects: tuple[str, ...], where: str
) -> None:
    ran = cli("sync", *projects, "--sheet", "A-101", "--out", tmp_path, env=service.env)
    assert (ran.code, pdfs(tmp_path)) == (0, [f"{where}A-101 - Ground.pdf"]), ran.err


def test_all(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    ran = cli("sync", "--all", "--out", tmp_path, *GOOD, "--json", env=service.env)
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert {each["project"] for each in found} == {"Riverside", "Tower", "Annex", "Bare"}
    assert [each["state"] for each in found if each["ok"]] == ["new"] * 3
    assert {each["project"]: each["error"]["exitCode"] for each in found if not each["ok"]} == {
        "Tower": 4,
        "Annex": 5,
        "Bare": 4,
    }
    assert all(len(each["projectId"]) == 36 for each in found)
    assert "4 projects (3 failed): 3 new" in ran.err


def test_the_commands_for_a_folder_know_such_a_folder(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cli("sync", "Rivers*", "--out", out, *GOOD, env=service.env)
    again = cli("resume", out, env=service.env)
    assert (again.code, again.out.splitlines()[-1].partition(";")[0]) == (0, "1 project: 3 unchanged")
    one = cli("resume", out / "Riverside", env=service.env)
    assert (one.code, one.out.partition(";")[0]) == (0, "3 unchanged")
    state = cli("status", out)
    assert (state.code, state.out.partition(",")[0]) == (0, "3 of 3 exports done")
    register = cli("register", out)
    assert (register.code, register.out.splitlines()[0], len(register.out.splitlines())) == (0, "Riverside", 5)
    assert register.err.startswith("Riverside: 3 sheets")
    assert json.loads(cli("register", out, "--json").out)["project"] == "Riverside"
    assert cli("register", out, "--csv").code == 2


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ((), "give a PROJECT, or --all for all of them"),
        (("Riverside", "--all"), "PROJECT and --all cannot be given together"),
        (("Rivers*", "--merge", "x.pdf"), "--merge joins the sheets of one project"),
        (("--all", "--merge", "x.pdf"), "--merge joins the sheets of one project"),
        (("Riverside", "Tower", "--merge", "x.pdf"), "--merge joins the sheets of one project"),
        (("Riverside", "--watch", "10"), "'10' is not a duration"),
        (("Riverside", "--watch", "0m"), "less than a minute"),
        (("Riverside", "--watch", "0.9m"), "less than a minute"),
    ],
)
def test_options_that_do_not_fit(cli: Cli, tmp_path: Path, argv: tuple[str, ...], words: str) -> None:
    ran = cli("sync", *argv, "--out", tmp_path / "out")
    assert (ran.code, words in ran.err) == (2, True), ran.err
    assert not (tmp_path / "out").exists()


def test_one_project_and_several_do_not_mix(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    cli("sync", "Rivers*", "--out", tmp_path / "several", *GOOD, env=service.env)
    ran = cli("sync", "Riverside", "--out", tmp_path / "several", *GOOD, env=service.env)
    assert (ran.code, "a subfolder for each project" in ran.err) == (2, True)
    cli("sync", "Riverside", "--out", tmp_path / "one", *GOOD, env=service.env)
    ran = cli("sync", "--all", "--out", tmp_path / "one", *GOOD, env=service.env)
    assert (ran.code, "choose another folder, or name the one project" in " ".join(ran.err.split())) == (8, True)
    assert all("/" not in each for each in pdfs(tmp_path / "one"))


def test_another_run_in_the_folder_or_in_a_subfolder(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    (tmp_path / "Riverside").mkdir()
    for folder, words in ((tmp_path, "error: another run"), (tmp_path / "Riverside", "Riverside: failed: another run")):
        lock = FolderLock(folder).acquire()
        try:
            ran = cli("sync", "Rivers*", "--out", tmp_path, *GOOD, env=service.env)
        finally:
            lock.release()
        assert (ran.code, words in ran.err) == (8, True), ran.err


def test_a_text_that_fits_no_project(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    ran = cli("sync", "Riverside", "Towr", "--out", tmp_path / "out", env=service.env)
    assert (ran.code, "did you mean Tower" in ran.err) == (4, True), ran.err
    assert not (tmp_path / "out").exists()


def test_the_worst_exit_code() -> None:
    signals = {130}
    assert set(SEVERITY) == set(EXIT_CODES) - signals
    assert worst([]) == 0
    assert worst([0, 9, 1]) == 1
    assert worst([1, 6, 5, 0]) == 5
    assert worst(SEVERITY) == 70
