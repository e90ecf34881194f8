"""The ledger's file: its versions, its lock, damaged files, and that it never blocks the event loop."""

import asyncio
import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from aps_async import ExportRequest, LedgerError
from aps_async.downloads.sinks import PartFile
from aps_async.errors import DiskFullError, FolderInUseError, InputError, TargetError
from aps_async.ledger import Ledger, ledger_status, schema
from aps_async.ledger.lock import LOCK_NAME, FolderLock, holder
from aps_async.ledger.store import Store
from aps_async.models import ExportKind

FORM_1 = Path(__file__).with_name("form-1.sql")
LEDGER = schema.LEDGER_NAME


def request(number: int = 1) -> ExportRequest:
    urn = f"urn:adsk.wipprod:fs.file:vf.{number:022}?version=1"
    return ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=(urn,), name=f"Sheet {number}")


async def filled(folder: Path, count: int = 3) -> None:
    async with Ledger(folder, command="as before") as ledger:
        await ledger.begin(count)
        await ledger.enter([(request(number), None) for number in range(count)])


# ------------------------------------------------------------------- forms


async def test_a_ledger_of_the_first_form_opens(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / LEDGER) as old:
        old.executescript(FORM_1.read_text("utf-8"))
    old.close()
    async with Ledger(tmp_path) as ledger:
        await ledger.begin(3)
        found = await ledger.enter([(request(number), None) for number in (1, 2, 3)])
    assert [each.name for each in found] == ["Sheet 1", "Sheet 2", "Sheet 3"]
    assert [each.done for each in found] == [True, False, False]
    assert [each.ref.export_id if each.ref else None for each in found] == ["job-1", "job-2", None]
    assert [[file.name for file in each.files] for each in found] == [["Sheet 1.pdf"], [], []]


async def test_an_older_form_is_brought_up_to_date_in_one_step_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(tmp_path)
    now = schema.MIGRATIONS
    monkeypatch.setattr(schema, "MIGRATIONS", (*now, ("ALTER TABLE exports ADD COLUMN note TEXT", "SELECT nonsense")))
    with pytest.raises(LedgerError, match="nonsense"):
        await filled(tmp_path)
    assert ledger_status(tmp_path).done + ledger_status(tmp_path).waiting + ledger_status(tmp_path).started == 3
    monkeypatch.setattr(schema, "READABLE_FROM", len(now) + 1)
    with pytest.raises(LedgerError, match="of an older aps-async; the next run into its folder brings it up to date"):
        ledger_status(tmp_path)
    monkeypatch.setattr(schema, "MIGRATIONS", (*now, ("ALTER TABLE exports ADD COLUMN note TEXT DEFAULT 'new'",)))
    await filled(tmp_path)
    with sqlite3.connect(tmp_path / LEDGER) as ledger:
        assert ledger.execute("SELECT DISTINCT note FROM exports").fetchall() == [("new",)]
        assert ledger.execute("PRAGMA user_version").fetchone() == (len(now) + 1,)
        assert ledger.execute("SELECT count(*) FROM exports").fetchone() == (3,)
    ledger.close()


@pytest.mark.parametrize("folder", ["", "a\0b", "\ud800", "s3://bucket"])
def test_the_status_of_what_is_not_a_folder(folder: str) -> None:
    with pytest.raises(InputError):
        ledger_status(folder)


def test_a_ledger_that_was_never_begun_is_none(tmp_path: Path) -> None:
    """As a disk that is full leaves it."""
    (tmp_path / LEDGER).touch()
    with pytest.raises(LedgerError, match="has no ledger"):
        ledger_status(tmp_path)


async def test_a_newer_form_is_refused_and_left_alone(tmp_path: Path) -> None:
    await filled(tmp_path)
    with sqlite3.connect(tmp_path / LEDGER) as ledger:
        ledger.execute("PRAGMA user_version=99")
    ledger.close()
    before = (tmp_path / LEDGER).read_bytes()
    for open_it in (lambda: filled(tmp_path), lambda: asyncio.to_thread(ledger_status, tmp_path)):
        with pytest.raises(LedgerError, match=r"newer aps-async \(form 99; this one knows \d+\): update aps-async"):
            await open_it()
    assert (tmp_path / LEDGER).read_bytes() == before
    assert holder(tmp_path) is None


async def test_another_programs_database_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / LEDGER) as other:
        other.execute("CREATE TABLE exports (id)")
    other.close()
    before = (tmp_path / LEDGER).read_bytes()
    with pytest.raises(LedgerError, match="is a database of something else: move it away"):
        await filled(tmp_path)
    assert (tmp_path / LEDGER).read_bytes() == before


