"""The commands that find what others are to be given: files, version sets, and what Cost documents belong to."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import Ran, Simulation, simulation

Cli = Callable[..., Ran]

WORLD: dict[str, Any] = {
    "users": [{"id": "ADA", "name": "Ada"}],
    "hubs": [
        {
            "projects": [
                {"name": "Clinic", "folders": [
                    {"name": "Plans", "items": [{"type": "file", "name": "set.pdf"}, {"number": "A-101"}],
                     "folders": [{"name": "Core", "items": [{"type": "file", "name": "core.pdf", "hidden": True}]}]},
                    {"name": "Project Files", "folders": [
                        {"name": "Specs", "items": [{"type": "file", "name": "Spec 1.docx"}]}]}]},
                {"name": "Tower", "projectType": "ACC",
                 "folders": [{"name": "Project Files", "items": [{"type": "file", "name": "F-1.pdf"}]}],
                 "sheets": [{"number": "A-1", "versionSet": "Issued", "collection": "East"},
                            {"number": "A-2", "versionSet": "Tender", "tags": ["core"]}],
                 "cost": {"budgets": [{"name": "Steel", "code": "05 12", "documents": 2}]
                                     + [{"name": f"B {n}"} for n in range(150)],
                          "contracts": [{"name": "Core", "code": "SC-1"}],
                          "payments": [{"name": "May", "code": "0001"}],
                          "budgetPayments": [{"name": "June", "code": "0002"}],
                          "expenses": [{"name": "Travel", "code": "7"}],
                          "costItems": [{"name": "Item", "code": "8"}],
                          "mainContracts": [{"name": "Owner", "code": "M-1"}],
                          "ocos": [{"name": "More", "code": "OCO-1", "documents": 1}],
                          "scos": [{"name": "Piles", "code": "SCO-4", "documents": 1}]}},
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
def signed_in(account: Simulation) -> dict[str, str]:
    token = account.control("user-token", "POST", {"user": "ADA"})["access_token"]
    kept = {name: value for name, value in account.env.items() if "CLIENT" not in name}
    return {**kept, "APS_ACCESS_TOKEN": token}


@pytest.mark.parametrize(
    ("argv", "paths"),
    [
        (("Clinic",), ["Plans", "Plans/set.pdf", "Plans/Core", "Project Files", "Project Files/Specs",
                       "Project Files/Specs/Spec 1.docx"]),
        (("Tower",), ["Project Files", "Project Files/F-1.pdf"]),
        (("clin*", "--folder", "project files/specs"), ["Project Files/Specs", "Project Files/Specs/Spec 1.docx"]),
    ],
)  # fmt: skip
def test_files_and_folders(
    cli: Cli, account: Simulation, tmp_path: Path, argv: tuple[str, ...], paths: list[str]
) -> None:
    found = json.loads(cli("files", *argv, "--json", env=account.env).out)
    assert [each["path"] for each in found] == paths
    shown = cli("files", *argv, env=account.env)
    assert all(each["urn"] in shown.out for each in found)
    files = [each for each in found if each["type"] == "file"]
    assert shown.err.endswith(f"{len(files)} file{'' if len(files) == 1 else 's'}\n")
    folder = next(each for each in found if each["type"] == "folder")
    by_urn = json.loads(cli("files", argv[0], "--folder", folder["urn"], "--json", env=account.env).out)
    assert by_urn[0]["urn"] == folder["urn"]
    got = cli("download", files[0]["urn"], "--project", argv[0], "--out", tmp_path / "x", env=account.env)
    assert (got.code, (tmp_path / "x").stat().st_size) == (0, files[0]["bytes"])


def test_version_sets(cli: Cli, account: Simulation) -> None:
    found = json.loads(cli("sets", "Tower", "--json", env=account.env).out)
    assert [(each["name"], each["collection"] and each["collection"]["name"]) for each in found] == [
        ("Issued", "East"), ("Tender", None),
    ]  # fmt: skip
    shown = cli("sets", "Tower", "--collection", "east", env=account.env)
    assert (found[0]["id"] in shown.out, found[1]["id"] in shown.out) == (True, False)
    assert shown.err == "1 version set\n"
    refused = cli("sets", "Clinic", env=account.env)
    assert (refused.code, "only ACC (Forma) projects have version sets" in refused.err) == (4, True)


@pytest.mark.parametrize(
    ("word", "code", "name", "documents"),
    [
        ("Budget", "05 12", "Steel", 2),
        ("contract", "SC-1", "Core", 0),
        ("PAYMENT", "0001", "May", 0),
        ("BudgetPayment", "0002", "June", 0),
        ("expense", "7", "Travel", 0),
        ("costitem", "8", "Item", 0),
        ("MainContract", "M-1", "Owner", 0),
        ("oco", "OCO-1", "More", 1),
        ("Sco", "SCO-4", "Piles", 1),
    ],
)
def test_what_cost_documents_belong_to(
    cli: Cli, signed_in: dict[str, str], word: str, code: str, name: str, documents: int
) -> None:
    ran = cli("cost", "Tower", "--type", word, "--json", env=signed_in)
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert (found[0]["code"], found[0]["name"], found[0]["documents"]) == (code, name, documents)
    assert len(found) == (151 if word == "Budget" else 1)
    shown = cli("cost", "Tower", "--type", word, env=signed_in)
    assert all(each["id"] in shown.out for each in found)


@pytest.mark.parametrize(
    ("word", "code", "words"),
    [
        ("Buget", 2, "no association type 'Buget'; did you mean 'Budget'"),
        ("FormInstance", 4, "list change orders as PCO, RFQ, RCO, OCO or SCO"),
        ("fee", 4, "the service has no list of type Fee"),
        ("pco", 0, "0 of type PCO, 0 documents"),
    ],
)
def test_types_that_cannot_be_listed(cli: Cli, signed_in: dict[str, str], word: str, code: int, words: str) -> None:
    ran = cli("cost", "Tower", "--type", word, env=signed_in)
    assert (ran.code, words in ran.err) == (code, True), ran.err


def test_cost_wants_a_login(cli: Cli, account: Simulation) -> None:
    ran = cli("cost", "Tower", "--type", "Budget", env=account.env)
    assert (ran.code, "aps-async login" in ran.err) == (3, True)


def test_all_wrong_numbers_are_named_at_once(cli: Cli, account: Simulation) -> None:
    ran = cli("sheets", "Tower", "--sheet", "A-1", "--sheet", "Q-1", "--sheet", "Q-2", "--json", env=account.env)
    assert (ran.code, ran.out, "'Q-1'" in ran.err, "'Q-2'" in ran.err) == (4, "", True, True)


def test_sheets_are_listed_with_what_they_can_be_chosen_by(cli: Cli, account: Simulation) -> None:
    [found] = json.loads(cli("sheets", "Tower", "--tag", "CORE", "--json", env=account.env).out)
    assert (found["number"], found["tags"], found["revision"]) == ("A-2", ["core"], None)
    assert found["changedAt"] is not None
    [found] = json.loads(cli("sheets", "Clinic", "--match", "a*", "--json", env=account.env).out)
    assert (found["number"], found["tags"], found["version"], found["revision"]) == ("A-101", [], 1, 1)
