"""ACC, Cost and downloads from the command line."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import Ran, Simulation, paths_in, simulation
from tests.documents import entries_of, lying_in, texts_of

Cli = Callable[..., Ran]

SHEETS = [{"number": f"A-{n}", "title": f"Plan {n}"} for n in (101, 102, 103)]
PROJECT_ID = "6f1d2c4e-8a53-4c0b-9f7e-2b1a90c3d4e5"
EAST = "c0000000-0000-4000-8000-000000000001"
STORED = "urn:adsk.objects:os.object:wip.dm.prod/5f0c9f1e-plan.pdf"
ITEM = "urn:adsk.wipprod:dm.lineage:UploadedPlanNumberOne0"
VERSION = "urn:adsk.wipprod:fs.file:vf.UploadedPlanNumberOne0?version=1"
BUDGET, EMPTY, FAILED = (f"{digit * 8}-9484-11e8-a7ec-7ddae203e404" for digit in "123")
WORLD: dict[str, Any] = {
    "users": [{"id": "ADA", "name": "Ada"}],
    "hubs": [
        {
            "projects": [
                {
                    "name": "Clinic",
                    "folders": [{"name": "Plans", "items": SHEETS[2:],
                                 "folders": [{"name": "Core", "items": SHEETS[:2]}]}],
                },
                {
                    "name": "Tower",
                    "id": PROJECT_ID,
                    "projectType": "ACC",
                    "sheets": [*({**each, "versionSet": "Core"} for each in SHEETS[:2]),
                               *({**each, "versionSet": "Rest"} for each in SHEETS[2:])],
                    "folders": [{"name": "Project Files", "items": [
                        {"type": "file", "name": "F-1.pdf", "id": ITEM, "versions": [VERSION], "storage": STORED},
                        {"type": "file", "name": "F-2.pdf"},
                    ], "folders": [{"name": "Mixed", "items": [
                        {"type": "file", "name": "F-3.pdf"}, {"type": "file", "name": "M.rvt", "noViews": True}]}]}],
                    "cost": {"container": "7b1d2c4e-8a53-4c0b-9f7e-2b1a90c3d4e5", "budgets": [
                        {"id": BUDGET, "name": "Steel", "documents": 2},
                        {"id": EMPTY, "name": "None"},
                        {"id": FAILED, "name": "Bad", "documents": [{"status": "Failed"}]}]},
                },
                {
                    "name": "Campus",
                    "projectType": "ACC",
                    "collections": [{"id": EAST, "name": "East"}],
                    "sheets": [SHEETS[0], {**SHEETS[0], "collection": "East"}, {**SHEETS[1], "collection": "East"}],
                },
            ]
        }
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    file = tmp_path_factory.mktemp("world") / "world.json"
    file.write_text(json.dumps(WORLD), "utf-8")
    with simulation("--world", str(file), "--speed", "60") as running:
        yield running


@pytest.fixture
def ada(account: Simulation) -> dict[str, str]:
    """An app that acts for Ada."""
    return {**account.env, "APS_USER_ID": "ADA"}


@pytest.fixture
def signed_in(account: Simulation) -> dict[str, str]:
    """Ada herself, with a token of her own."""
    token = account.control("user-token", "POST", {"user": "ADA"})["access_token"]
    kept = {name: value for name, value in account.env.items() if "CLIENT" not in name}
    return {**kept, "APS_ACCESS_TOKEN": token}


def lines_of(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


# ---------------------------------------------------------------- both kinds of project


@pytest.mark.parametrize("project", ["Clinic", "Tower"])
def test_the_same_flags_and_the_same_folder(cli: Cli, ada: dict[str, str], tmp_path: Path, project: str) -> None:
    ran = cli("export", project, "--folder", "Core", "--markups", "--hyperlinks", "--out", tmp_path, env=ada)
    assert (ran.code, ran.out[:7]) == (0, "2 PDFs,")
    assert lying_in(tmp_path) == ["A-101 - Plan 101.pdf", "A-102 - Plan 102.pdf"]
    for path in paths_in(tmp_path):
        [text] = texts_of(path)
        assert path.name[:5] in text
    assert ran.err.splitlines()[0] == "exporting 2 sheets"


@pytest.mark.parametrize(("project", "kind"), [("Clinic", "bim360"), ("Tower", "acc-sheets")])
def test_sheets_of_both(cli: Cli, account: Simulation, project: str, kind: str) -> None:
    ran = cli("sheets", project, "--json", env=account.env)
    found = json.loads(ran.out)
    assert sorted((each["number"], each["title"], each["kind"]) for each in found) == [
        (each["number"], each["title"], kind) for each in SHEETS
    ]
    shown = cli("sheets", project, env=account.env)
    assert shown.err == "3 sheets\n"
    assert all(each["id"] in shown.out for each in found)


@pytest.mark.parametrize("project", ["Clinic", "Tower"])
def test_sheets_by_name_of_both(cli: Cli, ada: dict[str, str], tmp_path: Path, project: str) -> None:
    found = {each["number"]: each["id"] for each in json.loads(cli("sheets", project, "--json", env=ada).out)}
    argv = ("export", project, "--sheet", found["A-103"], "--sheet", "Z-9", "--out", tmp_path, "--json")
    ran = cli(*argv, env=ada)
    assert ran.code == 1
    bad, good = sorted(lines_of(ran), key=lambda each: bool(each["ok"]))
    assert (bad["name"], bad["error"]["type"], bad["error"]["exitCode"]) == ("Z-9", "NotFoundInProjectError", 4)
    assert (good["name"], good["id"], good["path"]) == (
        "A-103 - Plan 103", found["A-103"], str(tmp_path / "A-103 - Plan 103.pdf")
    )  # fmt: skip


def test_sheets_of_acc_by_number_with_one_list(
    cli: Cli, account: Simulation, ada: dict[str, str], tmp_path: Path
) -> None:
    account.control("reset", "POST")
    ran = cli("export", "Tower", "--sheet", "a-101", "--sheet", "A-102", "--out", tmp_path, env=ada)
    assert ran.code == 0
    assert len(lying_in(tmp_path)) == 2
    assert account.control("counts")["endpoints"]["sheets_list"]["calls"] == 1


# ------------------------------------------------------------ collections


def test_collections_are_listed_and_shown_with_their_sheets(cli: Cli, account: Simulation) -> None:
    assert json.loads(cli("collections", "Campus", "--json", env=account.env).out) == [{"id": EAST, "name": "East"}]
    shown = cli("collections", "Campus", env=account.env)
    assert (EAST in shown.out, shown.err) == (True, "1 collection\n")
    found = json.loads(cli("sheets", "Campus", "--json", env=account.env).out)
    east = {"id": EAST, "name": "East"}
    assert [(each["number"], each["collection"]) for each in found] == [
        ("A-101", None), ("A-101", east), ("A-102", east),
    ]  # fmt: skip
    assert "COLLECTION" in cli("sheets", "Campus", env=account.env).out
    assert "COLLECTION" not in cli("sheets", "Tower", env=account.env).out
    one = cli("sheets", "Campus", "--collection", "east", "--json", env=account.env)
    assert json.loads(one.out) == found[1:]


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ((), ["A-101 - Plan 101 (2).pdf", "A-101 - Plan 101.pdf", "A-102 - Plan 102.pdf"]),
        (("--collection", EAST), ["A-101 - Plan 101.pdf", "A-102 - Plan 102.pdf"]),
        (("--collection", "East", "--sheet", "A-101"), ["A-101 - Plan 101.pdf"]),
        (("--sheet", "a-101"), ["A-101 - Plan 101 (2).pdf", "A-101 - Plan 101.pdf"]),
        (("--set", "issued for construction", "--collection", "East", "--match", "*2"), ["A-102 - Plan 102.pdf"]),
    ],
)
def test_an_export_leaves_no_collection_out(
    cli: Cli, ada: dict[str, str], tmp_path: Path, chosen: tuple[str, ...], names: list[str]
) -> None:
    ran = cli("export", "Campus", *chosen, "--out", tmp_path, env=ada)
    assert (ran.code, lying_in(tmp_path)) == (0, sorted(names))
    again = cli("resume", tmp_path, env=ada)
    assert (again.code, f"({len(names)} already there)" in again.out) == (0, True)


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("export", "Campus", "--collection", "West"), 4, "no collection 'West'; the project has East"),
        (("export", "Clinic", "--collection", "East"), 4, "Clinic is a BIM 360 project, and only ACC"),
        (("export", "Clinic", "--collection", "East", "--sheet", "A-101"), 4, "Clinic is a BIM 360 project"),
        (("sheets", "Clinic", "--collection", "East"), 4, "Clinic is a BIM 360 project, and only ACC"),
        (("collections", "Clinic"), 4, "projects have collections, and Clinic is a BIM 360 project: 'aps-async files'"),
        (("sets", "Clinic"), 4, "projects have version sets, and Clinic is a BIM 360 project: 'aps-async files'"),
        (("sheets", "Clinic", "--set", "A", "--tag", "B"), 4, "leave out --set and --tag, and choose by number"),
        (("export", "Campus", "--collection", "East", "--files"), 2, "collections contain sheets only"),
        (("export", "Tower", "--asset-markups", "--files"), 2, "only sheets have asset markups"),
        (("export", "Clinic", "--asset-markups"), 2, "only published markups and hyperlinks"),
    ],
)
def test_what_cannot_be_chosen(
    cli: Cli, ada: dict[str, str], tmp_path: Path, argv: tuple[str, ...], code: int, words: str
) -> None:
    target = ("--out", tmp_path / "x") if argv[0] == "export" else ()
    ran = cli(*argv, *target, env=ada)
    assert (ran.code, words in ran.err) == (code, True), ran.err
    assert not list(tmp_path.rglob("*.pdf"))


# ---------------------------------------------------------------- options


MARKS = {
    "--markups": "Published markup:",
    "--issue-markups": "Published issue",
    "--photo-markups": "Published photo",
    "--asset-markups": "Published asset",
    "--unpublished-markups": "Unpublished markup of Ada",
}


@pytest.mark.parametrize("flags", [(), *((each,) for each in MARKS), tuple(MARKS)], ids=" ".join)
def test_markups(cli: Cli, ada: dict[str, str], tmp_path: Path, flags: tuple[str, ...]) -> None:
    assert cli("export", "Tower", "--sheet", "A-101", *flags, "--out", tmp_path, env=ada).code == 0
    [text] = texts_of(tmp_path / "A-101 - Plan 101.pdf")
    assert [flag for flag, mark in MARKS.items() if mark in text] == list(flags)
    everything = len(flags) == len(MARKS)
    assert ("Unpublished issue of Ada" in text, "Unpublished photo of Ada" in text) == (everything, everything)


@pytest.mark.parametrize("flag", ["--issue-markups", "--photo-markups", "--unpublished-markups"])
def test_what_bim360_does_not_know_is_not_left_out_in_silence(
    cli: Cli, ada: dict[str, str], tmp_path: Path, flag: str
) -> None:
    ran = cli("export", "Clinic", flag, "--out", tmp_path / "x", env=ada)
    assert ran.code == 2
    assert "only published markups and hyperlinks" in ran.err
    assert lying_in(tmp_path) == []


def test_a_user_is_demanded_in_one_line(cli: Cli, account: Simulation, tmp_path: Path) -> None:
    account.control("reset", "POST")
    ran = cli("export", "Tower", "--out", tmp_path / "x", env=account.env)
    assert (ran.code, ran.out, ran.err.count("\n")) == (4, "", 1)
    assert "give --user-id or APS_USER_ID" in ran.err
    assert "sheets_list" not in account.control("counts")["endpoints"]
    assert cli("export", "Tower", "--user-id", "ADA", "--out", tmp_path / "x", env=account.env).code == 0


def test_a_login_needs_no_user(cli: Cli, signed_in: dict[str, str], tmp_path: Path) -> None:
    assert cli("export", "Tower", "--sheet", "A-101", "--out", tmp_path, env=signed_in).code == 0


# ---------------------------------------------------------------- files


def test_files_as_a_zip(cli: Cli, ada: dict[str, str], tmp_path: Path) -> None:
    ran = cli("export", "Tower", "--files", "--out", tmp_path, "--json", env=ada)
    assert ran.code == 1, "one file is missing"
    [line] = lines_of(ran)
    assert (line["ok"], line["kind"], line["name"]) == (True, "acc-files", "Tower files")
    assert [each["reason"] for each in line["missing"]] == ["ERR_NO_PROCESSABLE_FILES"]
    assert (
        f"missing in Tower files.zip: {line['missing'][0]['id']}: ERR_NO_PROCESSABLE_FILES: This file does" in ran.err
    )
    assert list(entries_of(tmp_path / "Tower files.zip")) == ["F-1.pdf", "F-2.pdf", "F-3.pdf"]
    assert ran.err.splitlines()[-1].startswith("1 result, ")


def test_files_unpacked(cli: Cli, ada: dict[str, str], tmp_path: Path) -> None:
    ran = cli("export", "Tower", "--files", "--unpack", "--markups", "--out", tmp_path, env=ada)
    assert ran.out.startswith("1 result, unpacked to 3 files, ")
    assert lying_in(tmp_path) == ["F-1.pdf", "F-2.pdf", "F-3.pdf"]
    assert all("Published markup" in texts_of(path)[0] for path in paths_in(tmp_path))


@pytest.mark.parametrize("flags", [(), ("--unpack",)], ids=["zip", "unpacked"])
def test_a_missing_file_is_reported_by_every_run(
    cli: Cli, ada: dict[str, str], tmp_path: Path, flags: tuple[str, ...]
) -> None:
    """A run that finds the rest in the folder has to try it again, and must not end as if all were there."""
    export = ("export", "Tower", "--files", *flags, "--out", tmp_path)
    for argv in (export, export, (*export, "--verify"), ("resume", tmp_path), ("status", tmp_path)):
        ran = cli(*argv, env=ada)
        assert (ran.code, ran.err.count("missing in Tower files")) == (1, 1), argv
        assert "already there" not in ran.err
    known = json.loads(cli("status", tmp_path, "--json", env=ada).out)
    assert (known["complete"], [each["reason"] for each in known["missing"]]) == (False, ["ERR_NO_PROCESSABLE_FILES"])


def test_no_partial_result(cli: Cli, ada: dict[str, str], tmp_path: Path) -> None:
    argv = ("export", "Tower", "--files", "--folder", "Project Files/Mixed", "--no-partial", "--out", tmp_path)
    ran = cli(*argv, env=ada)
    assert ran.code == 1
    [failed] = [line for line in ran.err.splitlines() if line.startswith("failed: ")]
    assert "ERR_NO_PROCESSABLE_FILES" in failed
    assert ran.out.startswith("0 of 1 result")
    assert lying_in(tmp_path) == []


# ---------------------------------------------------------------- Cost


@pytest.mark.parametrize("project", ["Tower", PROJECT_ID])
def test_cost_documents(cli: Cli, signed_in: dict[str, str], tmp_path: Path, project: str) -> None:
    ran = cli("cost-documents", project, "--type", "Budget", "--id", BUDGET.upper(), "--out", tmp_path, env=signed_in)
    assert (ran.code, ran.out[:12]) == (0, "2 documents,")
    assert lying_in(tmp_path) == [
        "Budget Steel - Budget Summary 2.docx", "Budget Steel - Budget Summary.docx",
    ], "by what they belong to and by their own names in Docs"  # fmt: skip
    assert all("Steel" in entries_of(path)["word/document.xml"].decode() for path in paths_in(tmp_path))
    again = cli("resume", tmp_path, env=signed_in)
    assert again.out.startswith("2 documents (2 already there), ")
    assert len(lying_in(tmp_path)) == 2


def test_the_error_of_each_document_is_reported(cli: Cli, signed_in: dict[str, str], tmp_path: Path) -> None:
    ids = [part for each in (BUDGET, EMPTY, FAILED) for part in ("--id", each)]
    ran = cli("cost-documents", "Tower", "--type", "Budget", *ids, "--out", tmp_path, "--json", env=signed_in)
    assert ran.code == 1
    found = lines_of(ran)
    assert [each["ok"] for each in found].count(True) == 2
    assert {each["kind"] for each in found if each["ok"]} == {"cost"}
    errors = {each["name"]: each["error"] for each in found if not each["ok"]}
    assert errors[f"Budget {EMPTY}"]["exitCode"] == 4
    assert "no document was generated" in errors[f"Budget {EMPTY}"]["message"]
    assert "missingTemplate" in errors["Bad"]["message"]
    assert len(lying_in(tmp_path)) == 2


def test_container_and_region(cli: Cli, account: Simulation, signed_in: dict[str, str], tmp_path: Path) -> None:
    account.control("reset", "POST")
    container = WORLD["hubs"][0]["projects"][1]["cost"]["container"]
    argv = ("cost-documents", "Tower", "--type", "Budget", "--id", BUDGET, "--out", tmp_path)
    assert cli(*argv, "--container", container, "--region", "EMEA", env=signed_in).code == 0
    asked = [each for each in account.control("log") if each["endpoint"] == "cost_documents"]
    assert {each["key"] for each in asked} == {f"/cost/v1/containers/{container}/documents"}
    assert {each["headers"]["region"] for each in asked} == {"EMEA"}


@pytest.mark.parametrize("word", ["budget", "BUDGET", " Budget "])
def test_words_of_cost_management_in_any_case(cli: Cli, signed_in: dict[str, str], tmp_path: Path, word: str) -> None:
    ran = cli("cost-documents", "Tower", "--type", word, "--id", BUDGET, "--out", tmp_path, env=signed_in)
    assert (ran.code, ran.out[:12]) == (0, "2 documents,")


def test_a_document_is_made_from_a_template(
    cli: Cli, account: Simulation, signed_in: dict[str, str], tmp_path: Path
) -> None:
    found = next(each for each in account.control("world")["hubs"][0]["projects"] if each["name"] == "Tower")
    template = next(iter(found["cost"]["templates"]))
    missing = BUDGET.replace("1111", "4444")
    argv = ("cost-documents", "Tower", "--type", "budget", "--id", EMPTY.upper(), "--id", missing,
            "--template", template, "--out", tmp_path)  # fmt: skip
    ran = cli(*argv, env=signed_in)
    assert (ran.code, ran.out[:15]) == (1, "1 of 2 document"), ran.err
    assert lying_in(tmp_path) == ["None.docx"]
    assert f"Budget {missing}: there is no such Budget; 'aps-async cost' lists them" in ran.err
    listed = json.loads(cli("cost", "Tower", "--type", "Budget", "--json", env=signed_in).out)
    assert {each["name"]: each["documents"] for each in listed}["None"] == 1
    assert cli("resume", tmp_path, env=signed_in).out.startswith("1 of 2 document"), "nothing is made twice"
    assert json.loads(cli("cost", "Tower", "--type", "Budget", "--json", env=signed_in).out) == listed


def test_cost_wants_a_login(cli: Cli, ada: dict[str, str], account: Simulation, tmp_path: Path) -> None:
    account.control("reset", "POST")
    ran = cli("cost-documents", "Tower", "--type", "Budget", "--id", BUDGET, "--out", tmp_path, env=ada)
    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
    assert "aps-async login" in ran.err
    assert account.control("log") == []


# ---------------------------------------------------------------- downloads


@pytest.mark.parametrize("urn", [VERSION, ITEM, STORED])
def test_download(cli: Cli, account: Simulation, tmp_path: Path, urn: str) -> None:
    project = () if urn == STORED else ("--project", "Tower")
    ran = cli("download", urn, "--out", tmp_path / "plan.pdf", *project, env=account.env)
    assert ran.code == 0
    assert ran.out.endswith(f"s: {tmp_path / 'plan.pdf'}\n")
    assert ran.err == ""
    assert texts_of(tmp_path / "plan.pdf")
    assert lying_in(tmp_path) == ["plan.pdf"]


def test_download_as_json(cli: Cli, account: Simulation, tmp_path: Path) -> None:
    ran = cli("download", STORED, "--out", tmp_path / "plan.pdf", "--json", env=account.env)
    told = json.loads(ran.out)
    size = (tmp_path / "plan.pdf").stat().st_size
    assert told == {"urn": STORED, "path": str(tmp_path / "plan.pdf"), "bytes": size, "warnings": []}


def test_a_download_that_breaks_or_is_wrong(cli: Cli, account: Simulation, tmp_path: Path) -> None:
    argv = ("download", STORED, "--out", tmp_path / "plan.pdf")
    assert cli(*argv, env=account.env).code == 0
    wanted = hashlib.sha256((tmp_path / "plan.pdf").read_bytes()).digest()
    with account.faults({"endpoint": "signed_get", "kind": "truncate", "nth": [1, 2]}):
        assert cli(*argv, env=account.env).code == 0
    assert hashlib.sha256((tmp_path / "plan.pdf").read_bytes()).digest() == wanted
    with account.faults({"endpoint": "signed_get", "kind": "s3_error_200"}):
        ran = cli(*argv, env=account.env)
    assert ran.code == 6
    assert ran.err.count("\n") == 1
    assert hashlib.sha256((tmp_path / "plan.pdf").read_bytes()).digest() == wanted, "the old one stays"
    assert cli("download", STORED, "--out", tmp_path / "no" / "x", env=account.env).code == 7
