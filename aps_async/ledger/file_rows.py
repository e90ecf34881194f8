"""Reads and writes the ledger's tables of files: those in the folder, those being replaced, and moves in progress.

Everything here runs in the ledger's thread.
"""

import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

from attrs import frozen

from aps_async.downloads.filenames import checked_relative, safe_stem, stem_of
from aps_async.errors import DecodeError, InputError, LedgerError
from aps_async.ids import version_number
from aps_async.ledger.journal import KnownFile, Record
from aps_async.ledger.keys import digest, name_key
from aps_async.ledger.schema import MOVE_AWAY, State
from aps_async.text import folded
from aps_async.transport.converter import loads, structure, to_dict, to_json

__all__ = [
    "Former",
    "arrived",
    "arriving",
    "arriving_files",
    "digests",
    "done",
    "files_of",
    "files_of_all",
    "former",
    "gone",
    "joined_warnings",
    "leaving",
    "moved",
    "moves_under_way",
    "not_arrived",
    "note_joined",
    "placeholders",
    "release_name",
    "release_unused",
    "set_former",
    "set_moves",
    "set_stamps",
    "stored_name",
    "structured",
    "taken_back",
    "version_label",
]
__dir__: object = __all__.copy

T = TypeVar("T")


def files_of(connection: sqlite3.Connection, export: int, table: str = "files") -> list[KnownFile]:
    """The files of an export."""
    select = f"SELECT name, size, sha256, stamp FROM {table} WHERE export=?"  # noqa: S608 - ours
    return [_known_file(*row) for row in connection.execute(select, (export,))]


def files_of_all(
    connection: sqlite3.Connection, exports: Sequence[int], table: str = "files"
) -> dict[int, tuple[KnownFile, ...]]:
    """The files of several exports, with one statement instead of hundreds."""
    select = f"SELECT export, name, size, sha256, stamp FROM {table} WHERE export IN ({placeholders(exports)})"  # noqa: S608
    found = groupby(connection.execute(f"{select} ORDER BY export, name", exports), itemgetter(0))
    return {export: tuple([_known_file(*row[1:]) for row in rows]) for export, rows in found}


def placeholders(values: Sequence[object]) -> str:
    """SQL placeholders, one for each value; older versions of SQLite allow 999."""
    return ", ".join("?" * len(values))


def _known_file(name: object, size: Any, sha256: Any, stamp: str | None) -> KnownFile:
    return KnownFile(stored_name(name), int(size), bytes(sha256).hex(), stamp)


def set_stamps(connection: sqlite3.Connection, export: int, files: Iterable[KnownFile]) -> None:
    """Stores the stamps of an export's files, unless other files have replaced them since they were read."""
    connection.executemany(
        "UPDATE files SET stamp=? WHERE export=? AND name=? AND sha256=?",
        [(each.stamp, export, each.name, bytes.fromhex(each.sha256)) for each in files],
    )


def digests(connection: sqlite3.Connection) -> dict[str, str]:
    """The SHA-256 of every file, by its name."""
    return {str(name): bytes(sha256).hex() for name, sha256 in connection.execute("SELECT name, sha256 FROM files")}


@lru_cache(1000)  # a run reads most names several times in a row
def stored_name(name: Hashable) -> str:
    """A name from the ledger, which others may have written, checked."""
    try:
        return "/".join(checked_relative(name))
    except InputError as problem:
        raise LedgerError(f"the folder's ledger cannot be trusted ({problem}): {MOVE_AWAY}") from None


def structured(text: str, into: type[T]) -> T:
    """A value from the ledger, which others may have written, checked."""
    try:
        return structure(loads(text), into, strict=True)
    except (DecodeError, ValueError) as problem:
        raise LedgerError(f"the folder's ledger cannot be trusted ({problem}): {MOVE_AWAY}") from None


def arriving(connection: sqlite3.Connection, record: Record, files: Iterable[KnownFile]) -> None:
    """Records the files that are about to get their names in the folder."""
    set_former(connection, record.id)
    connection.executemany(
        "INSERT INTO files VALUES (?, ?, ?, ?, ?)",
        [(record.id, each.name, each.size, bytes.fromhex(each.sha256), each.stamp) for each in files],
    )
    _set_irregularities(connection, record)


