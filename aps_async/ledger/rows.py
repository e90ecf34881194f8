"""Reads and writes the ledger's tables of runs, exports and names. Everything here runs in the ledger's thread.

An export has one permanent row, which is found by the key of its request (see `keys.py`). It keeps its name until a
newer version of the same sheet takes that over.
"""

import json
import sqlite3
import time
from collections.abc import Collection, Sequence
from typing import NamedTuple

from aps_async.downloads.filenames import stem_of
from aps_async.ledger.file_rows import files_of, files_of_all, placeholders, set_former, stored_name, structured
from aps_async.ledger.journal import KnownFile, Record
from aps_async.ledger.keys import KeyedRequest, digest, is_named, name_key, title_of
from aps_async.ledger.schema import State
from aps_async.models import ExportKind, ExportRef, ExportRequest, FailedFile
from aps_async.text import folded, well_formed

__all__ = [
    "adopt",
    "enter",
    "failed",
    "forget",
    "forget_files",
    "job_seconds",
    "recent_starts",
    "reserve_name",
    "started",
    "subfolders",
    "take_name",
]
__dir__: object = __all__.copy

_RESERVED = 0  # in place of an export's id, for a name that no export may get


class _Row(NamedTuple):
    """What is stored of an export, apart from its files."""

    id: int
    run: int
    state: int
    name: str | None
    export_id: str | None
    request: str
    lacks: str | None
    warnings: str | None


_COLUMNS = ", ".join(_Row._fields)


def subfolders(connection: sqlite3.Connection) -> list[str]:
    """The subfolders that exports go to."""
    found = connection.execute("SELECT name FROM exports WHERE name LIKE '%/%'")
    return sorted({stored_name(name).rpartition("/")[0] for [name] in found})


def forget(connection: sqlite3.Connection, record: int) -> None:
    """Marks one export to be made again, under the same name."""
    connection.execute("UPDATE exports SET state=?, export_id=NULL, problem=NULL WHERE id=?", (State.WANTED, record))
    set_former(connection, record)


def forget_files(connection: sqlite3.Connection) -> None:
    """Marks everything to be exported again, under the same names."""
    rows = connection.execute("SELECT id FROM exports WHERE name IS NOT NULL").fetchall()
    connection.execute("UPDATE exports SET state=?, export_id=NULL, problem=NULL", (State.WANTED,))
    for [number] in rows:
        set_former(connection, number)


def enter(
    connection: sqlite3.Connection,
    run: int,
    requests: Sequence[tuple[ExportRequest, ExportRef | None]],
    *,
    keep_older: bool,
    counts: dict[str, int],
) -> list[Record]:
    """Returns what is known about requests, and enters new ones. `counts`: see `take_name`."""
    wanted = [KeyedRequest(request, ref.export_id if ref else None) for request, ref in requests]
    known = _known_at_once(connection, run, wanted)
    found = [record or _known(connection, run, each) for record, each in zip(known, wanted, strict=True)]
    # New requests come last, when it is clear which names the existing rows keep.
    return [
        record or _known(connection, run, each) or _new(connection, run, each, keep_older=keep_older, counts=counts)
        for record, each in zip(found, wanted, strict=True)
    ]


def adopt(
    connection: sqlite3.Connection, request: ExportRequest, name: str, file: KnownFile, exported_at: float
) -> None:
    """Enters an export that is done, with its file; of several with one key, the first is found by it."""
    wanted = KeyedRequest(request, None)
    key = wanted.key(0)
    if _row_of(connection, key) is not None:
        key = digest("renumbered", name)
    made = connection.execute(
        "INSERT INTO exports (key, lineage, run, state, name, request, changed) VALUES (?, ?, 0, ?, ?, ?, ?)",
        (key, wanted.lineage(), State.DONE, name, wanted.stored(), exported_at),
    )
    connection.execute("INSERT INTO names VALUES (?, ?)", (name_key(name), made.lastrowid))
    connection.execute(
        "INSERT INTO files (export, name, size, sha256) VALUES (?, ?, ?, ?)",
        (made.lastrowid, file.name, file.size, bytes.fromhex(file.sha256)),
    )


