"""Renames the files of sheets that have other names now, without exporting them again."""

from collections.abc import Iterable

from attrs import evolve

from aps_async.errors import DiskFullError, TargetError
from aps_async.ledger.sheets import SheetBook
from aps_async.sync.compare import Planned
from aps_async.text import folded

__all__ = ["rename_files"]
__dir__: object = __all__.copy


async def rename_files(book: SheetBook, planned: Iterable[Planned]) -> tuple[list[Planned], dict[bytes, TargetError]]:
    """Renames files to the names that they should have now; those first whose new name is free.

    Of names that go round in a circle, such as two that swap, one file makes way under a number until its name is free.

    Returns:
        The sheets whose files were renamed, as the ledger has them now; and the errors of files that keep their names
        because they cannot be renamed, by lineage: one may be open in another program.

    Raises:
        DiskFullError: the disk is full.
    """
    done: dict[tuple[str, ...], Planned] = {}
    failed: dict[bytes, TargetError] = {}
    waiting = list(planned)
    taken = {folded(each) for each in await book.names()} if waiting else set[str]()
    made_way: list[Planned] = []

    async def rename(each: Planned) -> Planned:
        known = each.known
        assert known is not None  # noqa: S101 - for the type checker
        try:
            renamed = await book.rename(known, each.file_stem)
        except DiskFullError:
            raise
        except TargetError as problem:
            failed[each.lineage] = problem
            return each
        taken.discard(folded(known.name))
        taken.add(folded(renamed.name))
        done[each.request.source_ids] = now = evolve(each, known=renamed)
        return now

    while waiting:
        free = [each for each in waiting if _is_free(each, taken)]
        for each in free or waiting[:1]:
            now = await rename(each)
            if not free and now is not each:
                made_way.append(now)
        tried = {id(each) for each in free or waiting[:1]}
        waiting = [each for each in waiting if id(each) not in tried]
    for each in made_way:
        if folded(each.file_stem) not in taken:
            await rename(each)
    return list(done.values()), failed


def _is_free(planned: Planned, taken: set[str]) -> bool:
    """Whether no other sheet has the new name; one that differs in case only is a file's own."""
    name = folded(planned.file_stem)
    return name not in taken or (planned.known is not None and name == folded(planned.known.name))
