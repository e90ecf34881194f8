"""The sheets in a ledger, for `sync`, which compares them with the project.

Besides the exports, the ledger has notes on sheets: how they were listed, by whom, and in which state they were.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from attrs import evolve, frozen

from aps_async.downloads.filenames import stem_of
from aps_async.errors import TargetError
from aps_async.ledger import file_rows, rows
from aps_async.ledger.file_rows import structured
from aps_async.ledger.journal import KnownFile
from aps_async.ledger.moves import Moves
from aps_async.ledger.schema import State
from aps_async.ledger.store import Store
from aps_async.models import ExportKind, ExportRequest, Sheet
from aps_async.threads import ended
from aps_async.transport.converter import to_dict, to_json

__all__ = ["FoundSheet", "KnownSheet", "SheetBook", "SheetNote", "is_sheet"]
__dir__: object = __all__.copy

_AT_ONCE = 400
"""Rows that are read together."""


@frozen(kw_only=True)
class KnownSheet:
    """A sheet whose export is in the folder, or was begun."""

    record: int
    lineage: bytes
    """Identifies the sheet through all its versions; see `keys.lineage_of`."""
    name: str
    """The name of its file, relative to the folder, without suffix."""
    request: ExportRequest
    files: tuple[KnownFile, ...]
    """Its files; while it is being exported again, those of the previous export."""
    is_done: bool
    exported_at: datetime
    """When its state last changed; if it is done, when its file got its name."""
    previous: str | None = None
    """The id of the older version whose files are still in place, if the export of this one was not finished."""
    previous_files: tuple[KnownFile, ...] = ()
    facts: Sheet | None = None
    """The sheet as it was last listed; None if it was exported without a list."""
    viewer: str = ""
    """The app and user that it was last listed for."""
    state: str = ""
    """The state that the last run noted; empty if it noted a reason with it."""
    named_at: float | None = None
    """When the service was last asked for its number and title, in seconds since the epoch."""

    @property
    def source_id(self) -> str:
        """The id that it was exported from."""
        return self.request.source_ids[0]

    @property
    def in_place(self) -> tuple[KnownFile, ...]:
        """The sheet's files in the folder, which may be those of the older version."""
        return self.files or self.previous_files

    @property
    def in_place_source(self) -> str | None:
        """The id that those files were exported from."""
        return self.source_id if self.files else self.previous

    @property
    def title(self) -> str:
        """Its name in reports."""
        return self.facts.name if self.facts else self.request.name or self.source_id


@frozen(kw_only=True)
class SheetNote:
    """What a run found out about a sheet, to be stored."""

    lineage: bytes
    sheet: Sheet
    viewer: str
    state: str
    reason: str | None = None
    moved: str | None = None
    named_at: float | None = None


@frozen(kw_only=True)
class FoundSheet:
    """A sheet of a lost ledger, as the register has it."""

    name: str
    """The name of its file, without suffix."""
    request: ExportRequest
    file: KnownFile
    exported_at: datetime
    note: SheetNote