def _known_at_once(connection: sqlite3.Connection, run: int, wanted: Sequence[KeyedRequest]) -> list[Record | None]:
    """Finds with three statements for all what `_known` finds with three for each, in the cases without doubt."""
    keys = [each.key(0) for each in wanted]
    select = f"SELECT key, {_COLUMNS} FROM exports WHERE key IN ({placeholders(keys)})"  # noqa: S608
    rows = {key: _Row(*row) for key, *row in connection.execute(select, keys)}
    # The second of two equal requests has a key of its own.
    pairs = [(each, rows.pop(key, None)) for key, each in zip(keys, wanted, strict=True)]
    plain = [row if row is not None and _is_plain(row, run, each) else None for each, row in pairs]
    numbers = [row.id for row in plain if row is not None]
    connection.executemany("UPDATE exports SET run=? WHERE id=?", [(run, number) for number in numbers])
    files = files_of_all(connection, numbers)
    found: list[Record | None] = []
    for each, row in zip(wanted, plain, strict=True):
        if row is None:
            found.append(None)
            continue
        _learn_identity(connection, row.id, each)
        found.append(_record(connection, each, row, files.get(row.id, ())))
    return found


def _is_plain(row: _Row, run: int, wanted: KeyedRequest) -> bool:
    """Whether a row is certainly that of a request: not for another job, and not yet requested by this run."""
    if row.run == run or row.name is None or _has_other_identity(row.request, wanted):
        return False
    return wanted.export_id is None or wanted.export_id == row.export_id


def _known(connection: sqlite3.Connection, run: int, wanted: KeyedRequest) -> Record | None:
    repeat = 0
    while True:
        row = _row_of(connection, wanted.key(repeat))
        if row is None or _is_renumbered(connection, row.id, row.request, wanted) or row.name is None:
            return None
        if row.run != run:
            break
        repeat += 1  # this run has requested it before
    connection.execute("UPDATE exports SET run=? WHERE id=?", (run, row.id))
    _learn_identity(connection, row.id, wanted)
    if wanted.export_id is not None and wanted.export_id != row.export_id:  # another job: its files are former ones
        connection.execute("UPDATE exports SET state=? WHERE id=?", (State.WANTED, row.id))
        set_former(connection, row.id)
        return Record(id=row.id, name=stored_name(row.name))
    return _record(connection, wanted, row, files_of(connection, row.id))


def _row_of(connection: sqlite3.Connection, key: bytes) -> _Row | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM exports WHERE key=?", (key,)).fetchone()  # noqa: S608 - ours
    return row and _Row(*row)


def _is_renumbered(connection: sqlite3.Connection, number: int, stored: str, wanted: KeyedRequest) -> bool:
    """Whether the id belongs to another sheet now, so that the row is not its own: ACC keeps it if a number changes."""
    if not _has_other_identity(stored, wanted):
        return False
    connection.execute("UPDATE exports SET key=? WHERE id=?", (digest("renumbered", number), number))
    return True


def _has_other_identity(stored: str, wanted: KeyedRequest) -> bool:
    if (now := wanted.plain.get("identity")) is None:
        return False
    before = json.loads(stored).get("identity")
    return before is not None and before != now


def _record(connection: sqlite3.Connection, wanted: KeyedRequest, row: _Row, files: Sequence[KnownFile]) -> Record:
    if row.lacks is not None and files and wanted.export_id is None:  # by now the service may have what was missing
        forget(connection, row.id)
        return Record(id=row.id, name=stored_name(row.name))
    return Record(
        id=row.id,
        name=stored_name(row.name),
        ref=ExportRef(request=wanted.request, export_id=row.export_id) if row.export_id else None,
        files=tuple(files),
        done=row.state == State.DONE,
        failed_files=structured(row.lacks, tuple[FailedFile, ...]) if row.lacks is not None else (),
        warnings=structured(row.warnings, tuple[str, ...]) if row.warnings is not None else (),
    )


