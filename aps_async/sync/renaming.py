"""Renames the files of sheets that have other names now, without exporting them again."""

from collections.abc import Iterable

from attrs import evolve

from aps_async.errors import DiskFullError, TargetError
from aps_async.ledger.sheets import SheetBook
from aps_async.sync.compare import Planned

__all__ = ["rename_files"]
__dir__: object = __all__.copy


async def rename_files(book: SheetBook, planned: Iterable[Planned]) -> tuple[list[Planned], dict[bytes, TargetError]]:
    """Renames files to the names that they should have now; those first whose new name is free.

    Returns:
        The sheets whose files were renamed, as the ledger has them now; and the errors of files that keep their names
        because they cannot be renamed, by lineage: one may be open in another program.

    Raises:
        DiskFullError: the disk is full.
    """
    done: list[Planned] = []
    failed: dict[bytes, TargetError] = {}
    waiting = list(planned)
    taken = await book.names() if waiting else set[str]()
    while waiting:
        free = [each for each in waiting if each.file_stem not in taken] or waiting[:1]
        for each in free:
            known = each.known
            assert known is not None  # noqa: S101 - for the type checker
            try:
                renamed = await book.rename(known, each.file_stem)
            except DiskFullError:
                raise
            except TargetError as problem:
                failed[each.lineage] = problem
            else:
                taken = (taken - {known.name}) | {renamed.name}
                done.append(evolve(each, known=renamed))
        tried = {id(each) for each in free}
        waiting = [each for each in waiting if id(each) not in tried]
    return done, failed