def _set_irregularities(connection: sqlite3.Connection, record: Record) -> None:
    """Stores what is missing from an export's files, and their irregularities, so that later runs report them too."""
    lacks, warnings = ([*map(to_dict, record.failed_files)], [*record.warnings])
    connection.execute(
        "UPDATE exports SET lacks=?, warnings=? WHERE id=?",
        (to_json(lacks) if lacks else None, to_json(warnings) if warnings else None, record.id),
    )


def set_former(connection: sqlite3.Connection, record: int) -> None:
    """Marks an export's files as former ones, which are still recognized until others have replaced them."""
    connection.execute("INSERT OR REPLACE INTO former_files SELECT * FROM files WHERE export=?", (record,))
    connection.execute("DELETE FROM files WHERE export=?", (record,))


def note_joined(connection: sqlite3.Connection, file: str, identifier: bytes, warnings: Iterable[str]) -> None:
    """Stores the irregularities of a joined PDF with this identifier, until it is joined again."""
    value = to_json([identifier.hex(), *warnings])
    connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_joined(file), value))


def joined_warnings(connection: sqlite3.Connection, file: str, identifier: bytes) -> tuple[str, ...] | None:
    """What was kept of a joined PDF; None if it was joined under another identifier, or not by this ledger's runs."""
    found = connection.execute("SELECT value FROM facts WHERE name=?", (_joined(file),)).fetchone()
    known, *warnings = structured(found[0], tuple[str, ...]) if found else ("",)
    return tuple(warnings) if known == identifier.hex() else None


def _joined(file: str) -> str:
    return f"joined {digest(file).hex()}"


@frozen
class Former:
    """A file that the files of an export replace."""

    file: KnownFile
    version: str | None
    """The older version that it belongs to, as text for its file name; None if it is of the same version."""


def former(connection: sqlite3.Connection, record: int) -> list[Former]:
    """The files that an export replaces: those of older versions, and its own from an earlier export."""
    found: list[Former] = []
    for number, request in _older_versions(connection, record):
        source_id = str((json.loads(request).get("subjects") or [""])[0])
        label = version_label(source_id, _version_set(connection, record, source_id))
        found += [Former(each, label) for each in files_of(connection, number)]
    return found + [Former(each, None) for each in files_of(connection, record, "former_files")]


def _older_versions(connection: sqlite3.Connection, record: int) -> list[tuple[int, str]]:
    """The versions that an export replaces, without those whose names went to another sheet with the same number."""
    rows = connection.execute(
        "SELECT id, request FROM exports WHERE name IS NULL AND lineage=(SELECT lineage FROM exports WHERE id=?)",
        (record,),
    ).fetchall()
    return [
        row for row in rows if all(_is_free(connection, each.name, record) for each in files_of(connection, row[0]))
    ]


def _version_set(connection: sqlite3.Connection, record: int, source_id: str) -> str | None:
    """ACC: the version set of a sheet that is replaced, if it is the one that was listed before."""
    row = connection.execute(
        "SELECT facts FROM sheets WHERE lineage=(SELECT lineage FROM exports WHERE id=?)", (record,)
    ).fetchone()
    facts: dict[str, Any] = json.loads(row[0]) if row else {}
    return str(facts["folderPath"]) if facts.get("id") == source_id and facts.get("folderPath") else None


def version_label(source_id: str, version_set: str | None) -> str:
    """The version of an export as text for a file name; in ACC, where versions have no numbers, the version set."""
    number = version_number(source_id)
    return f"version {number}" if number is not None else safe_stem(version_set) if version_set else "earlier"


def done(
    connection: sqlite3.Connection, record: int, seconds: float | None = None, at: float | None = None
) -> list[Former]:
    """Records that the files are there; returns files under other names that they replace, until these are `gone`."""
    connection.execute(
        "UPDATE exports SET state=?, problem=NULL, changed=?, seconds=coalesce(?, seconds) WHERE id=?",
        (State.DONE, time.time() if at is None else at, seconds, record),
    )
    connection.execute("DELETE FROM moves WHERE export=?", (record,))
    left = former(connection, record)
    if not left or _is_partial(connection, record):  # what is missing now may be among them
        return []
    mine = {folded(each.name) for each in files_of(connection, record)}
    connection.execute("DELETE FROM former_files WHERE export=?", (record,))
    connection.executemany("DELETE FROM files WHERE export=?", [(n,) for n, _ in _older_versions(connection, record)])
    left = [
        each for each in left if folded(each.file.name) not in mine and _is_free(connection, each.file.name, record)
    ]
    connection.executemany(
        "INSERT OR IGNORE INTO leaving VALUES (?, ?, ?, ?, ?)",
        [(record, each.file.name, each.file.size, bytes.fromhex(each.file.sha256), each.version) for each in left],
    )
    return left