def _new(
    connection: sqlite3.Connection, run: int, wanted: KeyedRequest, *, keep_older: bool, counts: dict[str, int]
) -> Record:
    """Enters a request; also one whose row has lost its name to another version."""
    repeat = 0
    while True:
        key = wanted.key(repeat)
        row = _row_of(connection, key)
        if row is None or row.run != run:
            break
        repeat += 1
    now = time.time()
    if row is None:
        request = wanted.stored()
        made = connection.execute(
            "INSERT INTO exports (key, lineage, run, state, request, changed) VALUES (?, ?, ?, ?, ?, ?)",
            (key, wanted.lineage(), run, State.WANTED, request, now),
        )
        row = _Row(int(made.lastrowid or 0), run, State.WANTED, None, None, request, None, None)
    else:
        connection.execute("UPDATE exports SET run=?, state=?, changed=? WHERE id=?", (run, State.WANTED, now, row.id))
        _learn_identity(connection, row.id, wanted)
    older = _older(connection, row.id, run, wanted)
    title, name = wanted.title, None
    if older is not None and not keep_older:
        name = _take_over(connection, older, row.id, wanted)
    elif older is not None and wanted.version:
        title = f"{title} (version {wanted.version})"
    name = name or take_name(connection, row.id, title, counts)
    connection.execute("UPDATE exports SET name=? WHERE id=?", (name, row.id))
    is_other_job = wanted.export_id is not None and wanted.export_id != row.export_id
    row = row._replace(state=State.WANTED, name=name, export_id=None if is_other_job else row.export_id)
    return _record(connection, wanted, row, files_of(connection, row.id))


def _older(connection: sqlite3.Connection, number: int, run: int, wanted: KeyedRequest) -> int | None:
    """The older version of a sheet that this run does not request; with the same options, if there is one.

    If there are several, it is not known which of them is revised. The new version then gets a name of its own, since a
    guess could put one sheet's file under another's name.
    """
    former, options = wanted.former_lineage(), wanted.plain.get("options")
    for lineage in (wanted.lineage(), former):
        rows = connection.execute(
            "SELECT id, request FROM exports WHERE lineage=? AND name IS NOT NULL AND run<? AND id<>?",
            (lineage, run, number),
        ).fetchall()
        known = [(row, json.loads(request)) for row, request in rows]
        if lineage == former:  # two names may be equal as file names, and not as sheets
            known = [(row, request) for row, request in known if request.get("name") == wanted.request.name]
        known = [each for each in known if each[1].get("options") == options] or known
        if known:
            return int(known[0][0]) if len(known) == 1 else None
    return None


_NAMES_IN_PLACE = """
    SELECT name FROM files WHERE export=:export UNION SELECT name FROM former_files WHERE export=:export
    UNION SELECT files.name FROM files JOIN exports ON exports.id=files.export
    WHERE exports.name IS NULL AND lineage=(SELECT lineage FROM exports WHERE id=:export)
"""
"""Names of an export's files in the folder, and of those that it has not replaced yet."""


def _take_over(connection: sqlite3.Connection, older: int, number: int, wanted: KeyedRequest) -> str | None:
    """Gives a newer version the names of the older one, whose file is removed once the newer one is there.

    Returns:
        The older one's name, if it comes from the same title.
    """
    name, stored = connection.execute("SELECT name, request FROM exports WHERE id=?", (older,)).fetchone()
    name, before = stored_name(name), title_of(structured(stored, ExportRequest))
    in_place = connection.execute(_NAMES_IN_PLACE, {"export": older})
    for stem in {name, *(stem_of(stored_name(each)) for [each] in in_place)}:
        connection.execute("UPDATE names SET export=? WHERE folded=? AND export=?", (number, name_key(stem), older))
    connection.execute("UPDATE exports SET name=NULL, lineage=? WHERE id=?", (wanted.lineage(), older))
    _move_replaced(connection, wanted)
    owned = connection.execute("SELECT 1 FROM names WHERE folded=? AND export=?", (name_key(name), number)).fetchone()
    return name if owned and is_named(name, wanted.title, before) else None


def _learn_identity(connection: sqlite3.Connection, number: int, wanted: KeyedRequest) -> None:
    """Adds the lineage to a row of an older version, or to one whose request had no `SheetIdentity`."""
    if wanted.request.identity is None:
        return
    lineage = wanted.lineage()
    changed = connection.execute(
        "UPDATE exports SET lineage=?, request=? WHERE id=? AND lineage<>?", (lineage, wanted.stored(), number, lineage)
    )
    if changed.rowcount:
        _move_replaced(connection, wanted)


