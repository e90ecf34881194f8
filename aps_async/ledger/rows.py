"""What is read from the ledger's tables and written to them. All of it runs in the ledger's thread.

An export has one row for ever: it is found by the digest of its request. Its name belongs to it until a newer
version of the same thing takes it over.
"""

import hashlib
import json
import re
import sqlite3
import time
from collections.abc import Collection, Iterable, Sequence
from enum import IntEnum
from pathlib import PurePath

from aps_async.convert import to_dict, to_json
from aps_async.journal import KnownFile, Record
from aps_async.models import ExportKind, ExportRef, ExportRequest
from aps_async.names import safe_stem
from aps_async.text import folded, well_formed

_VERSION = re.compile(r"\?version=(\d+)$")


class State(IntEnum):
    """How far an export has come, as of the last commit."""

    WANTED = 0
    STARTED = 1
    """There is a reference."""
    DONE = 2
    """Its files are under their final names."""
    FAILED = 3


class Wanted:
    """A request as the ledger looks at it."""

    def __init__(self, request: ExportRequest, export_id: str | None) -> None:
        self.request = request
        self.export_id = export_id
        """Of what was started already."""
        self.plain = to_dict(request)
        # Cost documents that are there already: several of one request may be.
        document = export_id if request.kind is ExportKind.COST else None
        self._key = _digest({**self.plain, "name": None}, document)

    def key(self, repeat: int) -> bytes:
        """What tells it from all others; the same request twice in one run makes two."""
        return _digest(self._key.hex(), repeat) if repeat else self._key

    def lineage(self) -> bytes:
        """What it is a version of: the same for all versions of a sheet, and for all options."""
        request = self.request
        bases = sorted(_VERSION.sub("", subject) for subject in request.subjects)
        if request.kind is ExportKind.SHEETS and len(bases) == 1 and request.name:
            bases = [safe_stem(request.name)]  # its ids do not tell what they are versions of
        cost = request.cost and [request.cost.association_type, request.cost.template_id]
        return _digest(request.kind, request.project_id, bases, cost)

    @property
    def title(self) -> str:
        """What its file is to be called."""
        return safe_stem(self.request.name or self.request.subjects[0])

    @property
    def version(self) -> str | None:
        """The number of the version, where there is one."""
        found = _VERSION.search(self.request.subjects[0]) if len(self.request.subjects) == 1 else None
        return found[1] if found else None


def begin_run(connection: sqlite3.Connection, command: str | None, total: int | None) -> int:
    """Notes that a run begins and gives its number."""
    made = connection.execute(
        "INSERT INTO runs (began, total, command) VALUES (?, ?, ?)",
        (time.time(), total, well_formed(command) if command else command),
    )
    return int(made.lastrowid or 0)


def forget_files(connection: sqlite3.Connection) -> None:
    """Lets everything be exported anew, under the names that it has."""
    connection.execute("UPDATE exports SET state=?, export_id=NULL, problem=NULL", (State.WANTED,))
    connection.execute("DELETE FROM files WHERE export IN (SELECT id FROM exports WHERE name IS NOT NULL)")


def end_run(connection: sqlite3.Connection, run: int, total: int) -> None:
    """Notes that a run came to its end: every request has its outcome."""
    connection.execute("UPDATE runs SET ended=?, total=? WHERE id=?", (time.time(), total, run))


def enter(
    connection: sqlite3.Connection,
    run: int,
    requests: Sequence[tuple[ExportRequest, ExportRef | None]],
    *,
    keep_older: bool,
) -> list[Record]:
    """Finds what is known of requests, and enters those that are new."""
    wanted = [Wanted(request, ref.export_id if ref else None) for request, ref in requests]
    found = [_known(connection, run, each) for each in wanted]
    # Only now those that are new: what an older row still wants to be called is clear.
    return [
        record or _known(connection, run, each) or _new(connection, run, each, keep_older=keep_older)
        for record, each in zip(found, wanted, strict=True)
    ]


def _known(connection: sqlite3.Connection, run: int, wanted: Wanted) -> Record | None:
    repeat = 0
    while True:
        row = connection.execute(
            "SELECT id, run, state, name, export_id FROM exports WHERE key=?", (wanted.key(repeat),)
        ).fetchone()
        if row is None or row[3] is None:
            return None
        if row[1] != run:
            break
        repeat += 1  # this run has asked for it before
    number, _, state, name, export_id = row
    connection.execute("UPDATE exports SET run=? WHERE id=?", (run, number))
    if wanted.export_id is not None and wanted.export_id != export_id:  # another job: what the older one made is past
        connection.execute("DELETE FROM files WHERE export=?", (number,))
        return Record(id=number, name=name)
    return _record(connection, wanted, number, name, export_id, done=state == State.DONE)


def _record(
    connection: sqlite3.Connection, wanted: Wanted, number: int, name: str, export_id: str | None, *, done: bool = False
) -> Record:
    return Record(
        id=number,
        name=name,
        ref=ExportRef(request=wanted.request, export_id=export_id) if export_id else None,
        files=tuple(_files(connection, number)),
        done=done,
    )


def _files(connection: sqlite3.Connection, export: int) -> list[KnownFile]:
    rows = connection.execute("SELECT name, size, sha256 FROM files WHERE export=?", (export,))
    return [KnownFile(name, size, sha256.hex()) for name, size, sha256 in rows]


