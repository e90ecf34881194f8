"""Moves files in the folder or storage of a ledger, so that whatever ends the process leaves none behind.

A move is written down before it is made, and crossed out together with what comes of it. One that was not crossed out
is taken back before the next run, which then decides anew: a file is where the ledger has it, or in `superseded/`,
where nothing is ever overwritten.
"""

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

SUPERSEDED = "superseded"
"""The folder for files that give way to others."""


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

    async def make_way(self, record: int, names: Sequence[str], known: Sequence[Former]) -> tuple[str, ...]:
        """Makes way for new files: what people changed is moved, and so is an older version if those are kept.

        Args:
            record: whose files come.
            names: of the new files.
            known: what we have put there ourselves, see `file_rows.former`.

        Returns:
            A note on each changed file that was moved.

        Raises:
            TargetError: one cannot be moved.
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

    async def put_away(self, record: int, left: Sequence[Former]) -> None:
        """Moves or removes files whose successors have other names; see `Ledger` for what `superseded` means.

        Raises:
            TargetError: one cannot be moved or removed; the next run tries it again.
        """
        by_name = defaultdict[str, list[Former]](list)
        for each in left:
            by_name[each.file.name].append(each)
        for name, known in by_name.items():
            if not await self.place.is_there(name):
                continue
            ours = await self._ours(name, known)
            if ours is not None and (self._superseded != "keep" or ours.version is None):
                await self.place.remove(name)
            elif self._superseded is not None:
                await self.place.move(name, await self._free_name(name, ours.version if ours else None))
        await self._store.call(lambda db: file_rows.gone(db, record))

    async def move_aside(self, record: int, name: str) -> str | None:
        """Moves a file to `superseded/`; gives its new name, None if it was not there.

        Raises:
            TargetError: it cannot be moved.
        """
        return await self._aside(record, name, None, self.place.move) if await self.place.is_there(name) else None

    async def rename(self, record: int, moves: Sequence[tuple[str, str]]) -> None:
        """Makes moves that are written down; none of them if one cannot be made.

        Raises:
            TargetError: something else has a new name, or a file cannot be renamed.
        """
        try:
            for name, target in moves:
                await self.place.move(name, target)
        except TargetError:
            await self.take_back(record)
            raise

    async def take_back(self, record: int | None = None) -> None:
        """Takes back all moves that were begun and not crossed out; those of one export, if it is given.

        Raises:
            TargetError: one cannot be taken back.
        """
        for number, name, target in await self._store.call(lambda db: file_rows.moves_under_way(db, record)):
            note = file_rows.taken_back
            if not await self.place.take_back(name, target) and await self._was_renamed(number, name, target):
                note = file_rows.moved  # it stays, since another file is under its former name now
            await self._store.call(partial(note, record=number, name=name, target=target))

    async def settle(self, *, preview: bool) -> None:
        """Takes back or ends what a run that was stopped had begun; a preview only learns where the files are.

        Raises:
            TargetError: a file cannot be moved.
        """
        if not preview:
            await self.take_back()
        for record, name, target in await self._store.call(file_rows.moves_under_way):
            if not await self.place.is_there(name):
                await self._store.call(partial(file_rows.moved, record=record, name=name, target=target))
        for record, files, former in await self._store.call(file_rows.arriving_files):
            if await self.place.are_whole(files):
                await self._store.call(partial(file_rows.arrived, record=record))
            elif any([await self._is_as_before(each.name, former) for each in files]):
                await self._store.call(partial(file_rows.not_arrived, record=record))
        for record, left in () if preview else (await self._store.call(file_rows.leaving)).items():
            await self.put_away(record, left)

    async def _is_as_before(self, name: str, former: Sequence[Former]) -> bool:
        """Whether nothing has this name, or a file whose place another one was to take; not one that people edited."""
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
        """A name in `superseded/` with the label, numbered if there is one already or another file is to get it."""
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
