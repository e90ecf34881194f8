"""Many sheets as one PDF; needs the extra `pdf`."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from warnings import catch_warnings, simplefilter

from attrs import asdict, field, frozen

from aps_async.children import can_start_python, python_command
from aps_async.downloads.sinks import part_name
from aps_async.downloads.target_paths import checked_path, local_path, target_error
from aps_async.errors import InputError, TargetError
from aps_async.extras import needed
from aps_async.filesystem import replacing
from aps_async.pdf.annotations import reconnect, refer_to_others, rename_links
from aps_async.pdf.destinations import DestinationTable, named_places
from aps_async.pdf.layers import Layers, LayerTable
from aps_async.text import count, well_formed
from aps_async.threads import in_thread

__all__ = [
    "MergeSheet",
    "MergedPdf",
    "discipline_of",
    "identifier_of",
    "merge_pdfs",
    "merge_sheets",
    "pikepdf_installed",
    "run_child",
]
__dir__: object = __all__.copy

_CHILD = "from aps_async.sync import merge; merge.run_child()"


@frozen
class MergeSheet:
    """One sheet of the joined PDF."""

    path: Path = field(converter=Path)
    """Its PDF, of one page or more."""
    number: str
    """The page label, and with the title the bookmark. The letters at its beginning are the discipline."""
    title: str = ""


@frozen(kw_only=True)
class MergedPdf:
    """What `merge_pdfs` wrote."""

    path: Path
    pages: int
    size: int
    """Bytes."""
    warnings: tuple[str, ...] = ()
    """What is missing from a sheet in the joined PDF, or unusual about it; each begins with the sheet's name."""


def merge_pdfs(
    sheets: Sequence[MergeSheet], target: str | os.PathLike[str], *, identifier: bytes | None = None
) -> MergedPdf:
    """Joins the PDFs of sheets in the given order, with a page label and a bookmark for each.

    Bookmarks are grouped by discipline, in the order of the sheets. Links (by name too), form fields, markups and
    layers are kept: a layer that is off stays off. A sheet's own bookmarks and attachments are dropped. The target is
    replaced in one step, or left unchanged. 1,000 sheets take about a second, and 90 MiB of memory whatever their size.
    In a coroutine, use `merge_sheets`.

    Args:
        target: the file to write or replace; may be one of the sheets.
        identifier: becomes the permanent identifier in the file (`/ID`); None: a random one.

    Raises:
        InputError: there is no sheet; a sheet is not a PDF, is damaged or needs a password; pikepdf is not installed.
        TargetError: the target cannot be written.
    """
    path = checked_path(local_path(target))
    with _written(path) as file:
        pages, warnings = _merge(sheets, file, identifier)
        size = file.tell()
    return MergedPdf(path=path, pages=pages, size=size, warnings=warnings)


def pikepdf_installed() -> Any:
    """The package that joins PDFs.

    Raises:
        MissingExtraError: the extra `pdf` is not installed.
    """
    return needed("pikepdf", "pdf", "joining PDFs")


async def merge_sheets(
    sheets: Sequence[MergeSheet], target: str | os.PathLike[str], *, identifier: bytes | None = None, tag: str = ""
) -> MergedPdf:
    """Does the same as `merge_pdfs` without blocking the event loop. If it is cancelled, the target is unchanged.

    Args:
        sheets: as `merge_pdfs`.
        target: as `merge_pdfs`.
        identifier: as `merge_pdfs`.
        tag: that of a ledger, by which the next run with it finds and removes the unfinished file of a killed one.

    Raises:
        InputError: as `merge_pdfs`.
        TargetError: as `merge_pdfs`.
    """
    path = checked_path(local_path(target))
    with _written(path, tag) as file:
        if can_start_python():
            pages, warnings = await _merge_in_child(sheets, file, identifier)
        else:
            pages, warnings = await in_thread(_merge, sheets, file, identifier)
            file.flush()
        size = os.fstat(file.fileno()).st_size
    return MergedPdf(path=path, pages=pages, size=size, warnings=warnings)


async def _merge_in_child(
    sheets: Sequence[MergeSheet], file: BinaryIO, identifier: bytes | None
) -> tuple[int, tuple[str, ...]]:
    """Does the same as `_merge` in a process of its own.

    In a thread, pikepdf would hold the interpreter's lock for half a second at a time. A process also returns its
    memory, and ends at once if the merge is cancelled.
    """
    plain = [{**asdict(each), "path": str(each.path.absolute())} for each in sheets]
    request = json.dumps({"sheets": plain, "identifier": identifier.hex() if identifier else None}).encode()
    process = _start_child(file)
    try:
        _, answer = await asyncio.to_thread(process.communicate, request)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return _child_result(answer, process.returncode)