def _new(connection: sqlite3.Connection, run: int, wanted: Wanted, *, keep_older: bool) -> Record:
    """Enters a request, or one whose name another version had taken meanwhile."""
    repeat = 0
    while True:
        key = wanted.key(repeat)
        row = connection.execute("SELECT id, run, export_id FROM exports WHERE key=?", (key,)).fetchone()
        if row is None or row[1] != run:
            break
        repeat += 1
    lineage, now = wanted.lineage(), time.time()
    if row is None:
        made = connection.execute(
            "INSERT INTO exports (key, lineage, run, state, request, changed) VALUES (?, ?, ?, ?, ?, ?)",
            (key, lineage, run, State.WANTED, to_json(wanted.plain), now),
        )
        number, export_id = int(made.lastrowid or 0), None
    else:
        number, _, export_id = row
        connection.execute("UPDATE exports SET run=?, state=?, changed=? WHERE id=?", (run, State.WANTED, now, number))
    older = _older(connection, number, run, lineage, wanted.plain.get("options"))
    if older is not None and not keep_older:
        _take_over(connection, older, number)
    title = wanted.title
    if older is not None and keep_older and wanted.version:
        title = f"{title} (version {wanted.version})"
    name = take_name(connection, number, title, ())
    connection.execute("UPDATE exports SET name=? WHERE id=?", (name, number))
    if wanted.export_id is not None and wanted.export_id != export_id:
        export_id = None
    return _record(connection, wanted, number, name, export_id)


def _older(connection: sqlite3.Connection, number: int, run: int, lineage: bytes, options: object) -> int | None:
    """The version that was asked for before and is not now, with the same options if there is one."""
    rows = connection.execute(
        "SELECT id, request FROM exports WHERE lineage=? AND name IS NOT NULL AND run<? AND id<>? ORDER BY id DESC",
        (lineage, run, number),
    ).fetchall()
    rows.sort(key=lambda row: json.loads(row[1]).get("options") != options)
    return rows[0][0] if rows else None


def _take_over(connection: sqlite3.Connection, older: int, number: int) -> None:
    """The older version's names are free for the newer one; its file goes when the newer one has come."""
    [name] = connection.execute("SELECT name FROM exports WHERE id=?", (older,)).fetchone()
    for stem in {name, *(PurePath(each.name).stem for each in _files(connection, older))}:
        connection.execute("UPDATE names SET export=? WHERE folded=? AND export=?", (number, _folded(stem), older))
    connection.execute("UPDATE exports SET name=NULL WHERE id=?", (older,))


def take_name(connection: sqlite3.Connection, record: int, title: str, used: Collection[str]) -> str:
    """A name for a file of this export: one that it has already, but for those just used, or one that nobody has."""
    name, count = title, 1
    while True:
        row = connection.execute("SELECT export FROM names WHERE folded=?", (_folded(name),)).fetchone()
        if row is None:
            connection.execute("INSERT INTO names VALUES (?, ?)", (_folded(name), record))
            return name
        if row[0] == record and name not in used:
            return name
        count += 1
        name = f"{title} ({count})"


def started(connection: sqlite3.Connection, record: int, export_id: str) -> None:
    """Notes the reference of what has been started."""
    connection.execute(
        "UPDATE exports SET export_id=?, state=?, problem=NULL, changed=? WHERE id=?",
        (export_id, State.STARTED, time.time(), record),
    )


def arriving(connection: sqlite3.Connection, record: int, files: Iterable[KnownFile]) -> None:
    """Notes what is about to stand in the folder."""
    connection.execute("DELETE FROM files WHERE export=?", (record,))
    connection.executemany(
        "INSERT INTO files VALUES (?, ?, ?, ?)",
        [(record, each.name, each.size, bytes.fromhex(each.sha256)) for each in files],
    )


def done(connection: sqlite3.Connection, record: int) -> list[KnownFile]:
    """Notes that the files are there; gives those of older versions whose place they took, to be removed."""
    now = time.time()
    connection.execute("UPDATE exports SET state=?, problem=NULL, changed=? WHERE id=?", (State.DONE, now, record))
    older = connection.execute(
        "SELECT id FROM exports WHERE name IS NULL AND lineage=(SELECT lineage FROM exports WHERE id=?)", (record,)
    ).fetchall()
    mine = {folded(each.name) for each in _files(connection, record)} if older else set()
    left = []
    for [number] in older:
        left += [each for each in _files(connection, number) if folded(each.name) not in mine]
        connection.execute("DELETE FROM files WHERE export=?", (number,))
    return [each for each in left if _is_free(connection, each.name, record)]


def _is_free(connection: sqlite3.Connection, file: str, record: int) -> bool:
    """Gives back the name of a file that has gone out of use, unless another export has it."""
    stem = _folded(PurePath(file).stem)
    row = connection.execute("SELECT export FROM names WHERE folded=?", (stem,)).fetchone()
    if row is not None and row[0] == record:
        connection.execute("DELETE FROM names WHERE folded=?", (stem,))
    return row is None or row[0] == record


def failed(connection: sqlite3.Connection, record: int, problem: str, *, given_up: bool) -> None:
    """Notes a failure. What the service gave up is started anew by the next run, anything else is asked about."""
    connection.execute(
        "UPDATE exports SET state=?, problem=?, changed=?, export_id=iif(?, NULL, export_id) WHERE id=?",
        (State.FAILED, well_formed(problem), time.time(), given_up, record),
    )


def _digest(*values: object) -> bytes:
    """16 bytes: two alike among a million millions are not to be feared."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).digest()[:16]


def _folded(name: str) -> bytes:
    return _digest(folded(name))
