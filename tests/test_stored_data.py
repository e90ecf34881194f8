"""What the first version stored, in ledgers, references and databases, stays valid whatever the names become."""

import asyncio
import hashlib
import json
import sqlite3
from pathlib import Path

import asyncpg
import pytest

from aps_async import InputError, ref_from_json, ref_to_json
from aps_async.cli.export import ExportChoices
from aps_async.cli.resuming import stored_command
from aps_async.ledger import LEDGER_NAME, Ledger, ledger_status
from aps_async.transport.converter import request_from_json, request_to_json
from aps_async.workers import Database, Delivered, RunStore
from aps_async.workers.presence import list_workers
from tests.postgres import postgres

STORED = Path(__file__).parent / "stored"


def lines(name: str) -> list[str]:
    return (STORED / name).read_text("utf-8").splitlines()


@pytest.mark.parametrize("text", lines("references-1.jsonl"))
def test_a_reference_is_read_and_written_as_it_was(text: str) -> None:
    assert json.loads(ref_to_json(ref_from_json(text))) == json.loads(text)


@pytest.mark.parametrize("text", lines("requests-1.jsonl"))
def test_a_request_is_read_and_written_as_it_was(text: str) -> None:
    assert request_to_json(request_from_json(text)) == text


def old_folder(folder: Path) -> list[tuple[str, str]]:
    """A folder with the ledger that an export of twelve sheets left, and its names and requests."""
    connection = sqlite3.connect(folder / LEDGER_NAME)
    connection.executescript((STORED / "export-ledger-1.sql").read_text("utf-8"))
    rows = connection.execute("SELECT files.name, request FROM exports JOIN files ON export=exports.id").fetchall()
    for name, _ in rows:
        body = name.encode()
        (folder / name).write_bytes(body)
        sha256 = hashlib.sha256(body).digest()
        connection.execute("UPDATE files SET size=?, sha256=? WHERE name=?", (len(body), sha256, name))
    connection.commit()
    connection.close()
    return rows


async def test_a_finished_folder_starts_nothing_again(tmp_path: Path) -> None:
    rows = old_folder(tmp_path)
    assert len(rows) == 12
    async with Ledger(tmp_path) as ledger:
        await ledger.begin(len(rows))
        records = await ledger.enter([(request_from_json(request), None) for _, request in rows])
        for record, (name, _) in zip(records, rows, strict=True):
            assert record.done
            assert [each.name for each in record.files] == [name]
            assert await ledger.holds(record)


def test_the_command_of_a_folder_is_read(tmp_path: Path) -> None:
    old_folder(tmp_path)
    found = ledger_status(tmp_path)
    assert found.done == 12
    choices = stored_command(found.command, tmp_path, as_json=False)
    assert isinstance(choices, ExportChoices)
    assert choices.project == "Riverside Clinic"
    assert choices.options.markups


def test_a_database_of_workers_is_taken_over() -> None:
    with postgres(fsync=False) as server:
        asyncio.run(take_over(server.fresh_database("stored")))


async def take_over(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute((STORED / "workers-1.sql").read_text("utf-8"))
    await connection.close()
    async with Database(url, patience=20.0) as database:
        looking = await RunStore.existing(database)
        assert looking is not None
        [seen] = await looking.runs()
        assert (seen.owner, await list_workers(database)) == (None, [])
        store = await RunStore.opened(database)
        [run] = await store.runs()
        assert run == seen
        assert (run.name, run.priority, run.done, run.failed, run.running, run.waiting) == ("clinic", 2, 1, 1, 1, 2)
        entries = [await store.entry(number) for number in range(1, 6)]
        stored = [json.loads(text) for text in lines("requests-1.jsonl")]
        assert [json.loads(request_to_json(each.request)) for each in entries if each] == stored
        assert entries[1] is not None
        assert entries[1].export_id == ref_from_json(lines("references-1.jsonl")[1]).export_id
        records = [each async for each in store.records(run.id)]
        assert {each.location for each in records} == {"/plans/clinic/A-101 - Plan.pdf", None}
        assert {each.outcome.warnings for each in records} == {()}
        # what the first version does not know is stored beside it, and its own workers go on
        running = next(each.id for each in entries if each and each.state == "running")
        attempt = await store.delivery_attempt(running)
        assert attempt is not None
        file = Delivered(location="/plans/clinic/x.pdf", size=1, sha256="ab" * 32, warnings=("odd",))
        assert await store.delivered(running, attempt, file, polls=1, failed_files=())
        again = await RunStore.opened(database)
        assert [each.outcome.warnings async for each in again.records(run.id) if each.id == running] == [("odd",)]


def test_an_error_names_the_stored_word() -> None:
    with pytest.raises(InputError, match=r"\$\.request\.subjects"):
        ref_from_json('{"request":{"kind":"bim360","projectId":"p","subjects":7},"exportId":"e"}')
