"""Drawing of plan sheets: believable, different from sheet to sheet, and the same bytes every time."""

import io
import random
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import attrs
from reportlab.lib.colors import Color, HexColor
from reportlab.pdfbase.pdfdoc import PDFZCompress
from reportlab.pdfgen.canvas import Canvas

from .marks import Mark, draw_marks
from .strokes import Frame, SheetInfo, background, callouts, clouds, grid, latin, title_block, view_title

WIDTH, HEIGHT = 2592.0, 1728.0  # 36 x 24 inches
_Line = tuple[float, float, float, float]  # from x, y to x, y
_INK = HexColor("#1f2430")
_FAINT = HexColor("#b9bfca")
_ROOMS = (
    "EXAM", "WAITING", "RECEPTION", "OFFICE", "STORAGE", "LAB", "CONSULT", "STAFF", "ARCHIVE", "RECORDS", "TREATMENT",
    "IMAGING", "PHARMACY", "MEETING", "UTILITY", "WC",
)  # fmt: skip


@attrs.frozen
class _Room:
    x: float
    y: float
    width: float
    height: float
    name: str
    up: bool


@lru_cache(maxsize=1024)  # of 6 KB; one simulator after another shows the same sheets
def draw_sheet(info: SheetInfo) -> bytes:
    """One sheet as a PDF of one page."""
    buffer = io.BytesIO()
    canvas = new_canvas(buffer, f"{info.number} {info.title}")
    paint_sheet(canvas, info)
    canvas.save()
    return buffer.getvalue()


def plain_sheets(infos: Sequence[SheetInfo]) -> bytes:
    """The least that passes for a PDF of these sheets, and differs where they do."""
    return "\n".join(["%PDF-1.7", *(f"%{info}" for info in infos), "%%EOF\n"]).encode()


def new_canvas(buffer: io.BytesIO, title: str) -> Any:
    """An empty document for sheets."""
    canvas: Any = Canvas(buffer, pagesize=(WIDTH, HEIGHT), invariant=1, pageCompression=0)
    canvas._doc.defaultStreamFilters = [PDFZCompress]  # Canvas would add ASCII85, which takes a quarter of the time
    canvas.setTitle(latin(title))
    canvas.setAuthor("aps_async simulator")
    return canvas


def paint_sheet(canvas: Any, info: SheetInfo, marks: Sequence[Mark] = ()) -> None:
    """One sheet as the next page of a document."""
    seed = f"{info.key}|{info.number}".encode("utf-8", "backslashreplace")  # a number may be cut within a character
    dice = random.Random(seed)  # noqa: S311 - the same drawing every time
    columns, rows = dice.randint(5, 8), dice.randint(3, 5)
    frame = Frame.fitted(dice, columns, rows)
    title_block(canvas, info)
    grid(canvas, frame)
    discipline = info.number[:1].upper()
    if discipline == "S":
        _structure(canvas, frame, dice, foundation="Found" in info.title)
    else:
        rooms = _rooms(frame, dice)
        services = discipline in "MEP" and discipline != ""
        _walls(canvas, frame, rooms, _FAINT if services else _INK, labels=not services)
        if discipline == "M":
            _ducts(canvas, frame, rooms, dice)
        elif discipline == "E":
            _circuits(canvas, rooms, dice)
        elif discipline == "P":
            _pipes(canvas, frame, rooms)
        elif "Ceiling" in info.title or "Finish" in info.title:
            _hatch(canvas, rooms, dice)
    view_title(canvas, frame, info.title)
    callouts(canvas, frame, info.references, linked=info.hyperlinks)
    if info.markups:
        clouds(canvas, frame.box(), info.key)
    draw_marks(canvas, frame.box(), marks)
    canvas.showPage()


def name_page(canvas: Any, index: int, labels: Sequence[str], bookmarks: Sequence[str]) -> None:
    """A label and a bookmark for the page that comes next, if there are any."""
    for label in labels:
        canvas.addPageLabel(index, prefix=label)
    for text in bookmarks:
        canvas.bookmarkPage(f"page {index}")
        canvas.addOutlineEntry(text, f"page {index}")


