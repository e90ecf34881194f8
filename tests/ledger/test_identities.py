"""Which row a revised export takes over: by identity, never by a guess, and also in ledgers of an older form."""

import sqlite3
from pathlib import Path

import pytest
from attrs import evolve

from aps_async import ExportRef, ExportRequest
from aps_async.ledger import Ledger, schema
from aps_async.ledger.journal import Record
from aps_async.models import CostSource, ExportKind, SheetIdentity

LEDGER = schema.LEDGER_NAME
FORM_1_NAMES = Path(__file__).with_name("form-1-names.sql")
PROJECT = "6f1c2a34-9b5e-4c7d-8e21-0d4f5a6b7c8d"
EAST = "c0000000-0000-4000-8000-00000000000e"
PLAN, ROOF, CORE = "A-101 - Plan", "A-102 - Roof", "A-103 - Core"


def acc(letter: str, name: str, *, revision: int = 1, collection: str | None = None) -> ExportRequest:
    """The request that `Sheet.to_request` makes."""
    return ExportRequest(
        kind=ExportKind.SHEETS,
        project_id=PROJECT,
        source_ids=(f"{letter}0000000-0000-4000-8000-{revision:012}",),
        name=name,
        user_id="ADA",
        identity=SheetIdentity(number=name[:5], collection_id=collection),
    )


def plan(version: int) -> ExportRequest:
    urn = f"urn:adsk.wipprod:fs.file:vf.{7:022}?version={version}"
    return ExportRequest(kind=ExportKind.BIM360, project_id=PROJECT, source_ids=(urn,), name="S-1")


def document() -> tuple[ExportRequest, ExportRef]:
    source = CostSource(container_id=PROJECT, association_type="Budget")
    asked = ExportRequest(
        kind=ExportKind.COST,
        project_id=PROJECT,
        source_ids=("c0570000-0000-4000-8000-000000000001",),
        name="Budget 1",
        cost=source,
    )
    return asked, ExportRef(request=asked, export_id="document-1")


@pytest.fixture
def by_names(tmp_path: Path) -> Path:
    """A folder whose ledger knows ACC sheets by the names of their files: A and B (in a collection) by the same one."""
    with sqlite3.connect(tmp_path / LEDGER) as old:
        old.executescript(FORM_1_NAMES.read_text("utf-8"))
    old.close()
    return tmp_path


async def entered(folder: Path, *wanted: ExportRequest | tuple[ExportRequest, ExportRef]) -> list[Record]:
    """One run's look at them, one batch each."""
    async with Ledger(folder) as ledger:
        await ledger.begin(len(wanted))
        pairs = [each if isinstance(each, tuple) else (each, None) for each in wanted]
        return [(await ledger.enter([pair]))[0] for pair in pairs]


UNREVISED = (acc("a", PLAN), acc("b", PLAN, collection=EAST), acc("c", ROOF), acc("d", CORE), plan(2), document())


async def test_a_finished_folder_of_an_older_form_does_not_start_again(by_names: Path) -> None:
    found = await entered(by_names, *UNREVISED)
    assert [each.name for each in found] == [PLAN, f"{PLAN} (2)", ROOF, CORE, "S-1", "Budget 1"]
    assert [each.done for each in found] == [True, True, True, False, True, True]
    assert [each.ref and each.ref.export_id for each in found] == [
        "job-1", "job-2", "job-3", "job-4", "job-5", "document-1",
    ]  # fmt: skip
    assert found[3].files == ()
    assert all(each.files for each in found if each.done)
    with sqlite3.connect(by_names / LEDGER) as ledger:
        assert ledger.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
    ledger.close()


@pytest.mark.parametrize("seen_before", [True, False])
@pytest.mark.parametrize("backwards", [False, True])
async def test_revisions_of_an_older_form_never_take_another_sheets_file(
    by_names: Path, seen_before: bool, backwards: bool
) -> None:
    if seen_before:  # each row has learned which sheet it is
        await entered(by_names, *UNREVISED)
    wanted = {
        "A": acc("a", PLAN, revision=2),
        "B": acc("b", PLAN, revision=2, collection=EAST),
        "C": acc("c", ROOF, revision=2),
        "stranger": acc("e", ROOF, collection=EAST),
        "S": plan(3),
    }
    letters = sorted(wanted, reverse=backwards)
    found = await entered(by_names, *(wanted[letter] for letter in letters))
    names = {letter: record.name for letter, record in zip(letters, found, strict=True)}
    assert (names["C"], names["S"]) == (ROOF, "S-1")
    assert names["stranger"] == f"{ROOF} (2)"
    if seen_before:
        assert (names["A"], names["B"]) == (PLAN, f"{PLAN} (2)")
    else:  # by its name alone either file could be the older one: both stay, and nothing is guessed
        assert {names["A"], names["B"]} == {f"{PLAN} (3)", f"{PLAN} (4)"}


async def test_requests_without_an_identity_are_known_by_name_unless_that_is_ambiguous(tmp_path: Path) -> None:
    def by_hand(letter: str, name: str, revision: int = 1) -> ExportRequest:
        return evolve(acc(letter, name, revision=revision), identity=None)

    await entered(tmp_path, by_hand("a", PLAN), by_hand("b", PLAN), by_hand("c", ROOF))
    found = await entered(tmp_path, by_hand("b", PLAN, 2), by_hand("a", PLAN, 2), by_hand("c", ROOF, 2))
    assert [each.name for each in found] == [f"{PLAN} (3)", f"{PLAN} (4)", ROOF]


async def test_a_sheet_keeps_its_file_under_another_title_and_in_another_listing(tmp_path: Path) -> None:
    await entered(tmp_path, acc("a", PLAN), acc("b", PLAN, collection=EAST))
    renamed = evolve(acc("b", PLAN, revision=2, collection=EAST), name="A-101 - Plan of the annex")
    [found] = await entered(tmp_path, renamed)
    with sqlite3.connect(tmp_path / LEDGER) as ledger:
        rows = ledger.execute("SELECT id, name FROM exports ORDER BY id").fetchall()
    ledger.close()
    assert rows == [(1, PLAN), (2, None), (found.id, "A-101 - Plan of the annex")], "B's file was replaced, not A's"


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_sheet_that_got_another_number_never_has_the_file_of_the_one_that_got_its_own(
    tmp_path: Path, is_first: bool
) -> None:
    [before] = await entered(tmp_path, acc("a", PLAN))
    renumbered, successor = acc("a", ROOF), acc("b", PLAN)
    wanted = (renumbered, successor) if is_first else (successor, renumbered)
    found = dict(zip(wanted, await entered(tmp_path, *wanted), strict=True))
    assert found[renumbered].name == ROOF
    assert found[renumbered].id != before.id, "an export of its own"
    assert found[successor].name == PLAN
