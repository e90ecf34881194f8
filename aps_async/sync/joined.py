"""The joined PDF of a sync: which sheets are in it, in which order, and whether it has to be written again."""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import evolve, frozen

from aps_async.downloads.sinks import remove_parts
from aps_async.downloads.target_paths import checked_lengths, checked_path, local_path
from aps_async.errors import APSError, InputError, MergeError, TargetError
from aps_async.ledger import Ledger
from aps_async.sync.merge import MergedPdf, MergeSheet, identifier_of, merge_sheets, pikepdf_installed
from aps_async.text import count
from aps_async.threads import in_thread

__all__ = ["JoinedSet", "SetSheet", "checked_pdf", "in_sheet_order", "join_set"]
__dir__: object = __all__.copy

_FORM = 1
"""Version of the identifier's input; if it changes, every joined PDF is written again."""


@frozen
class SetSheet:
    """One sheet of a joined PDF."""

    file: str
    """The name of its file in the folder or storage of the ledger."""
    number: str
    title: str = ""


@frozen(kw_only=True)
class JoinedSet:
    """The joined PDF after a run."""

    path: Path
    sheets: int
    """The number of sheets in it."""
    missing: tuple[str, ...] = ()
    """Sheets that should be in it and are not: the name of each, and the reason."""
    merged: MergedPdf | None = None
    """What was written; None if the file was there and nothing had changed."""
    warnings: tuple[str, ...] = ()
    """See `MergedPdf.warnings`; of the file as it is, whichever run has written it."""

    @property
    def in_words(self) -> str:
        """One line on the file."""
        words = f"{self.path}: {count(self.sheets, 'sheet')}"
        words += ", up to date" if self.merged is None else f" on {count(self.merged.pages, 'page')}"
        left = len(self.missing)
        return f"{words}; {count(left, 'sheet')} {'is' if left == 1 else 'are'} not in it" if left else words


def checked_pdf(file: str | os.PathLike[str]) -> Path:
    """Returns the absolute path for a PDF that is going to be written.

    Raises:
        InputError: it is not a path on this machine, or does not end in `.pdf`.
        TargetError: a name in the path is too long.
        MissingExtraError: the extra `pdf` is not installed, which is better known before the exports than after.
    """
    pikepdf_installed()
    path = local_path(file).absolute()
    if path.suffix.lower() != ".pdf":
        raise InputError(f"{file} is to become a PDF: give it a name that ends in .pdf")
    return checked_lengths(path)


def in_sheet_order(sheets: Sequence[SetSheet]) -> list[SetSheet]:
    """Sorts by number, as people count: A-2 before A-10."""
    return sorted(sheets, key=lambda each: (_natural_order(each.number), _natural_order(each.title), each.file))


def _natural_order(text: str) -> list[tuple[int, int, str]]:
    found = re.findall(r"[0-9]+|[^0-9]+", text.strip().casefold())
    return [(0, int(each), each) if each.isdigit() else (1, 0, each) for each in found if len(each) < 1000]


async def join_set(
    ledger: Ledger, sheets: Sequence[SetSheet], target: Path, *, missing: Sequence[str] = ()
) -> JoinedSet:
    """Joins sheets in the order of their numbers, unless the file is there and was made from the same sheets.

    Args:
        ledger: the open ledger that has the files. Files in a storage are fetched if the PDF has to be written.
        sheets: in any order.
        target: see `checked_pdf`.
        missing: sheets that should be in the PDF and have no file: the name of each, and the reason.

    Raises:
        MergeError: they cannot be joined; the file at the target is unchanged.
    """
    ordered = in_sheet_order(sheets)
    identifier = _identifier(ordered, await ledger.digests())
    found = JoinedSet(path=target, sheets=len(ordered), missing=tuple(missing))
    known = await ledger.joined_warnings(target, identifier)
    try:
        if not ordered:
            raise InputError("there is no sheet to join")
        if await in_thread(identifier_of, checked_path(target)) == identifier and known is not None:
            return evolve(found, warnings=known)
        await in_thread(remove_parts, target.parent, ledger.tag)  # which a killed run has left, here or elsewhere
        with TemporaryDirectory(prefix="aps-async-") as folder:
            files = [await _on_disk(ledger, each, Path(folder, f"{n}.pdf")) for n, each in enumerate(ordered)]
            merged = await merge_sheets(files, target, identifier=identifier, tag=ledger.tag)
    except (APSError, OSError) as problem:
        earlier = "; what is there is of an earlier run" if await in_thread(target.is_file) else ""
        raise MergeError(f"{target} was not written, all else is done{earlier}: {problem}") from problem
    await ledger.note_joined(target, identifier, merged.warnings)
    return evolve(found, merged=merged, warnings=merged.warnings)


async def _on_disk(ledger: Ledger, sheet: SetSheet, fetched: Path) -> MergeSheet:
    path = ledger.place.path(sheet.file)
    if path is None:
        path = fetched
        if not await ledger.place.fetch(sheet.file, fetched):
            raise TargetError(f"{ledger.place.location(sheet.file)} is no longer there: run it again")
    return MergeSheet(path, sheet.number, sheet.title)


def _identifier(sheets: Sequence[SetSheet], digests: Mapping[str, str]) -> bytes:
    parts = [_FORM, *((each.number, each.title, digests.get(each.file)) for each in sheets)]
    return hashlib.sha256(json.dumps(parts).encode()).digest()[:16]