def no_database(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7 and so on, which is no database" * 100)


def torn(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[4096:] = b"\xff" * (len(body) - 4096)
    path.write_bytes(body)


def cut(path: Path) -> None:
    os.truncate(path, 4096)


@pytest.mark.parametrize("damage", [no_database, torn, cut])
async def test_a_damaged_ledger_is_refused_with_what_to_do(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    await filled(tmp_path, 200)
    damage(tmp_path / LEDGER)
    with pytest.raises(LedgerError, match=r"is damaged .*: move it away and run it again"):
        await filled(tmp_path, 200)
    assert holder(tmp_path) is None
    (tmp_path / LEDGER).rename(tmp_path / "moved")
    await filled(tmp_path, 200)
    assert ledger_status(tmp_path).waiting == 200


def test_a_folder_without_a_ledger_has_no_status(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="has no ledger"):
        ledger_status(tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_a_ledger_that_was_made_but_never_used_has_nothing_to_tell(tmp_path: Path) -> None:
    async with Ledger(tmp_path):
        pass
    status = ledger_status(tmp_path)
    assert (status.done, status.failed, status.started, status.waiting, status.command) == (0, 0, 0, 0, None)


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match="is a file"):
        await filled(tmp_path / "file")


async def test_a_ledger_is_entered_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    async with ledger:
        pass
    with pytest.raises(LedgerError, match="make another one"):
        await ledger.__aenter__()
    with pytest.raises(LedgerError, match="is closed"):
        await ledger.begin(1)


async def test_the_ledger_holds_no_secret_and_no_link(tmp_path: Path) -> None:
    await filled(tmp_path)
    with sqlite3.connect(tmp_path / LEDGER) as ledger:
        columns = {
            f"{table}.{row[1]}"
            for (table,) in ledger.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
            for row in ledger.execute(f"PRAGMA table_info({table})")
        }
        [text] = ledger.execute("SELECT request FROM exports WHERE name='Sheet 1'").fetchone()
    ledger.close()
    assert columns == {
        "facts.name", "facts.value",
        "runs.id", "runs.began", "runs.ended", "runs.total", "runs.command",
        "exports.id", "exports.key", "exports.lineage", "exports.run", "exports.state", "exports.name",
        "exports.request", "exports.export_id", "exports.problem", "exports.changed", "exports.started",
        "exports.seconds", "exports.lacks", "exports.warnings",
        "names.folded", "names.export",
        "files.export", "files.name", "files.size", "files.sha256", "files.stamp",
        "former_files.export", "former_files.name", "former_files.size", "former_files.sha256", "former_files.stamp",
        "sheets.lineage", "sheets.project", "sheets.facts", "sheets.viewer", "sheets.state", "sheets.reason",
        "sheets.moved", "sheets.named",
        "moves.export", "moves.name", "moves.target",
        "leaving.export", "leaving.name", "leaving.size", "leaving.sha256", "leaving.version",
    }  # fmt: skip
    assert set(json.loads(text)) == {"kind", "projectId", "subjects", "name"}


# -------------------------------------------------------------------- lock

HOLDS = """
import sys
from pathlib import Path
from aps_async.ledger.lock import FolderLock
FolderLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert (holder(tmp_path) or "").startswith(f"process {process.pid} on ")
        with pytest.raises(FolderInUseError, match=rf"\(process {process.pid} on .*wait for it, stop it, or choose"):
            FolderLock(tmp_path).acquire()
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=20)
    assert holder(tmp_path) is None
    lock = FolderLock(tmp_path).acquire()
    assert (holder(tmp_path) or "").startswith(f"process {os.getpid()} on ")
    lock.release()
    assert (tmp_path / LOCK_NAME).read_bytes() == b""


# -------------------------------------------------------------- part files


async def test_only_part_files_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    async with Ledger(tmp_path) as ledger:
        tag = ledger.tag
    killed = PartFile(tmp_path / "A-101", tag)
    await killed.write(0, b"%PDF-")
    somebody = PartFile(tmp_path / "A-101")
    await somebody.write(0, b"%PDF-")
    (tmp_path / ".notes-of-mine.part").write_text("")
    (tmp_path / f".x-{tag}.part").write_text("")
    async with Ledger(tmp_path) as ledger:
        assert ledger.tag == tag
    assert not killed.part.exists()
    assert somebody.part.exists()
    assert {path.name for path in tmp_path.glob(".*.part")} == {
        somebody.part.name, ".notes-of-mine.part", f".x-{tag}.part",
    }  # fmt: skip
    killed.discard()
    somebody.discard()


# ------------------------------------------------------------------ thread


async def test_what_waits_is_committed_together_and_in_order(tmp_path: Path) -> None:
    store = Store(tmp_path / "x.sqlite")
    await store.open()
    goes, began = threading.Event(), threading.Event()
    threads: set[int] = set()
    changes: list[int] = []

    def slow(db: sqlite3.Connection) -> int:
        began.set()
        assert goes.wait(20)
        return 0

    def quick(db: sqlite3.Connection, number: int) -> int:
        threads.add(threading.get_ident())
        changes.append(number)
        if number == 1:
            assert db.in_transaction
            db.execute("CREATE TABLE t (x)")
        return number

    first = asyncio.create_task(store.call(slow))
    await asyncio.to_thread(began.wait, 20)
    others = [asyncio.create_task(store.call(partial(quick, number=n))) for n in range(1, 6)]
    await asyncio.sleep(0)  # the loop is free while the disk is not
    others[3].cancel()
    goes.set()
    done = await asyncio.gather(first, *others, return_exceptions=True)
    assert [each for each in done if not isinstance(each, asyncio.CancelledError)] == [0, 1, 2, 3, 5]
    assert changes == [1, 2, 3, 4, 5], "what was handed in is done, whoever has gone"
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    await store.close()


async def test_what_must_last_is_synced_when_it_is_committed(tmp_path: Path) -> None:
    """SQLite syncs its log at a commit under FULL (2), and now and then under NORMAL (1)."""
    store = Store(tmp_path / "x.sqlite")
    await store.open()

    def level(db: sqlite3.Connection) -> int:
        return int(db.execute("PRAGMA synchronous").fetchone()[0])

    assert await store.call(level) == 2
    assert await store.call(level, durable=False) == 1
    together = await asyncio.gather(*(store.call(level, durable=number == 2) for number in range(4)))
    assert together == [1, 2, 2, 2], "the first goes alone, and one that must last is enough for all of a commit"
    await store.close()


async def test_closing_waits_for_what_was_handed_in(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    await ledger.__aenter__()
    await ledger.begin(10)
    last = asyncio.create_task(ledger.enter([(request(number), None) for number in range(10)]))
    await asyncio.sleep(0)
    last.cancel()
    await ledger.__aexit__()
    assert ledger_status(tmp_path).waiting == 10


def sqlite_error(name: str) -> sqlite3.OperationalError:
    problem = sqlite3.OperationalError(name)
    problem.sqlite_errorcode = getattr(sqlite3, name)
    return problem


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("SQLITE_FULL", DiskFullError, "the disk is full; make room and run it again"),
        ("SQLITE_IOERR_WRITE", DiskFullError, "quota is used up"),
        ("SQLITE_READONLY", TargetError, "not writable"),
        ("SQLITE_CANTOPEN", TargetError, "not writable"),
        ("SQLITE_CORRUPT", LedgerError, "damaged"),
        ("SQLITE_BUSY", LedgerError, "held by another program"),
        ("SQLITE_IOERR_READ", LedgerError, "cannot be used"),
    ],
)
async def test_the_first_error_ends_it_for_all(tmp_path: Path, name: str, kind: type[Exception], words: str) -> None:
    store = Store(tmp_path / "x.sqlite")
    await store.open()

    def fails(db: sqlite3.Connection) -> None:
        raise sqlite_error(name)

    done = await asyncio.gather(*(store.call(fails) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in done] == [kind] * 3
    assert all(words in str(each) for each in done)
    with pytest.raises(kind, match=words):
        await store.call(sqlite3.Connection.commit)
    await store.close()


async def test_a_part_file_that_cannot_be_removed_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as another user's in a folder with the sticky bit, or one that a virus scanner reads."""
    async with Ledger(tmp_path) as ledger:
        held, free = PartFile(tmp_path / "held.pdf", ledger.tag), PartFile(tmp_path / "free.pdf", ledger.tag)
        for each in (held, free):
            await each.write(0, b"x")
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path == held.part:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        unlink(path, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        async with Ledger(tmp_path):
            assert (held.part.exists(), free.part.exists()) == (True, False)
    async with Ledger(tmp_path):
        assert not held.part.exists()
    held.discard()
    free.discard()