def draw_overlay(
    width: float, height: float, key: str, *, markups: bool, revision: int, marks: Sequence[Mark] = ()
) -> bytes:
    """What is laid over a page of a given PDF: markups, and a stamp once the file was replaced."""
    buffer = io.BytesIO()
    canvas: Any = Canvas(buffer, pagesize=(width, height), invariant=1, pageCompression=1)
    if markups:
        clouds(canvas, (width * 0.1, height * 0.1, width * 0.8, height * 0.8), key)
    draw_marks(canvas, (width * 0.1, height * 0.1, width * 0.8, height * 0.8), marks)
    if revision:
        background(canvas, width, height, f"Replaced file, revision {revision}")
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _rooms(frame: Frame, dice: random.Random) -> list[_Room]:
    """Two rows of rooms along a corridor."""
    x, y, width, height = frame.box()
    corridor = height * 0.12
    middle = y + height * dice.uniform(0.38, 0.5)
    found: list[_Room] = []
    for base, depth, up in ((y, middle - y, False), (middle + corridor, y + height - middle - corridor, True)):
        left = x
        while left < x + width - 1:
            room = width * dice.uniform(0.08, 0.19)
            if x + width - left - room < width * 0.08:
                room = x + width - left
            found.append(_Room(left, base, room, depth, dice.choice(_ROOMS), up))
            left += room
    return found


def _walls(canvas: Any, frame: Frame, rooms: list[_Room], ink: Color, *, labels: bool) -> None:
    x, y, width, height = frame.box()
    canvas.setStrokeColor(ink)
    canvas.setLineWidth(9)
    canvas.rect(x, y, width, height)
    canvas.setLineWidth(4)
    partitions: list[_Line] = []
    windows: list[_Line] = []
    doors = canvas.beginPath()
    for room in rooms:
        right, edge = room.x + room.width, room.y if room.up else room.y + room.height
        partitions.append((right, room.y, right, room.y + room.height))
        swing = min(34.0, room.width / 3)
        hinge = room.x + room.width * 0.35
        partitions += [(room.x, edge, hinge, edge), (hinge + swing, edge, right, edge)]
        into = swing if room.up else -swing
        doors.moveTo(hinge, edge)
        doors.lineTo(hinge, edge + into)
        doors.curveTo(hinge + swing * 0.55, edge + into, hinge + swing, edge + into * 0.55, hinge + swing, edge)
        outside = room.y + room.height if room.up else room.y
        first, last = room.x + room.width * 0.25, room.x + room.width * 0.75
        windows += [(first, outside + step, last, outside + step) for step in (-3, 0, 3)]
    canvas.lines(partitions)
    canvas.setLineWidth(1)
    canvas.drawPath(doors)
    canvas.setStrokeColor(HexColor("#ffffff"))
    canvas.lines(windows)
    if labels:
        _labels(canvas, rooms)


def _labels(canvas: Any, rooms: list[_Room]) -> None:
    canvas.setFillColor(_INK)
    for i, room in enumerate(rooms):
        centre, middle = room.x + room.width / 2, room.y + room.height / 2
        canvas.setFont("Helvetica-Bold", 19)
        canvas.drawCentredString(centre, middle + 10, room.name)
        canvas.setFont("Helvetica", 16)
        canvas.drawCentredString(centre, middle - 12, f"{101 + i}")
        canvas.drawCentredString(centre, middle - 32, f"{room.width * room.height / 2600:.1f} m2")


def _hatch(canvas: Any, rooms: list[_Room], dice: random.Random) -> None:
    """Ceiling grids or finishes."""
    canvas.setStrokeColor(HexColor("#8d96a8"))
    canvas.setLineWidth(0.6)
    for room in rooms:
        step = dice.choice((24, 30, 36))
        across = [(room.x + i, room.y, room.x + i, room.y + room.height) for i in range(step, int(room.width), step)]
        along = [(room.x, room.y + i, room.x + room.width, room.y + i) for i in range(step, int(room.height), step)]
        canvas.lines(across if dice.random() < 0.2 else across + along)


