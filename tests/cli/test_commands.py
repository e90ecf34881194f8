"""What the commands deliver."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.cli.support import ITEM, PROJECT_ID, SHEET, Ran, Simulation, paths_in, simulation, text_of

Cli = Callable[..., Ran]


def test_projects(cli: Cli, service: Simulation) -> None:
    ran = cli("projects", env=service.env)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].split() == ["TYPE", "PROJECT", "ID", "HUB"]
    assert any(line.split() == ["BIM360", "Riverside", f"b.{PROJECT_ID}", "Northlight"] for line in lines)
    assert any(line.startswith("ACC     Tower") for line in lines)
    assert "Unable to get hubs" not in ran.err
    assert "Unable to get hubs from BIM360DM APAC" in cli("projects", "-v", env=service.env).err
    assert "warning" not in ran.out


def test_projects_as_json(cli: Cli, service: Simulation) -> None:
    ran = cli("projects", "--json", env=service.env)
    assert ran.code == 0
    found = {each["name"]: each for each in json.loads(ran.out)}
    assert found["Riverside"]["id"] == f"b.{PROJECT_ID}"
    assert found["Riverside"]["type"] == "BIM360"
    assert found["Riverside"]["region"] == "EMEA"
    assert found["Tower"]["type"] == "ACC"


def test_the_help_has_the_names_that_people_search_for(cli: Cli) -> None:
    assert " ".join(cli("--help").out.split()).count("BIM 360, ACC (Forma)") == 1


def test_an_app_without_an_account_gets_a_hint_where_to_add_it(cli: Cli, service: Simulation) -> None:
    stranger = {"APS_CLIENT_ID": "stranger", "APS_CLIENT_SECRET": "secret-of-a-stranger"}
    ran = cli("projects", env=service.env | stranger)
    assert ran.code in (4, 5)
    assert "Custom Integrations" in ran.err


@pytest.mark.parametrize("project", ["Riverside", "riverside", PROJECT_ID, f"b.{PROJECT_ID}"])
def test_sheets(cli: Cli, service: Simulation, project: str) -> None:
    ran = cli("sheets", project, "--folder", "Good", env=service.env)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert [line.split()[0] for line in lines] == ["SHEET", "A-101", "A-102", "A-103"]
    assert lines[1].split()[1:] == ["Ground", "Plans/Good", SHEET]
    assert ran.err == "3 sheets\n"


def test_sheets_as_json(cli: Cli, service: Simulation) -> None:
    ran = cli("sheets", "Riverside", "--json", env=service.env)
    assert ran.code == 0
    found = {each["number"]: each for each in json.loads(ran.out)}
    assert datetime.fromisoformat(found["A-101"].pop("changedAt")).tzinfo is not None
    assert found["A-101"] == {
        "tags": [],
        "revision": 1,
        "number": "A-101",
        "title": "Ground",
        "folder": "Plans/Good",
        "version": 1,
        "sourceFile": "plans.pdf",
        "kind": "bim360",
        "id": SHEET,
        "collection": None,
        "itemUrn": ITEM,
        "projectId": PROJECT_ID,
    }
    assert found["A-103"]["title"] == "Schnitt Ä-Ä"
    assert len(found) == 9


def test_titles_cannot_reach_the_terminal(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    for argv in (
        ("sheets", "Riverside"),
        ("sheets", "Riverside", "--json"),
        ("export", "Riverside", "--folder", "Plans/Good", "--out", tmp_path),
        ("export", "Riverside", "--folder", "Plans/Good", "--out", tmp_path, "--json"),
    ):
        ran = cli(*argv, env=service.env)
        assert ran.code == 0
        shown = ran.out + ran.err
        assert "[bold red]Odd[/]" in shown, "markup is text, not a style"
        assert not set(shown) & {"\x1b", "\x07", "\u202e"}
    names = sorted(path.name for path in paths_in(tmp_path))
    assert names[1] == "A-102 - ]0;owned[bold red]Odd[_] title.pdf"


def test_export_a_folder(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    out = tmp_path / "new" / "plans"
    ran = cli("export", "Riverside", "--folder", "Plans/Good", "--out", out, env=service.env)
    assert ran.code == 0
    assert len(paths_in(out)) == 3
    assert "A-101" in text_of(out / "A-101 - Ground.pdf")
    assert ran.err.splitlines()[0] == "exporting 3 sheets"
    assert "[3/3] " in ran.err
    assert ran.out.startswith("3 PDFs, ")
    assert ran.out.endswith(f"s: {out}\n")


def test_export_as_json(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    def status_calls() -> int:
        return int(service.control("counts")["endpoints"].get("export_status", {"calls": 0})["calls"])

    before = status_calls()
    ran = cli("export", "Riverside", "--folder", "Broken", "--out", tmp_path, "--json", env=service.env)
    made = status_calls() - before
    assert ran.code == 1
    found = {each["name"]: each for each in map(json.loads, ran.out.splitlines())}
    assert set(found) == {"B-1 - Sheet B-1", "B-2 - Sheet B-2"}
    bad, good = found["B-1 - Sheet B-1"], found["B-2 - Sheet B-2"]
    assert good["ok"]
    assert good["error"] is None
    assert good["folder"] == "Plans/Broken"
    assert Path(good["path"]).stat().st_size == good["bytes"]
    # None at all if the start was so slow that its response already had the file; more if a status call was repeated.
    assert min(made, 1) <= good["polls"] + bad["polls"] <= made
    assert not bad["ok"]
    assert bad["path"] is None
    assert bad["error"]["type"] == "ExportFailedError"
    assert bad["error"]["exitCode"] == 1
    assert bad["ref"]["exportId"], "what is needed to ask again"
    assert "1 of 2 PDFs" in ran.err


def test_every_failure_is_listed_with_its_reason(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    ran = cli(
        "export", "Riverside", "--out", tmp_path, "--sheet", SHEET, "--sheet", "nonsense",
        "--sheet", SHEET.replace("One", "Two"), env=service.env,
    )  # fmt: skip
    assert ran.code == 1
    failed = [line for line in ran.err.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 2
    assert "404" in failed[0]
    assert "no sheet has the number or id 'nonsense'" in failed[1]
    assert ran.out.startswith("1 of 3 PDFs")
    assert [path.name for path in paths_in(tmp_path)] == ["A-101 - Ground.pdf"]


@pytest.mark.parametrize(
    ("chosen", "names", "words"),
    [
        (("--sheet", "A-101", "--sheet", "b-2"), ["A-101 - Ground", "B-2 - Sheet B-2"], "2 of 9 sheets selected"),
        (("--match", "A-10?", "--exclude", "*2"), ["A-101 - Ground", "A-103 - Schnitt Ä-Ä"], "2 of 9"),
        (("--folder", "good", "--exclude", "A-102", "--exclude", "Q*"),
         ["A-101 - Ground", "A-103 - Schnitt Ä-Ä"], "--exclude 'Q*' matches no sheet"),
        (("--match", "A-101", "--since", "2000-01-01", "--name", "{discipline}/{number}, {title}"),
         ["A/A-101, Ground"], ""),
        (("--sheet", "B-2", "--sheet", "A-101", "--tree"),
         ["Plans/Broken/B-2 - Sheet B-2", "Plans/Good/A-101 - Ground"], ""),
        (("--sheet", "B-2", "--sheet", "A-101", "--name", "{folder}/plan"), ["Plans/Broken/plan", "Plans/Good/plan"],
         ""),
        (("--sheet", "B-2", "--sheet", "A-101", "--name", "plan"), ["plan (2)", "plan"],
         "1 file numbered, since several sheets have the same name: plan (2).pdf"),
        (("--folder", "Good", "--since", "2200-01-01"), [], "0 of 3 sheets selected"),
    ],
)  # fmt: skip
def test_sheets_are_chosen_and_named(
    cli: Cli, service: Simulation, tmp_path: Path, chosen: tuple[str, ...], names: list[str], words: str
) -> None:
    ran = cli("export", "River*", *chosen, "--out", tmp_path, env=service.env)
    assert (ran.code, words in ran.err) == (0, True), ran.err
    files = sorted(each.relative_to(tmp_path).as_posix() for each in tmp_path.rglob("*.pdf"))
    assert files == [f"{name}.pdf" for name in names]
    if names:
        again = cli("resume", tmp_path, env=service.env)
        assert (again.code, f"({len(names)} already there)" in again.out) == (0, True), again.err


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (("--match", "Z*"), "no sheet has a number that matches 'Z*'; there are: "),
        (("--match", "A*", "--exclude", "a*"), "none of the 9 sheets in Riverside is selected"),
        (("--set", "Tender"), "Riverside is a BIM 360 project, and only ACC"),
        (("--tag", "core"), "leave out --tag"),
        (("--name", "{set}/{number}"), "which sheets of BIM 360 projects such as Riverside do not have"),
        (("--folder", "Plans/God"), "did you mean 'Good'?"),
        (("--sheet", "A-1O1"), "did you mean 'A-101 - Ground'"),
    ],
)
def test_what_cannot_be_chosen_is_one_line(
    cli: Cli, service: Simulation, tmp_path: Path, chosen: tuple[str, ...], words: str
) -> None:
    ran = cli("export", "Riverside", *chosen, "--out", tmp_path, env=service.env)
    assert (ran.code, words in ran.err) == (4, True), ran.err


def test_one_sheet_named_twice_is_exported_once(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    ran = cli("export", PROJECT_ID, "--sheet", SHEET, "--sheet", ITEM, "--sheet", SHEET, "--out", tmp_path,
              env=service.env)  # fmt: skip
    assert ran.code == 0
    assert ran.out.startswith("1 PDF, ")


def test_markups_and_hyperlinks_are_asked_for(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    sizes = set()
    for name, options in {"plain": (), "markups": ("--markups",), "links": ("--hyperlinks",)}.items():
        argv = ("export", "Riverside", "--sheet", SHEET, "--out", tmp_path / name, *options)
        assert cli(*argv, env=service.env).code == 0
        sizes.add((tmp_path / name / "A-101 - Ground.pdf").stat().st_size)
    assert len(sizes) == 3


@pytest.mark.parametrize("way", ["option", "environment"])
def test_the_acting_user_goes_with_every_call(cli: Cli, service: Simulation, tmp_path: Path, way: str) -> None:
    service.control("reset", "POST")
    argv: tuple[str | Path, ...] = ("export", "Riverside", "--sheet", SHEET, "--out", tmp_path, "--json")
    env = dict(service.env)
    if way == "option":
        argv += ("--user-id", "USER1")
    else:
        env["APS_USER_ID"] = "USER1"
    ran = cli(*argv, env=env)
    assert ran.code == 0
    assert json.loads(ran.out)["ref"]["request"]["userId"] == "USER1"
    seen = [each for each in service.control("log") if each["endpoint"] not in ("token", "signed_get")]
    assert len(seen) >= 3
    assert {each["headers"].get("x-user-id") for each in seen} == {"USER1"}


def test_verbose_shows_the_calls(cli: Cli, service: Simulation) -> None:
    assert "GET /project/v1/hubs: 200" in cli("-vv", "projects", env=service.env).err
    with service.faults({"endpoint": "hubs", "kind": "status", "status": 503, "times": 1}):
        ran = cli("-v", "projects", env=service.env)
    assert ran.code == 0
    assert "attempt 1 failed" in ran.err


def test_accounts_that_show_no_project_are_not_accounts_without_projects(cli: Cli, service: Simulation) -> None:
    with service.faults({"endpoint": "projects", "kind": "status", "status": 403}):
        ran = cli("projects", env=service.env)
    assert (ran.code, ran.out) == (5, "")
    assert "warning: hub " in ran.err


def test_an_access_token_will_do(cli: Cli, service: Simulation) -> None:
    env = {"APS_BASE_URL": service.url, "APS_SPEED": "60", "APS_ACCESS_TOKEN": _token(service)}
    assert cli("projects", env=env).code == 0


def _token(service: Simulation) -> str:
    import base64
    import urllib.request

    pair = base64.b64encode(f"{service.env['APS_CLIENT_ID']}:{service.env['APS_CLIENT_SECRET']}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310
        f"{service.url}/authentication/v2/token",
        b"grant_type=client_credentials&scope=data%3Aread",
        {"Authorization": f"Basic {pair}", "Content-Type": "application/x-www-form-urlencoded"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return str(json.load(answer)["access_token"])


def test_what_is_left_out_is_named(cli: Cli, tmp_path: Path) -> None:
    world = {"hubs": [{"projects": [{"name": "P", "folders": [{"name": "Plans", "items": [
        {"number": "A-1"}, {"number": "A-2", "processState": "PROCESSING"}]}]}]}]}  # fmt: skip
    file = tmp_path / "world.json"
    file.write_text(json.dumps(world), "utf-8")
    with simulation("--world", str(file), "--speed", "60") as running:
        ran = cli("export", "P", "--out", tmp_path / "out", env=running.env)
        assert (ran.code, ran.out[:6]) == (0, "1 PDF,")
        assert "left out: Plans/A-2 is still being processed (PROCESSING)" in ran.err
        ran = cli("export", "P", "--sheet", "A-2", "--out", tmp_path / "out", env=running.env)
        assert (ran.code, "A-2 is still being processed" in ran.err) == (4, True)
        for chosen, is_meant in (("--sheet", "A-1"), False), (("--match", "A-*"), True):
            ran = cli("export", "P", *chosen, "--out", tmp_path / "out", env=running.env)
            assert (ran.code, "left out: Plans/A-2" in ran.err) == (0, is_meant), ran.err
