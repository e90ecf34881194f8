"""Moves files in the folder or storage of a ledger, such that a kill at any moment leaves none in the wrong place.

A move is recorded before it is made, and the record is deleted in the same transaction that stores its result. Moves
that are still recorded are taken back before the next run, which then decides again. So a file is always where the
ledger has it, or in `superseded/`, where nothing is ever overwritten.
"""

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Literal

from aps_async.downloads.filenames import split_suffix
from aps_async.errors import TargetError
from aps_async.ledger import file_rows
from aps_async.ledger.file_rows import Former
from aps_async.ledger.places import Place
from aps_async.ledger.store import Store
from aps_async.text import folded

__all__ = ["SUPERSEDED", "Moves", "is_superseded"]
__dir__: object = __all__.copy

_log = logging.getLogger(__name__)

SUPERSEDED = "superseded"
"""The folder for files that were replaced by others."""


def is_superseded(name: str) -> bool:
    """Whether a name, relative to the folder of the ledger, is in `superseded/`."""
    return folded(name).startswith(f"{SUPERSEDED}/")


class Moves:
    """The moves of one open ledger."""

    def __init__(self, store: Store, place: Place, superseded: Literal["keep", "drop"] | None) -> None:
        self.place = place
        self._store = store
        self._superseded = superseded
        self._given: set[str] = set()
        self._stuck: set[tuple[int, str]] = set()

    async def make_way(self, record: int, names: Sequence[str], known: Sequence[Former]) -> tuple[str, ...]:
        """Moves what is in the place of new files: files that people changed, and older versions if these are kept.

        Args:
            record: the id of the export whose files are about to arrive.
            names: the names of the new files.
            known: the files that this library has put there itself, see `file_rows.former`.

        Returns:
            A warning for each changed file that was moved.

        Raises:
            TargetError: a file cannot be moved.
        """
        notes: list[str] = []
        for name in names if self._superseded is not None else ():
            if not await self.place.is_there(name):
                continue
            ours = await self._ours(name, known)
            if ours is None:
                moved = await self._aside(record, name, None, self.place.make_way)
                notes.append(f"the file that was there had been changed; it is now {moved}")
            elif self._superseded == "keep" and ours.version is not None:
                await self._aside(record, name, ours.version, self.place.make_way)
        return tuple(notes)

    async def put_away(self, record: int, left: Sequence[Former]) -> tuple[str, ...]:
        """Moves or removes files that were replaced under other names; see the argument `superseded` of `Ledger`.

        Returns:
            A warning for each that cannot be moved or removed: it may be open elsewhere, and not every account may
            delete. It stays recorded as leaving, and the next run tries again.
        """
        by_name = defaultdict[str, list[Former]](list)
        for each in left:
            by_name[each.file.name].append(each)
        now = {folded(each.name) for each in await self._store.call(lambda db: file_rows.files_of(db, record))}
        notes: list[str] = []
        stuck: list[str] = []
        for name, known in by_name.items():
            if folded(name) in now:  # it could not be put away before, and has been replaced since
                continue
            try:
                await self._put_away(name, known)
            except TargetError as problem:
                stuck.append(name)
                notes.append(f"a file that was replaced could not be put away; the next run tries again: {problem}")
        await self._store.call(lambda db: file_rows.gone(db, record, by_name.keys() - stuck))
        return tuple(notes)

    async def _put_away(self, name: str, known: Sequence[Former]) -> None:
        if not await self.place.is_there(name):
            return
        ours = await self._ours(name, known)
        if ours is not None and (self._superseded != "keep" or ours.version is None):
            await self.place.remove(name)
        elif self._superseded is not None:
            await self.place.move(name, await self._free_name(name, ours.version if ours else None))

    async def move_aside(self, record: int, name: str) -> str | None:
        """Moves a file to `superseded/`; returns its new name, or None if it was not there.

        Raises:
            TargetError: it cannot be moved.
        """
        return await self._aside(record, name, None, self.place.move) if await self.place.is_there(name) else None

    async def rename(self, record: int, moves: Sequence[tuple[str, str]]) -> None:
        """Makes moves that are recorded: all of them, or none if one fails.

        Raises:
            TargetError: a new name is taken, or a file cannot be renamed.
        """
        try:
            for name, target in moves:
                await self.place.move(name, target)
        except TargetError:
            await self.take_back(record)
            raise

    async def take_back(self, record: int | None = None) -> None:
        """Takes back all moves that are recorded and not completed; or those of one export.

        A file that cannot be moved back, since it is open elsewhere or a folder is not writable, stays under its new
        name. If that is a name of its export, the move counts as completed. Otherwise it stays recorded, with a
        warning, and the next run tries again.
        """
        for number, name, target in await self._store.call(lambda db: file_rows.moves_under_way(db, record)):
            note, problem = file_rows.taken_back, None
            try:
                is_back = await self.place.take_back(name, target)
            except TargetError as failed:
                is_back, problem = False, failed
            if not is_back and await self._was_renamed(number, name, target):
                note = file_rows.moved  # not taken back, since another file has its former name now
            elif problem is not None:
                if (number, name) not in self._stuck:
                    place = self.place.location(target)
                    _log.warning("%s cannot be moved back to %s; the next run tries again: %s", place, name, problem)
                    self._stuck.add((number, name))
                continue
            await self._store.call(partial(note, record=number, name=name, target=target))

    async def settle(self, *, preview: bool) -> None:
        """Takes back or completes what a stopped run had begun; a preview only finds out where the files are.

        Raises:
            TargetError: the files cannot be looked at.
        """
        if not preview:
            await self.take_back()
        for record, name, target in await self._store.call(file_rows.moves_under_way) if preview else ():
            if not await self.place.is_there(name):
                await self._store.call(partial(file_rows.moved, record=record, name=name, target=target))
        for record, files, former in await self._store.call(file_rows.arriving_files):
            if await self.place.are_whole(files):
                await self._store.call(partial(file_rows.arrived, record=record))
            elif any([await self._is_as_before(each.name, former) for each in files]):
                await self._store.call(partial(file_rows.not_arrived, record=record))
        for record, left in () if preview else (await self._store.call(file_rows.leaving)).items():
            for note in await self.put_away(record, left):
                _log.warning("%s", note)

    async def _is_as_before(self, name: str, former: Sequence[Former]) -> bool:
        """Whether the name is free, or its file is the one that was to be replaced, and it was not edited."""
        return not await self.place.is_there(name) or await self._ours(name, former) is not None

    async def _was_renamed(self, record: int, name: str, target: str) -> bool:
        if is_superseded(target):
            return False
        for each in await self._store.call(lambda db: file_rows.files_of(db, record)):
            if each.name == name:
                return await self.place.is_whole(each, target) and not await self.place.is_whole(each, name)
        return False

    async def _ours(self, name: str, known: Sequence[Former]) -> Former | None:
        for each in known:
            if await self.place.is_whole(each.file, name):
                return each
        return None

    async def _aside(
        self, record: int, name: str, label: str | None, move: Callable[[str, str], Awaitable[None]]
    ) -> str:
        target = await self._free_name(name, label)
        await self._store.call(lambda db: file_rows.set_moves(db, record, [(name, target)]))
        await move(name, target)
        return target

    async def _free_name(self, name: str, label: str | None) -> str:
        """Returns a free name in `superseded/` with the label; numbered if it is taken or promised to another file."""
        *folders, last = name.split("/")
        stem, suffix = split_suffix(last)
        stem = f"{stem} ({label})" if label else stem
        number = 0
        while True:
            number += 1
            new = self.place.fitted(stem if number == 1 else f"{stem} ({number})") + suffix
            target = "/".join((SUPERSEDED, *folders, new))
            if folded(target) in self._given:
                continue
            self._given.add(folded(target))
            if not await self.place.is_there(target) or await self.place.is_copy(name, target):
                return target
