"""Renames the files of sheets that have other names now, without exporting them again."""

from collections.abc import Iterable

from aps_async.errors import DiskFullError, TargetError
from aps_async.ledger.sheets import SheetBook
from aps_async.sync.compare import Planned

__all__ = ["rename_files"]
__dir__: object = __all__.copy


async def rename_files(book: SheetBook, renamed: Iterable[Planned]) -> dict[bytes, TargetError]:
    """Renames files to the names that they should have now; those first whose new name is free.

    Returns:
        The errors of files that keep their names because they cannot be renamed, by lineage: one may be open in another
        program.

    Raises:
        DiskFullError: the disk is full.
    """
    failed: dict[bytes, TargetError] = {}
    waiting = list(renamed)
    taken = await book.names() if waiting else set[str]()
    while waiting:
        free = [each for each in waiting if each.file_stem not in taken] or waiting[:1]
        for each in free:
            known = each.known
            assert known is not None  # noqa: S101 - for the type checker
            try:
                name = await book.rename(known, each.file_stem)
            except DiskFullError:
                raise
            except TargetError as problem:
                failed[each.lineage] = problem
            else:
                taken = (taken - {known.name}) | {name}
        done = {id(each) for each in free}
        waiting = [each for each in waiting if id(each) not in done]
    return failed