def identifier_of(path: Path) -> bytes | None:
    """The permanent identifier of a PDF; None if there is no such file, or it is damaged.

    Raises:
        InputError: pikepdf is not installed.
    """
    pikepdf = pikepdf_installed()
    try:
        with pikepdf.open(path, attempt_recovery=False) as pdf:
            return bytes(pdf.trailer["/ID"][0])
    except (OSError, LookupError, ValueError, TypeError, pikepdf.PdfError):
        return None


@contextmanager
def _written(path: Path, tag: str = "") -> Generator[BinaryIO, None, None]:
    """A temporary file that replaces the target at the end of the block."""
    try:
        with replacing(path, part=Path(part_name(path, tag))) as file:
            yield file
    except OSError as problem:
        raise target_error(path, problem) from problem


def _start_child(file: BinaryIO) -> "subprocess.Popen[bytes]":
    command = python_command(_CHILD)
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.PIPE)  # noqa: S603 - our own


def run_child() -> None:
    """The child process of `merge_sheets`: reads sheets as JSON, writes the PDF to stdout, and the result to stderr."""
    request = json.load(sys.stdin.buffer)
    sheets = [MergeSheet(**each) for each in request["sheets"]]
    identifier = bytes.fromhex(request["identifier"]) if request["identifier"] else None
    result: dict[str, Any]
    try:
        pages, warnings = _merge(sheets, sys.stdout.buffer, identifier)
        sys.stdout.buffer.flush()
        os.fsync(sys.stdout.fileno())  # in this process, so that it does not block the event loop
        result = {"pages": pages, "warnings": warnings}
    except InputError as problem:
        result = {"refused": str(problem)}
    except OSError as problem:
        result = {"errno": problem.errno, "problem": str(problem)}
    sys.stderr.write("\n" + json.dumps(result))


def _child_result(answer: bytes, code: int) -> tuple[int, tuple[str, ...]]:
    last = answer.decode(errors="replace").rpartition("\n")[2]
    try:
        result = json.loads(last)
    except ValueError:
        raise TargetError(f"the PDFs were not joined: the process for it ended with {code}: {last[:300]}") from None
    if "refused" in result:
        raise InputError(result["refused"])
    if "errno" in result:
        raise OSError(result["errno"], result["problem"])
    return result["pages"], tuple(result["warnings"])


@frozen
class _Checked:
    """A sheet that could be opened, and what is needed to copy it."""

    sheet: MergeSheet
    pages: int
    version: tuple[int, ...]
    has_tables: bool
    warnings: tuple[str, ...]


def _merge(sheets: Sequence[MergeSheet], file: BinaryIO, identifier: bytes | None) -> tuple[int, tuple[str, ...]]:
    """Writes the joined PDF; returns its pages and the warnings."""
    if not sheets:
        raise InputError("there is no sheet to join")
    pikepdf = pikepdf_installed()
    checked = [_check(pikepdf, each) for each in sheets]
    # `Job` leaves every stream in its file until it is written: `pages.extend` would hold them all in memory.
    options = {"empty": "", "keepFilesOpen": "n", "compressStreams": "n", "decodeLevel": "none", "outputFile": "-"}
    inputs = [{"file": str(each.path.absolute()), "range": "1-z"} for each in sheets]
    try:
        with pikepdf.Job({**options, "pages": inputs}).create_pdf() as pdf:
            warnings = _complete(pikepdf, pdf, checked)
            version = ".".join(map(str, max((1, 7), *(each.version for each in checked))))
            raw = pikepdf.StreamDecodeLevel.none
            if identifier is not None:
                pdf.trailer["/ID"] = pikepdf.Array([pikepdf.String(identifier)] * 2)
            with catch_warnings():
                simplefilter("ignore", pikepdf.PageCopyWarning)  # about buttons outside of a form
                pdf.save(file, min_version=version, compress_streams=False, stream_decode_level=raw)
            return len(pdf.pages), warnings
    except pikepdf.PdfError as problem:
        raise InputError(f"the sheets cannot be joined, one of them is damaged: {problem}") from problem