class SheetBook:
    """The sheets of one open ledger."""

    def __init__(self, store: Store, moves: Moves) -> None:
        self._store = store
        self._moves = moves

    async def known(self, project_id: str, *, but: Collection[str] = ()) -> list[KnownSheet]:
        """The sheets of a project, in the order in which they were first asked for.

        Args:
            project_id: without the `b.` prefix.
            but: ids whose sheets are left out.

        Raises:
            LedgerError: the ledger contains invalid values.
        """

        def known(connection: sqlite3.Connection) -> list[KnownSheet]:
            return [each for each in _known(connection, project_id) if each.source_id not in but]

        return await self._store.call(known, durable=False)

    async def of_lineages(self, project_id: str, lineages: Collection[bytes]) -> dict[bytes, list[KnownSheet]]:
        """The sheets with these lineages, by lineage; the list is empty if the ledger has none."""
        found: dict[bytes, list[KnownSheet]] = {each: [] for each in lineages}
        if not found:
            return found

        def of_lineages(connection: sqlite3.Connection) -> None:
            rest = iter(found)
            while some := list(islice(rest, _AT_ONCE)):
                where = f"exports.lineage IN ({file_rows.placeholders(some)})"
                for each in _known(connection, project_id, where, some):
                    found[each.lineage].append(each)

        await self._store.call(of_lineages, durable=False)
        return found

    async def not_asked_for(self) -> list[KnownSheet]:
        """The sheets of all projects that the last run did not request."""
        where = "run<>(SELECT max(id) FROM runs)"
        return await self._store.call(lambda db: list(_known(db, None, where)), durable=False)

    async def is_any_known(self, project_id: str) -> bool:
        """Whether the ledger has any sheet of a project."""
        return await self._store.call(lambda db: next(_known(db, project_id), None) is not None, durable=False)

    async def names(self) -> set[str]:
        """The current names of all exports, without suffix."""
        select = "SELECT name FROM exports WHERE name IS NOT NULL"
        return await self._store.call(lambda db: {str(name) for [name] in db.execute(select)}, durable=False)

    async def is_empty(self) -> bool:
        """Whether the ledger has no exports at all."""
        return await self._store.call(lambda db: db.execute("SELECT 1 FROM exports LIMIT 1").fetchone() is None)

    async def adopt(self, project_id: str, found: Sequence[FoundSheet]) -> None:
        """Enters sheets whose files are there already; all of them or none."""

        def adopt(connection: sqlite3.Connection) -> None:
            for each in found:
                rows.adopt(connection, each.request, each.name, each.file, each.exported_at.timestamp())

        await self._store.call(adopt)
        await self.note(project_id, [each.note for each in found])

    async def note(self, project_id: str, notes: Sequence[SheetNote]) -> None:
        """Stores notes on sheets."""
        if not notes:
            return
        values = [
            (
                each.lineage, project_id, to_json(to_dict(each.sheet)), each.viewer, each.state, each.reason,
                each.moved, each.named_at,
            )
            for each in notes
        ]  # fmt: skip
        statement = "INSERT OR REPLACE INTO sheets VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        await self._store.call(lambda db: db.executemany(statement, values) and None)

    async def forget(self, sheets: Iterable[KnownSheet]) -> None:
        """Marks sheets to be exported again, under the same names."""
        records = [each.record for each in sheets]
        if not records:
            return

        def forget(connection: sqlite3.Connection) -> None:
            for record in records:
                rows.forget(connection, record)

        await self._store.call(forget)

    async def rename(self, sheet: KnownSheet, title: str) -> KnownSheet:
        """Renames a sheet's files, with a number if another sheet has the name; returns the sheet as it is now.

        Raises:
            TargetError: a file cannot be renamed.
        """
        return await ended(self._rename(sheet, title))  # even if cancelled, since the ledger has to match the file

    async def _rename(self, sheet: KnownSheet, title: str) -> KnownSheet:
        def begin(connection: sqlite3.Connection) -> tuple[str, list[tuple[str, str]]]:
            name = rows.take_name(connection, sheet.record, title, {})
            named_so = [each.name for each in sheet.files if stem_of(each.name) == sheet.name]
            moves = [(each, each.replace(sheet.name, name, 1)) for each in named_so]
            file_rows.set_moves(connection, sheet.record, moves)
            return name, moves

        name, moves = await self._store.call(begin)
        await self._moves.rename(sheet.record, moves)
        await self._store.call(lambda db: _renamed(db, sheet, name, moves))
        now = dict(moves)
        files = tuple(evolve(each, name=now.get(each.name, each.name)) for each in sheet.files)
        return evolve(sheet, name=name, files=files)

    async def withdraw(self, sheet: KnownSheet) -> KnownSheet:
        """Moves a sheet's files to `superseded/`; returns the sheet with the files as they are there.

        The move is only final with `withdrawn`: if the run stops before it has reported the sheet, the next run moves
        the files back.

        Raises:
            TargetError: a file cannot be moved; then all stay where they are.
        """
        return await ended(self._withdraw(sheet))

    async def _withdraw(self, sheet: KnownSheet) -> KnownSheet:
        moved: dict[KnownFile, KnownFile] = {}
        for file in sheet.in_place:
            try:
                name = await self._moves.move_aside(sheet.record, file.name)
            except TargetError:
                await self._moves.take_back(sheet.record)
                raise
            if name is not None and (found := await self._moves.place.look(name)):
                moved[file] = found
        return evolve(
            sheet,
            files=tuple(moved[each] for each in sheet.files if each in moved),
            previous_files=tuple(moved[each] for each in sheet.previous_files if each in moved),
        )

    async def withdrawn(self, sheets: Iterable[KnownSheet]) -> None:
        """Records that withdrawn sheets are no longer in the folder."""
        moved = list(sheets)

        def withdrawn(connection: sqlite3.Connection) -> None:
            for each in moved:
                _withdrawn(connection, each)

        if moved:
            await self._store.call(withdrawn)