def _move_replaced(connection: sqlite3.Connection, wanted: KeyedRequest) -> None:
    """Moves replaced versions to the new lineage too, unless another sheet still has the former one."""
    former = wanted.former_lineage()
    connection.execute(
        "UPDATE exports SET lineage=? WHERE lineage=? AND name IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM exports WHERE lineage=? AND name IS NOT NULL)",
        (wanted.lineage(), former, former),
    )


def take_name(
    connection: sqlite3.Connection, record: int, title: str, counts: dict[str, int], used: Collection[str] = ()
) -> str:
    """Returns a name for a file of this export: one that it has and is not in `used`, or one that no export has.

    `counts` has the last number given to each title, so that numbering thousands of equal titles stays fast.
    """
    first = folded(title)
    count = counts.get(first, 1)
    while True:
        name = title if count == 1 else f"{title} ({count})"
        row = connection.execute("SELECT export FROM names WHERE folded=?", (name_key(name),)).fetchone()
        if row is None:
            connection.execute("INSERT INTO names VALUES (?, ?)", (name_key(name), record))
        if row is None or (row[0] == record and name not in used):
            counts[first] = count
            return name
        count += 1


def reserve_name(connection: sqlite3.Connection, stem: str) -> str | None:
    """Reserves a name, so that no export gets it; returns the title of the export that has it, if there is one."""
    connection.execute("INSERT OR IGNORE INTO names VALUES (?, ?)", (name_key(stem), _RESERVED))
    [owner] = connection.execute("SELECT export FROM names WHERE folded=?", (name_key(stem),)).fetchone()
    if owner == _RESERVED:
        return None
    row = connection.execute("SELECT request FROM exports WHERE id=?", (owner,)).fetchone()
    return str(json.loads(row[0]).get("name") or stem) if row else stem


def started(connection: sqlite3.Connection, record: int, export_id: str) -> None:
    """Records the reference of a started export."""
    now = time.time()
    connection.execute(
        "UPDATE exports SET export_id=?, state=?, problem=NULL, changed=?, started=? WHERE id=?",
        (export_id, State.STARTED, now, now, record),
    )


def recent_starts(connection: sqlite3.Connection, within: float, at_once: int) -> list[tuple[ExportKind, float]]:
    """The starts of the last `within` seconds: the kind of each, and how many seconds ago it was.

    A run that was killed may have made up to `at_once` more starts without recording them; they count as made now.
    Times far in the future are those of a clock that was wrong, and say nothing.
    """
    now = time.time()
    latest = now + within
    select = "SELECT request, started FROM exports WHERE started BETWEEN ? AND ?"
    found = connection.execute(select, (now - within, latest)).fetchall()
    stopped = (
        "SELECT request, ? FROM exports WHERE state=? AND run=(SELECT id FROM runs WHERE ended IS NULL"
        " AND id=(SELECT max(id) - 1 FROM runs)) AND (SELECT max(changed) FROM exports WHERE changed<?)>?"
        " ORDER BY id LIMIT ?"
    )
    found += connection.execute(stopped, (now, State.WANTED, latest, now - 2 * within, at_once)).fetchall()
    return [(ExportKind(json.loads(request)["kind"]), max(0.0, now - started)) for request, started in found]


def job_seconds(connection: sqlite3.Connection, like: ExportRequest, most: int) -> list[float]:
    """How long the latest jobs of the same kind and project took, in seconds, the latest last."""
    select = "SELECT request, seconds FROM exports WHERE seconds IS NOT NULL ORDER BY changed DESC LIMIT ?"
    found = [(structured(stored, ExportRequest), took) for stored, took in connection.execute(select, (most,))]
    alike = [took for each, took in found if (each.kind, each.project_id) == (like.kind, like.project_id)]
    return [float(took) for took in reversed(alike)]


def failed(connection: sqlite3.Connection, record: int, problem: str, *, given_up: bool) -> None:
    """Records a failure. If the job failed, the next run starts it again; otherwise it polls the same job."""
    connection.execute(
        "UPDATE exports SET state=?, problem=?, changed=?, export_id=iif(?, NULL, export_id) WHERE id=?",
        (State.FAILED, well_formed(problem), time.time(), given_up, record),
    )