def _check(pikepdf: Any, sheet: MergeSheet) -> _Checked:
    again = "export it again, or leave it out"
    try:
        str(sheet.path).encode()
        with pikepdf.open(sheet.path) as pdf:
            root = pdf.Root
            pages = len(pdf.pages)
            found = list(_remarks(pdf))
            has_tables = any(key in root for key in ("/OCProperties", "/Names", "/Dests"))
            version = tuple(int(each) for each in pdf.pdf_version.split("."))
    except pikepdf.PasswordError:
        raise InputError(f"{_name(sheet)} cannot be opened without a password: save {sheet.path} without one") from None
    except OSError as problem:
        raise InputError(f"{_name(sheet)} cannot be read: {sheet.path}: {problem.strerror or problem}") from None
    except UnicodeEncodeError:
        raise InputError(f"{_name(sheet)} has a path that is not valid Unicode: rename {str(sheet.path)!r}") from None
    except (pikepdf.PdfError, ValueError, TypeError, AttributeError) as problem:
        raise InputError(f"{_name(sheet)} is not a whole PDF: {sheet.path}: {problem}; {again}") from None
    if not pages:
        raise InputError(f"{_name(sheet)} has no page: {sheet.path}; {again}")
    return _Checked(sheet, pages, version, has_tables, tuple(f"{_name(sheet)}: {each}" for each in found))


def _remarks(pdf: Any) -> Iterator[str]:
    """Warnings about what the joined PDF does not keep."""
    if pdf.is_encrypted:
        yield "it was protected with an owner password, and the joined PDF is not"
    if pdf.attachments:
        yield f"{count(len(pdf.attachments), 'attachment')} left out"
    form = pdf.Root.get("/AcroForm")
    if form is not None and int(form.get("/SigFlags", 0)) & 1:
        yield "it is signed, and the signature is not valid for the joined PDF"
    for problem in pdf.get_warnings():
        yield f"it is damaged and was repaired: {problem}"


def _complete(pikepdf: Any, pdf: Any, checked: Sequence[_Checked]) -> tuple[str, ...]:
    """Adds links, layers, labels and bookmarks, which are not copied with the pages; returns the warnings."""
    layers, places = LayerTable(), DestinationTable()
    warnings: list[str] = []
    seen: set[Any] = set()
    pages = list(pdf.pages)
    first = 0
    for number, each in enumerate(checked):
        copies = pages[first : first + each.pages]
        first += each.pages
        prefix = f"{number}:"
        rename_links(copies, prefix, seen)
        warnings += each.warnings
        if each.has_tables or refer_to_others(copies):
            with pikepdf.open(each.sheet.path) as source:
                reconnect(source.pages, copies)
                places.add(named_places(source), source.pages, copies, prefix)
                lost = layers.add(Layers(source), source.pages, copies, _label(each.sheet))
                warnings += [f"{_name(each.sheet)}: {one}" for one in lost]
    layers.write(pdf)
    places.write(pdf)
    _label_pages(pikepdf, pdf, checked)
    _add_bookmarks(pikepdf, pdf, checked)
    return tuple(warnings)


def _label_pages(pikepdf: Any, pdf: Any, checked: Sequence[_Checked]) -> None:
    """Labels each page with its sheet's number; if a sheet has several pages, also with their position."""
    labels: list[Any] = []
    first = 0
    for each in checked:
        label = {"/P": _label(each.sheet)}
        if each.pages > 1:
            label = {"/P": f"{_label(each.sheet)} p. ", "/S": pikepdf.Name("/D")}
        labels += [first, pikepdf.Dictionary(label)]
        first += each.pages
    pdf.Root["/PageLabels"] = pikepdf.Dictionary({"/Nums": pikepdf.Array(labels)})


def _add_bookmarks(pikepdf: Any, pdf: Any, checked: Sequence[_Checked]) -> None:
    item: Callable[[str, int], Any] = pikepdf.OutlineItem
    headings: dict[str, Any] = {}
    first = 0
    with pdf.open_outline() as outline:
        for each in checked:
            heading = discipline_of(each.sheet.number)
            above = outline.root
            if heading:
                if heading not in headings:
                    headings[heading] = item(heading, first)
                    headings[heading].is_closed = True
                    outline.root.append(headings[heading])
                above = headings[heading].children
            number, title = _label(each.sheet), well_formed(each.sheet.title).strip()
            above.append(item(f"{number} - {title}" if title and title != number else number, first))
            first += each.pages
    pdf.Root["/PageMode"] = pikepdf.Name("/UseOutlines")


def discipline_of(number: str) -> str:
    """The letters at the beginning of a sheet's number, in capitals; empty if there are none."""
    found = re.match(r"[^\W\d_]+", number.strip())
    return well_formed(found[0]).upper() if found else ""


def _label(sheet: MergeSheet) -> str:
    return well_formed(sheet.number.strip() or sheet.title.strip() or sheet.path.stem)


def _name(sheet: MergeSheet) -> str:
    return f"sheet {_label(sheet)!r}"
