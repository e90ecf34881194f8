"""A tampered ledger does no harm: nothing outside its folder is read, written or deleted."""

import ctypes
import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from aps_async import ExportRequest, LedgerError
from aps_async.downloads.sinks import PartFile
from aps_async.errors import TargetError
from aps_async.ledger import Ledger, ledger_status
from aps_async.ledger.lock import LOCK_NAME, FolderLock, holder
from aps_async.ledger.schema import LEDGER_NAME
from aps_async.models import DeliveredExport, ExportKind

BODY = b"%PDF-1.7 somebody else's %%EOF"
VICTIM = "Letter.pdf"


def request(version: int) -> ExportRequest:
    urn = f"urn:adsk.wipprod:fs.file:vf.{1:022}?version={version}"
    return ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=(urn,), name="Sheet")


async def deliver(folder: Path, version: int) -> None:
    """What a run does with one request, without a service."""
    async with Ledger(folder) as ledger:
        await ledger.begin(1)
        [record] = await ledger.enter([(request(version), None)])
        await ledger.holds(record)
        sink = PartFile(folder / f"{record.name}.pdf", ledger.tag)
        await sink.write(0, b"%%PDF-1.7 version %d %%%%EOF" % version)
        await sink.complete()
        path = sink.rename()
        await ledger.ended(record, DeliveredExport(request=request(version), path=path, size=0, unpacked=(path,)))


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A folder with a ledger, beside one with somebody else's files."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / VICTIM).write_bytes(BODY)
    (tmp_path / VICTIM).write_bytes(BODY)
    await deliver(tmp_path / "plans", 1)
    return tmp_path / "plans"


def plant(folder: Path, statement: str, *values: object) -> None:
    ledger = sqlite3.connect(folder / LEDGER_NAME)
    ledger.execute(statement, values)
    ledger.commit()
    ledger.close()


NAMES = [
    "../Letter",
    "../outside/Letter",
    "{outside}/Letter",
    "..",
    "a\\..\\..\\Letter",
    "C:Letter",
    "\x00",
    "",
    "x" * 300,
    b"x",
]
FILES = [f"{name}.pdf" if isinstance(name, str) and name else name for name in NAMES]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("column", "name"), [*(("exports", each) for each in NAMES), *(("files", each) for each in FILES)]
)
async def test_a_planted_name_is_refused(folder: Path, column: str, name: object, version: int) -> None:
    if isinstance(name, str):
        name = name.replace("{outside}", str(folder.parent / "outside"))
    before = everything(folder.parent / "outside") | {"": (folder.parent / VICTIM).read_bytes()}
    if column == "exports":
        plant(folder, "UPDATE exports SET name=?", name)
    else:
        plant(folder, "UPDATE files SET name=?, size=?, sha256=?", name, len(BODY), hashlib.sha256(BODY).digest())
    with pytest.raises(LedgerError, match=r"cannot be trusted.*move it away"):
        await deliver(folder, version)
    assert everything(folder.parent / "outside") | {"": (folder.parent / VICTIM).read_bytes()} == before
    assert holder(folder) is None


@pytest.mark.parametrize("tag", ["", "x", "../../x-", "6c80d31c-/../", ".*", "6C80D31C-", "6c80d31c"])
async def test_a_planted_tag_names_no_part_files(folder: Path, tag: str) -> None:
    (folder / ".A-101-0123abcd.part").write_bytes(b"somebody else's")
    plant(folder, "UPDATE facts SET value=? WHERE name='tag'", tag)
    with pytest.raises(LedgerError, match="tag"):
        await deliver(folder, 1)
    assert (folder / ".A-101-0123abcd.part").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE files SET sha256='text'",
        "UPDATE files SET size='many'",
        "UPDATE exports SET request='['",
        "UPDATE exports SET request='[1]'",
        "UPDATE exports SET request=replace(hex(zeroblob(100000)), '00', '[')",
        "DELETE FROM facts",
        "CREATE TRIGGER t AFTER UPDATE ON exports BEGIN UPDATE exports SET name='../x'; END",
        "CREATE VIEW v AS SELECT 1",
        "DROP TABLE names",
    ],
)
async def test_planted_values_of_another_type_end_in_an_error_of_ours(folder: Path, statement: str) -> None:
    before = everything(folder.parent / "outside")
    plant(folder, statement)
    refused = False
    for version in (1, 2):
        try:
            await deliver(folder, version)
        except LedgerError:
            refused = True
    assert refused
    assert everything(folder.parent / "outside") == before
    assert holder(folder) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE runs SET began='soon'",
        "UPDATE runs SET began=9e999",
        "UPDATE runs SET ended=-1e300",
        "UPDATE runs SET total='all'",
        "CREATE VIEW v AS SELECT 1",
    ],
)
def test_planted_values_in_a_status_end_in_an_error_of_ours(folder: Path, statement: str) -> None:
    plant(folder, statement)
    with pytest.raises(LedgerError, match="move it away"):
        ledger_status(folder)