def _structure(canvas: Any, frame: Frame, dice: random.Random, *, foundation: bool) -> None:
    xs, ys = frame.xs, frame.ys
    canvas.setStrokeColor(_INK)
    canvas.setLineWidth(3)
    canvas.lines([(xs[0], y + off, xs[-1], y + off) for y in ys for off in (-4, 4)])
    canvas.lines([(x + off, ys[0], x + off, ys[-1]) for x in xs for off in (-4, 4)])
    canvas.setLineWidth(1)
    joists: list[_Line] = []
    for left, right in pairwise(xs):
        for low, high in pairwise(ys):
            count = dice.randint(2, 4)
            joists += [
                (left + (right - left) * i / (count + 1), low, left + (right - left) * i / (count + 1), high)
                for i in range(1, count + 1)
            ]
            canvas.setFont("Helvetica", 12)
            canvas.setFillColor(_INK)
            beam = f"W{dice.choice((310, 360, 410))}x{dice.choice((33, 39, 46))}"
            canvas.drawCentredString((left + right) / 2, low + 10, beam)
    canvas.lines(joists)
    size = 46 if foundation else 22
    canvas.setDash(8, 5)
    for x in xs:
        for y in ys:
            if foundation:
                canvas.rect(x - size, y - size, 2 * size, 2 * size)
            canvas.rect(x - 11, y - 11, 22, 22, fill=1)
    canvas.setDash()


def _ducts(canvas: Any, frame: Frame, rooms: list[_Room], dice: random.Random) -> None:
    x, _, width, _ = frame.box()
    lower = max(room.y + room.height for room in rooms if not room.up)
    main = lower + 30
    canvas.setStrokeColor(HexColor("#1565a8"))
    canvas.setFillColor(HexColor("#1565a8"))
    canvas.setLineWidth(3)
    canvas.rect(x + 40, main, width - 80, 34)
    canvas.setFont("Helvetica", 13)
    canvas.drawString(x + 60, main + 11, f"{dice.choice((600, 750, 900))}x400 SUPPLY")
    canvas.setLineWidth(1.5)
    for i, room in enumerate(rooms):
        centre, middle = room.x + room.width / 2, room.y + room.height / 2
        end = main + 34 if room.up else main
        canvas.lines([(centre - 8, middle, centre - 8, end), (centre + 8, middle, centre + 8, end)])
        canvas.rect(centre - 20, middle - 20, 40, 40)
        canvas.lines(
            [(centre - 20, middle - 20, centre + 20, middle + 20), (centre - 20, middle + 20, centre + 20, middle - 20)]
        )
        canvas.drawString(centre + 26, middle - 5, f"VAV-{i + 1}")


def _circuits(canvas: Any, rooms: list[_Room], dice: random.Random) -> None:
    canvas.setStrokeColor(HexColor("#b3541e"))
    canvas.setFillColor(HexColor("#b3541e"))
    canvas.setFont("Helvetica", 12)
    for i, room in enumerate(rooms):
        canvas.setLineWidth(2)
        middle, points = room.y + room.height / 2, dice.randint(2, 3)
        centres = [room.x + room.width * (n + 1) / (points + 1) for n in range(points)]
        for centre in centres:
            canvas.circle(centre, middle, 13)
            canvas.line(centre - 9, middle - 9, centre + 9, middle + 9)
        canvas.setLineWidth(1)
        canvas.setDash(6, 4)
        canvas.bezier(
            centres[0], middle + 13, centres[0], middle + 60, centres[-1], middle + 60, centres[-1], middle + 13
        )
        canvas.setDash()
        canvas.drawString(room.x + 14, middle - 40, f"L{1 + i // 6}/{1 + i % 6}")


def _pipes(canvas: Any, frame: Frame, rooms: list[_Room]) -> None:
    x, _, width, _ = frame.box()
    lower = max(room.y + room.height for room in rooms if not room.up)
    canvas.setFont("Helvetica", 12)
    for colour, offset, name in (("#1f7a4d", 24, "CW 54"), ("#a8323e", 44, "HW 42"), ("#5b4a9c", 64, "SAN 110")):
        canvas.setStrokeColor(HexColor(colour))
        canvas.setFillColor(HexColor(colour))
        canvas.setLineWidth(3)
        canvas.line(x + 20, lower + offset, x + width - 20, lower + offset)
        canvas.drawString(x + 30, lower + offset + 4, name)
        for room in rooms[::2]:
            wet = room.x + room.width * 0.2 + offset / 2
            canvas.line(wet, lower + offset, wet, room.y + room.height * 0.7)
            canvas.circle(wet, room.y + room.height * 0.7, 8)
