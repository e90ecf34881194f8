"""The PDF of a job for many sheets, split into one for each; needs the extra `pdf`."""

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any
from warnings import catch_warnings, simplefilter

from aps_async.extras import needed
from aps_async.filesystem import new_file
from aps_async.pdf import title_blocks
from aps_async.pdf.annotations import reconnect, refer_to_others
from aps_async.pdf.destinations import DestinationTable, named_places
from aps_async.pdf.layers import Layers, LayerTable
from aps_async.pdf.page_names import find_pages

__all__ = ["check_installed", "split_pages", "split_sheets"]
__dir__: object = __all__.copy


def check_installed() -> None:
    """Checks that PDFs can be split.

    Raises:
        InputError: the extra `pdf` is not installed.
    """
    needed("pikepdf", "pdf", "splitting PDFs")
    title_blocks.check_installed()


def split_sheets(path: Path, numbers: Sequence[str], targets: Sequence[Path], stop: Event) -> str | None:
    """Splits the PDF of a job into its sheets, if every page can be identified.

    Links, form fields and markups of a page come out as they were, and a layer that is off stays off. Each file is
    opened again, and has one page.

    Args:
        path: the job's PDF.
        numbers: of the sheets that the job was asked for.
        targets: new files, one for each sheet, in the same order.
        stop: for use in a thread: once it is set, no other file is made.

    Returns:
        None if all are there; otherwise why there is none.

    Raises:
        InputError: pikepdf or pypdfium2 is not installed.
        OSError: a file cannot be written.
    """
    pikepdf = needed("pikepdf", "pdf", "splitting PDFs")
    try:
        with pikepdf.open(path) as pdf:
            if pdf.is_encrypted:
                return "it is protected by a password"
            if damage := pdf.get_warnings():
                return f"it is damaged: {damage[0]}"
            found = find_pages(pdf, path, numbers)
            if found.reason:
                return found.reason
            split_pages(pdf, found.page_of, targets, stop)
    except pikepdf.PasswordError:
        return "it is protected by a password"
    except (pikepdf.PdfError, ValueError, TypeError, AttributeError, LookupError) as problem:
        return f"it is damaged: {problem}"
    return None


def split_pages(pdf: Any, pages: Sequence[int], targets: Sequence[Path], stop: Event) -> None:
    """Writes pages of an open PDF to new files, of one page each.

    Raises:
        OSError: a file cannot be written.
        pikepdf.PdfError: a page cannot be copied.
    """
    named, layers = list(named_places(pdf)), Layers(pdf)
    for index, target in zip(pages, targets, strict=True):
        if stop.is_set():
            return
        _write_page(pdf, pdf.pages[index], layers, named, target)


def _write_page(pdf: Any, page: Any, layers: Layers, named: Sequence[tuple[str, Any]], target: Path) -> None:
    import pikepdf

    with pikepdf.new() as single:
        with catch_warnings():
            simplefilter("ignore", pikepdf.PageCopyWarning)  # of form fields, which are seen to here
            single.pages.append(page)
        copies = [single.pages[0]]
        if pdf.acroform.exists:
            single.acroform.fix_copied_annotations(copies[0], page, pdf.acroform)
        if refer_to_others(copies):
            reconnect([page], copies)
        table, places = LayerTable(), DestinationTable()
        if layers.is_on:
            for lost in table.add(layers, [page], copies):
                raise pikepdf.PdfError(f"of a page, {lost}")
        places.add(named, [page], copies)
        table.write(single)
        places.write(single)
        single.remove_unreferenced_resources()
        raw = pikepdf.StreamDecodeLevel.none
        with os.fdopen(new_file(target), "w+b") as file:
            single.save(file, min_version=pdf.pdf_version, compress_streams=False, stream_decode_level=raw)
    with pikepdf.open(target, attempt_recovery=False) as written:
        if len(written.pages) != 1:
            raise pikepdf.PdfError(f"a split file has {len(written.pages)} pages")