@pytest.mark.parametrize("name", [LOCK_NAME, LEDGER_NAME])
@pytest.mark.parametrize("is_there", [True, False])
async def test_a_link_in_the_place_of_a_file_of_ours_is_refused(tmp_path: Path, name: str, is_there: bool) -> None:
    target = tmp_path / "target"
    if is_there:
        target.write_bytes(BODY if name == LOCK_NAME else b"")
    folder = tmp_path / "plans"
    folder.mkdir()
    (folder / name).symlink_to(target)
    with pytest.raises((TargetError, LedgerError), match="a link"):
        await deliver(folder, 1)
    assert target.exists() == is_there
    if is_there:
        assert target.read_bytes() == (BODY if name == LOCK_NAME else b"")
    with pytest.raises((TargetError, LedgerError)):
        ledger_status(folder)
    if name == LOCK_NAME:
        with pytest.raises(TargetError):
            holder(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
@pytest.mark.parametrize("make", [os.mkfifo if hasattr(os, "mkfifo") else None, os.mkdir])
def test_a_lock_that_is_not_a_file_is_refused_at_once(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / LOCK_NAME)
    for look in (FolderLock(tmp_path).acquire, lambda: holder(tmp_path)):
        with pytest.raises(TargetError):
            look()


async def test_a_link_in_the_place_of_a_delivered_file_is_replaced_and_not_followed(folder: Path) -> None:
    path = folder / "Sheet.pdf"
    body = path.read_bytes()
    elsewhere = folder.parent / "outside" / "Sheet.pdf"
    elsewhere.write_bytes(body)
    path.unlink()
    path.symlink_to(elsewhere)
    async with Ledger(folder) as ledger:
        await ledger.begin(1)
        [record] = await ledger.enter([(request(1), None)])
        assert not await ledger.holds(record)
    await deliver(folder, 2)
    assert not path.is_symlink()
    assert elsewhere.read_bytes() == body


async def test_five_thousand_equal_titles_in_a_ledger(tmp_path: Path) -> None:
    def wanted(version: int) -> list[tuple[ExportRequest, None]]:
        urns = [f"urn:adsk.wipprod:fs.file:vf.{number:022}?version={version}" for number in range(5000)]
        return [
            (ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=(urn,), name="Plan"), None)
            for urn in urns
        ]

    statements = 0

    def count(_: str) -> None:
        nonlocal statements
        statements += 1

    names = []
    for version in (1, 2):
        async with Ledger(tmp_path) as ledger:
            await ledger.begin(5000)
            await ledger._store.call(lambda db: db.set_trace_callback(count))
            names.append([each.name for each in await ledger.enter(wanted(version))])
    assert statements < 5000 * 2 * 13, "linear"
    assert names[0][:2] == ["Plan", "Plan (2)"]
    assert len(set(names[0])) == 5000
    assert names[1] == names[0], "a newer version keeps the older one's name"


def rights(folder: Path, *, writable: bool) -> None:
    for path in folder.iterdir():
        path.chmod(0o644 if writable else 0o444)
    folder.chmod(0o755 if writable else 0o555)


def without_rights() -> None:
    """In a child process: root no longer writes and reads everywhere, as if it were anybody else."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(24, 1)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


STATUS = """
import sys
from aps_async.ledger import ledger_status
status = ledger_status(sys.argv[1])
print(status.done, status.failed)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
@pytest.mark.parametrize("state", ["closed", "killed", "killed without an index"])
def test_a_status_in_a_folder_that_may_only_be_read(folder: Path, state: str) -> None:
    if state != "closed":  # as a kill leaves it: the last commits only in the log
        kept = sqlite3.connect(folder / LEDGER_NAME, isolation_level=None)
        kept.execute("UPDATE exports SET state=3, problem='in the log'")
        copies = {path.name: path.read_bytes() for path in folder.iterdir()}
        kept.close()
        for name, body in copies.items():
            if not (name.endswith("-shm") and "without" in state):
                (folder / name).write_bytes(body)
    before = everything(folder)
    rights(folder, writable=False)
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", STATUS, str(folder)],
            preexec_fn=without_rights,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        rights(folder, writable=True)
    assert (done.stdout, done.stderr) == ("1 0\n" if state == "closed" else "0 1\n", "")
    assert everything(folder) == before
