"""The PDF each export delivers: a drawn sheet, or a page of a given PDF."""

import hashlib
import io
from collections import OrderedDict
from collections.abc import Generator, Hashable, Iterator, Sequence
from importlib.util import find_spec
from threading import Lock
from typing import Generic, Protocol, TypeVar
from urllib.parse import quote

import attrs

from .marks import Mark
from .parts import DOCUMENT, Item, Version, WorldError
from .plans import draw_sheet, name_page, new_canvas, paint_sheet, plain_sheets
from .strokes import SheetInfo
from .world import World

if find_spec("pypdf") is None:  # imported for given PDFs only, but if it is missing, that is known at once
    raise ModuleNotFoundError("No module named 'pypdf'", name="pypdf")

_BLOCK = 1 << 20
_CHUNK = 1 << 18
_MEMORY = 96 << 20
_T = TypeVar("_T")


@attrs.define(eq=False)
class Content:
    """A PDF that may be padded to any size without being held in memory.

    After the real file comes one long comment, then `startxref` and `%%EOF` once more, so that a reader finds the
    real table. Every block of the comment begins with its number: bytes in the wrong place are not the right bytes.
    """

    head: bytes = attrs.field(repr=False)
    size: int
    etag: str
    tail: bytes = attrs.field(repr=False, default=b"")

    @classmethod
    def of(cls, pdf: bytes, padded_to: int | None = None) -> "Content":
        """The PDF as it is, or padded to exactly `padded_to` bytes."""
        if padded_to is None or padded_to == len(pdf):
            return cls(pdf, len(pdf), hashlib.md5(pdf, usedforsecurity=False).hexdigest())
        start = pdf[pdf.rindex(b"startxref") :]
        tail = b"\n" + start
        if padded_to < len(pdf) + len(tail) + 2:
            raise WorldError("bytes", f"{padded_to} is too small; this sheet needs at least {len(pdf) + len(tail) + 2}")
        etag = hashlib.md5(pdf + str(padded_to).encode(), usedforsecurity=False).hexdigest()
        return cls(pdf + b"%", padded_to, etag, tail)

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`."""
        end_of_filling = self.size - len(self.tail)
        while start < stop:
            if start < len(self.head):
                piece = self.head[start:stop]
            elif start >= end_of_filling:
                piece = self.tail[start - end_of_filling : stop - end_of_filling]
            else:
                piece = self._filling(start - len(self.head), min(stop, end_of_filling) - start)
            yield piece
            start += len(piece)

    def _filling(self, offset: int, most: int) -> bytes:
        number, within = divmod(offset, _BLOCK)
        length = min(most, _CHUNK, _BLOCK - within)
        if within >= 16:
            return _FILLER[within : within + length]
        return (f"{number:015d} ".encode() + _FILLER[16:])[within : within + length]


_FILLER = (b"." * 15 + b" ") + b"this comment makes the file larger, nothing else. " * (_BLOCK // 50 + 1)


class Cache(Generic[_T]):
    """Keeps the last used values up to a total weight."""

    def __init__(self, most: int) -> None:
        self._values: OrderedDict[Hashable, tuple[_T, int]] = OrderedDict()
        self._most, self._weight = most, 0

    def get(self, key: Hashable) -> _T | None:
        """The value, if it is still there."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._weight = 0

    def put(self, key: Hashable, value: _T, weight: int = 1) -> None:
        """Keep a value and forget the longest unused ones."""
        if key in self._values:
            self._weight -= self._values.pop(key)[1]
        self._values[key] = (value, weight)
        self._weight += weight
        while self._weight > self._most and len(self._values) > 1:
            self._weight -= self._values.popitem(last=False)[1][1]


@attrs.frozen
class Painting:
    """A page that is to be made."""

    info: SheetInfo
    page: int | None = None
    """Which page of the given PDF it is; None: it is drawn in any case."""


@attrs.frozen
class Naming:
    """How a PDF of several sheets names its pages, in their order."""

    labels: tuple[str, ...] = ()
    bookmarks: tuple[str, ...] = ()


Binding = Generator[None, None, bytes]
_bound: Cache[bytes] = Cache(8 << 20)
"""Small ones of drawn pages, as `draw_sheet` keeps them: one simulator after another binds the same sheets."""
_one_at_a_time = Lock()  # simulators may run in several threads


def _drawn(paintings: Sequence[Painting], title: str, marks: Sequence[Mark], naming: Naming) -> Binding:
    key = (*paintings, title, *marks, naming)
    with _one_at_a_time:
        found = _bound.get(key)
    if found is None:
        buffer = io.BytesIO()
        canvas = new_canvas(buffer, title)
        for index, painting in enumerate(paintings):
            name_page(canvas, index, naming.labels[index:][:1], naming.bookmarks[index:][:1])
            paint_sheet(canvas, painting.info, marks)
            yield
        canvas.save()
        found = buffer.getvalue()
        if len(found) < 1 << 20:
            with _one_at_a_time:
                _bound.put(key, found, len(found))
    return found


class Pages:
    """Makes and keeps what the exports deliver."""

    def __init__(self, world: World, pdf: bytes | None, seed: int) -> None:
        self._world, self._seed = world, seed
        self._pdf: _GivenPages | None = None if pdf is None else _given(pdf)
        self.cache: Cache[Content] = Cache(_MEMORY)
        self.is_plain = False
        """Whether a PDF is a few words about its sheets: for thousands of runs, which drawing makes slow."""
        self._totals: dict[str, int] = {}

    def content(self, version: Version, *, markups: bool, hyperlinks: bool, revision: int = 0) -> Content:
        """The PDF of one sheet; the same arguments always give the same bytes."""
        key = (version.id, markups, hyperlinks, revision)
        found = self.cache.get(key)
        if found is None:
            pdf = self._make(version, markups, hyperlinks, revision)
            found = Content.of(pdf, version.item.padded_to)
            self.cache.put(key, found, len(found.head))
        return found

    def bind(
        self, paintings: Sequence[Painting], title: str, marks: Sequence[Mark] = (), naming: Naming = Naming()
    ) -> Binding:
        """One PDF of these pages in their order, a page at each step."""
        if self.is_plain:
            return plain_sheets([painting.info for painting in paintings])
        if self._pdf is None or any(painting.page is None for painting in paintings):
            return (yield from _drawn(paintings, title, marks, naming))
        buffer = io.BytesIO()
        from pypdf import PdfWriter

        writer = PdfWriter()
        for painting in paintings:
            info = painting.info
            data = self._pdf.page(painting.page or 0, info.key, revision=info.revision, marks=marks)
            writer.append(io.BytesIO(data))
            yield
        for index, label in enumerate(naming.labels):
            writer.set_page_label(index, index, prefix=label)
        for index, text in enumerate(naming.bookmarks):
            writer.add_outline_item(title=text, page_number=index)
        writer.write(buffer)
        return buffer.getvalue()

    def file_paintings(self, version: Version, revision: int = 0) -> list[Painting]:
        """The pages of an uploaded PDF, or of what is drawn for a DWG or RVT."""
        item = version.item
        sheets = [other for other in item.folder.items if other.source is item]
        if sheets:
            return [Painting(self._info(sheet.tip, revision=revision), sheet.page) for sheet in sheets]
        stem = item.name.rpartition(".")[0] or item.name
        return [
            Painting(
                SheetInfo(
                    key=f"{self._seed}|{item.id}|{number}",
                    number=stem,
                    title=item.title or f"{stem} {number + 1}",
                    project=item.folder.project.name,
                    index=number,
                    total=item.pages,
                    version=version.number,
                    revision=revision,
                )
            )
            for number in range(item.pages)
        ]

    @property
    def given(self) -> bytes | None:
        """The PDF whose pages the sheets are, as it was given."""
        return None if self._pdf is None else self._pdf.data

    def _make(self, version: Version, markups: bool, hyperlinks: bool, revision: int) -> bytes:
        info = self._info(version, markups=markups, hyperlinks=hyperlinks, revision=revision)
        if self.is_plain:
            return plain_sheets([info])
        if self._pdf is None:
            return draw_sheet(info)
        links = info.references if hyperlinks else ()
        return self._pdf.page(version.item.page, info.key, markups=markups, links=links, revision=revision)

    def _info(
        self, version: Version, *, markups: bool = False, hyperlinks: bool = False, revision: int = 0
    ) -> SheetInfo:
        item = version.item
        return SheetInfo(
            key=f"{self._seed}|{item.id}",
            number=item.name,
            title=item.title,
            project=item.folder.project.name,
            index=item.order,
            total=self._total(item),
            version=version.number,
            revision=revision,
            markups=markups,
            hyperlinks=hyperlinks,
            references=self._references(item),
        )

    def _total(self, item: Item) -> int:
        folder = item.folder
        if folder.id not in self._totals:
            self._totals[folder.id] = sum(other.kind == DOCUMENT for other in folder.items)
        return self._totals[folder.id]

    def _references(self, item: Item) -> tuple[tuple[str, str], ...]:
        """Up to two other sheets of the folder; the sheet itself when it is alone."""
        others = [other for other in item.folder.items if other.kind == DOCUMENT and other is not item] or [item]
        chosen = [others[(item.order + step) % len(others)] for step in range(min(2, len(others)))]
        folder = quote(item.folder.id, safe="")
        root = f"https://docs.b360.autodesk.com/projects/{item.folder.project.id}/folders/{folder}/detail/viewer/items"
        return tuple((other.name, f"{root}/{quote(other.id, safe='')}") for other in chosen)


class _GivenPages(Protocol):
    """See `PdfPages`."""

    data: bytes

    def page(
        self,
        index: int,
        key: str,
        *,
        markups: bool = False,
        links: tuple[tuple[str, str], ...] = (),
        revision: int = 0,
        marks: Sequence[Mark] = (),
    ) -> bytes: ...


def _given(pdf: bytes) -> _GivenPages:
    from .pdfpages import PdfPages  # here, since pypdf takes 0.05 s, and most worlds are drawn

    return PdfPages(pdf)