_SELECT = """
    SELECT id, exports.lineage, name, request, exports.state, changed, facts, viewer,
        iif(typeof(named)='real', named, NULL), iif(reason IS NULL AND moved IS NULL, sheets.state, '')
    FROM exports LEFT JOIN sheets ON sheets.lineage=exports.lineage WHERE name IS NOT NULL"""


def _known(
    connection: sqlite3.Connection, project_id: str | None, where: str = "1", values: Sequence[object] = ()
) -> Iterator[KnownSheet]:
    """The sheets of a project, or of all."""
    found = connection.execute(f"{_SELECT} AND {where} ORDER BY id", values)
    while rows := found.fetchmany(_AT_ONCE):
        yield from _of_rows(connection, project_id, rows)


def _of_rows(
    connection: sqlite3.Connection, project_id: str | None, rows: Sequence[Sequence[Any]]
) -> Iterator[KnownSheet]:
    replaced = _replaced(connection, [row[1] for row in rows])
    files = file_rows.files_of_all(
        connection, [*(row[0] for row in rows), *(record for record, _ in replaced.values())]
    )
    without = [row[0] for row in rows if row[0] not in files]
    former = file_rows.files_of_all(connection, without, "former_files") if without else {}
    for record, lineage, name, stored, state, changed, facts, viewer, named, found_as in rows:
        request = structured(stored, ExportRequest)
        older = replaced.get(lineage)
        if project_id not in (None, request.project_id) or not is_sheet(request):
            continue
        yield KnownSheet(
            record=record,
            lineage=lineage,
            name=file_rows.stored_name(name),
            request=request,
            files=files.get(record) or former.get(record, ()),
            is_done=state == State.DONE,
            exported_at=datetime.fromtimestamp(changed, UTC),
            previous=structured(older[1], ExportRequest).source_ids[0] if older else None,
            previous_files=files.get(older[0], ()) if older else (),
            facts=structured(facts, Sheet) if facts else None,
            viewer=viewer or "",
            state=found_as or "",
            named_at=named,
        )


def is_sheet(request: ExportRequest) -> bool:
    """Whether a request is for one sheet."""
    return request.kind in (ExportKind.BIM360, ExportKind.SHEETS) and len(request.source_ids) == 1


def _replaced(connection: sqlite3.Connection, lineages: Sequence[bytes]) -> dict[bytes, tuple[int, str]]:
    """The latest versions whose files are still there although newer ones have their names; by lineage."""
    select = (
        "SELECT lineage, id, request FROM exports"  # noqa: S608
        f" WHERE lineage IN ({file_rows.placeholders(lineages)}) AND name IS NULL"
        " AND EXISTS (SELECT 1 FROM files WHERE export=id) ORDER BY id"
    )
    return {lineage: (record, stored) for lineage, record, stored in connection.execute(select, lineages)}


def _renamed(connection: sqlite3.Connection, sheet: KnownSheet, name: str, moves: Sequence[tuple[str, str]]) -> None:
    connection.execute("UPDATE exports SET name=? WHERE id=?", (name, sheet.record))
    for file, new in moves:
        file_rows.moved(connection, sheet.record, file, new)
    file_rows.release_unused(connection, sheet.record, sheet.name)  # the new one may differ in case or accents only


def _withdrawn(connection: sqlite3.Connection, sheet: KnownSheet) -> None:
    connection.execute("UPDATE exports SET name=NULL WHERE id=?", (sheet.record,))
    connection.execute(
        "DELETE FROM files WHERE export IN (SELECT id FROM exports WHERE lineage=? AND (name IS NULL OR id=?))",
        (sheet.lineage, sheet.record),
    )
    for table in ("former_files", "moves"):
        connection.execute(f"DELETE FROM {table} WHERE export=?", (sheet.record,))  # noqa: S608 - ours
    file_rows.release_name(connection, sheet.record, sheet.name)