def _is_partial(connection: sqlite3.Connection, record: int) -> bool:
    [lacks] = connection.execute("SELECT lacks FROM exports WHERE id=?", (record,)).fetchone()
    return lacks is not None


def _is_free(connection: sqlite3.Connection, file: str, record: int) -> bool:
    """Whether no other export has the name of this file."""
    row = connection.execute("SELECT export FROM names WHERE folded=?", (name_key(stem_of(file)),)).fetchone()
    return row is None or row[0] == record


def leaving(connection: sqlite3.Connection) -> dict[int, list[Former]]:
    """Replaced files that a stopped run did not remove, by the exports that replaced them."""
    found = defaultdict[int, list[Former]](list)
    for record, name, size, sha256, version in connection.execute("SELECT * FROM leaving"):
        found[record].append(Former(KnownFile(stored_name(name), int(size), bytes(sha256).hex()), version))
    return found


def gone(connection: sqlite3.Connection, record: int, names: Iterable[str]) -> None:
    """Records that files which an export replaced are gone, so that their names are free."""
    for name in names:
        connection.execute("DELETE FROM leaving WHERE export=? AND name=?", (record, name))
        release_unused(connection, record, stem_of(name))


def set_moves(connection: sqlite3.Connection, record: int, moves: Iterable[tuple[str, str]]) -> None:
    """Records that files are about to get other names."""
    values = [(record, name, target) for name, target in moves]
    connection.executemany("INSERT OR REPLACE INTO moves VALUES (?, ?, ?)", values)


def moves_under_way(connection: sqlite3.Connection, record: int | None = None) -> list[tuple[int, str, str]]:
    """The moves that were begun and not completed, with their exports; of all exports or one."""
    select = "SELECT export, name, target FROM moves WHERE ? IS NULL OR export=?"
    found = connection.execute(select, (record, record)).fetchall()
    return [(int(number), stored_name(name), stored_name(target)) for number, name, target in found]


def taken_back(connection: sqlite3.Connection, record: int, name: str, target: str) -> None:
    """Records that a move was undone: the file has its former name again, and the other name is free."""
    connection.execute("DELETE FROM moves WHERE export=? AND name=?", (record, name))
    release_unused(connection, record, stem_of(target))


def moved(connection: sqlite3.Connection, record: int, name: str, target: str) -> None:
    """Records that a file of an export has another name now."""
    connection.execute("DELETE FROM moves WHERE export=? AND name=?", (record, name))
    for table in ("files", "former_files"):
        update = f"UPDATE {table} SET name=? WHERE export=? AND name=?"  # noqa: S608 - ours
        connection.execute(update, (target, record, name))


def arriving_files(connection: sqlite3.Connection) -> list[tuple[int, list[KnownFile], list[Former]]]:
    """The files that were about to get their names when a run stopped, and those that may still be in their place."""
    select = "SELECT DISTINCT export FROM files JOIN exports ON id=export WHERE state<>? AND exports.name IS NOT NULL"
    records = [int(record) for [record] in connection.execute(select, (State.DONE,))]
    return [(each, files_of(connection, each), former(connection, each)) for each in records]


def arrived(connection: sqlite3.Connection, record: int) -> None:
    """Records files that got their names just before a run stopped. Their time is that of the job, not of now."""
    [changed] = connection.execute("SELECT changed FROM exports WHERE id=?", (record,)).fetchone()
    done(connection, record, at=float(changed))


def not_arrived(connection: sqlite3.Connection, record: int) -> None:
    """Records that files which were about to get their names did not."""
    connection.execute("DELETE FROM files WHERE export=?", (record,))


def release_name(connection: sqlite3.Connection, record: int, name: str) -> None:
    """Frees a name that an export had."""
    connection.execute("DELETE FROM names WHERE folded=? AND export=?", (name_key(name), record))


def release_unused(connection: sqlite3.Connection, record: int, stem: str) -> None:
    """Frees a name, unless the export or one of its files still has it."""
    [own] = connection.execute("SELECT name FROM exports WHERE id=?", (record,)).fetchone() or [None]
    files = [*files_of(connection, record), *files_of(connection, record, "former_files")]
    if folded(stem) not in {folded(each) for each in (own, *(stem_of(file.name) for file in files)) if each}:
        release_name(connection, record, stem)
