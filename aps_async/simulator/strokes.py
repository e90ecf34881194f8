"""What every sheet has: frame, title block, grid, dimensions, and the red clouds of a review."""

import math
import random
from itertools import pairwise
from typing import Any, Self

import attrs
from reportlab.lib.colors import HexColor

_INK = HexColor("#1f2430")
_GREY = HexColor("#7c8597")
_RED = HexColor("#d3121d")
_PAPER = (2592.0, 1728.0)
_EDGE, _STRIP = 40.0, 330.0
_NOTES = (
    "confirm door swing with fire consultant",
    "coordinate duct penetration before pour",
    "dimension does not close, please verify",
    "move fixture clear of column",
    "add access panel here",
    "level change missing on plan",
)


@attrs.frozen(kw_only=True)
class SheetInfo:
    """What a sheet shows."""

    key: str
    """Seeds the drawing."""
    number: str
    title: str
    project: str
    index: int = 0
    total: int = 0
    version: int = 1
    revision: int = 0
    """How often the stored file was replaced; shows in the title block."""
    markups: bool = False
    hyperlinks: bool = False
    references: tuple[tuple[str, str], ...] = ()
    """Label and address of the sheets this one refers to."""


@attrs.frozen
class Frame:
    """The grid lines of the building."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]

    @classmethod
    def fitted(cls, dice: random.Random, columns: int, rows: int) -> Self:
        """A grid of uneven bays that fills the drawing area."""
        return cls(_lines(dice, columns, 230.0, 2130.0), _lines(dice, rows, 330.0, 1430.0))

    def box(self) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of the building."""
        return self.xs[0], self.ys[0], self.xs[-1] - self.xs[0], self.ys[-1] - self.ys[0]


def _lines(dice: random.Random, count: int, first: float, last: float) -> tuple[float, ...]:
    bays = [dice.choice((0.8, 1.0, 1.0, 1.2)) for _ in range(count)]
    scale, at, found = (last - first) / sum(bays), first, [first]
    for bay in bays:
        at += bay * scale
        found.append(round(at, 2))
    return tuple(found)


def latin(text: str) -> str:
    """What the built-in fonts can show of a text."""
    return text.encode("cp1252", "replace").decode("cp1252")


def fit(canvas: Any, text: str, font: str, size: float, width: float) -> float:
    """The largest font size up to `size` at which the text is not wider than `width`."""
    wide = canvas.stringWidth(text, font, size)
    return size if wide <= width else max(5.0, size * width / wide)


def grid(canvas: Any, frame: Frame) -> None:
    """Grid lines with bubbles, and a chain of dimensions below and to the left."""
    xs, ys = frame.xs, frame.ys
    top, left = ys[-1] + 90, xs[0] - 90
    canvas.setStrokeColor(_GREY)
    canvas.setFillColor(_INK)
    canvas.setLineWidth(0.8)
    canvas.setDash([18, 5, 3, 5])
    canvas.lines([(x, ys[0] - 60, x, top) for x in xs] + [(left, y, xs[-1] + 60, y) for y in ys])
    canvas.setDash()
    canvas.setFont("Helvetica-Bold", 20)
    for i, x in enumerate(xs):
        canvas.circle(x, top + 24, 24)
        canvas.drawCentredString(x, top + 17, str(i + 1))
    for i, y in enumerate(ys):
        canvas.circle(left - 24, y, 24)
        canvas.drawCentredString(left - 24, y - 7, "ABCDEFGH"[i])
    below = ys[0] - 95
    ticks: list[tuple[float, float, float, float]] = []
    canvas.setFont("Helvetica", 14)
    canvas.line(xs[0], below, xs[-1], below)
    for start, end in pairwise(xs):
        ticks += [(start - 6, below - 6, start + 6, below + 6), (end - 6, below - 6, end + 6, below + 6)]
        canvas.drawCentredString((start + end) / 2, below + 5, f"{round((end - start) * 20)}")
    canvas.lines(ticks)


def title_block(canvas: Any, info: SheetInfo) -> None:
    """Border, and the strip on the right with the number in large letters."""
    width, height = _PAPER
    left = width - _EDGE - _STRIP
    canvas.setStrokeColor(_INK)
    canvas.setFillColor(_INK)
    canvas.setLineWidth(4)
    canvas.rect(_EDGE, _EDGE, width - 2 * _EDGE, height - 2 * _EDGE)
    canvas.line(left, _EDGE, left, height - _EDGE)
    canvas.setLineWidth(1.5)
    canvas.lines([(left, y, width - _EDGE, y) for y in (1500, 1340, 1180, 560, 400, 300, 210)])
    inner, room = left + 22, _STRIP - 44
    canvas.setFont("Helvetica-Bold", 30)
    canvas.drawString(inner, 1600, "NORTHLIGHT")
    canvas.setFont("Helvetica", 21)
    canvas.drawString(inner, 1572, "ARCHITECTS + ENGINEERS")
    _entries(canvas, inner, room, info)
    number = latin(info.number)
    canvas.setFont("Helvetica-Bold", fit(canvas, number, "Helvetica-Bold", 96, room))
    canvas.drawString(inner, 92, number)


def _entries(canvas: Any, inner: float, room: float, info: SheetInfo) -> None:
    revision = f"Rev {info.version}" + (f".{info.revision}" if info.revision else "")
    rows = (
        (1440, "PROJECT", info.project, 26),
        (1280, "CLIENT", "Riverside Health Trust", 22),
        (500, "SHEET TITLE", info.title or " ", 26),
        (350, "SCALE", "1 : 100 at full size", 18),
        (255, "ISSUE", f"For construction   {revision}", 18),
    )
    for y, label, text, size in rows:
        shown = latin(text)
        canvas.setFont("Helvetica", 11)
        canvas.drawString(inner, y + 34, label)
        canvas.setFont("Helvetica-Bold", fit(canvas, shown, "Helvetica-Bold", size, room))
        canvas.drawString(inner, y, shown)
    canvas.setFont("Helvetica", 12)
    place = f"Sheet {info.index + 1} of {info.total}" if info.total else f"Sheet {info.index + 1}"
    canvas.drawString(inner, 180, place)
    notes = (
        "GENERAL NOTES",
        "1. Do not scale from this drawing.",
        "2. All dimensions in millimetres.",
        "3. Verify dimensions on site.",
        "4. Read with the specification.",
        "5. Report discrepancies at once.",
        *(f"{number}. See {latin(label)}." for number, (label, _) in enumerate(info.references, 6)),
    )
    for i, note in enumerate(notes):
        canvas.drawString(inner, 1140 - 24 * i, note)


def view_title(canvas: Any, frame: Frame, title: str) -> None:
    """The name of the view below it, and a north arrow."""
    x, y = frame.xs[0], 130.0
    shown = latin(title)
    canvas.setStrokeColor(_INK)
    canvas.setFillColor(_INK)
    canvas.setLineWidth(2)
    canvas.circle(x, y, 30)
    canvas.setFont("Helvetica-Bold", 26)
    canvas.drawCentredString(x, y - 9, "1")
    canvas.drawString(x + 48, y + 6, shown)
    canvas.line(x + 30, y, x + 70 + canvas.stringWidth(shown, "Helvetica-Bold", 26), y)
    canvas.setFont("Helvetica", 15)
    canvas.drawString(x + 48, y - 20, "Scale 1 : 100")
    north = canvas.beginPath()
    north.moveTo(2100, 180)
    north.lineTo(2078, 110)
    north.lineTo(2100, 126)
    north.lineTo(2122, 110)
    north.close()
    canvas.drawPath(north, fill=1)
    canvas.drawCentredString(2100, 190, "N")


def callouts(canvas: Any, frame: Frame, references: tuple[tuple[str, str], ...], *, linked: bool) -> None:
    """Round references to other sheets; they are links only when links are asked for."""
    canvas.setStrokeColor(_INK)
    for i, (label, address) in enumerate(references):
        x, y, size = frame.xs[0] + 560 + 150 * i, 130.0, 34.0
        shown = latin(label)
        canvas.setFillColor(HexColor("#174ea6"))
        canvas.circle(x, y, size)
        canvas.setFont("Helvetica", fit(canvas, shown, "Helvetica", 15, 2 * size - 8))
        canvas.drawCentredString(x, y - 5, shown)
        if linked:
            canvas.linkURL(address, (x - size, y - size, x + size, y + size), relative=0, thickness=0)


def clouds(canvas: Any, box: tuple[float, float, float, float], key: str) -> None:
    """Two revision clouds with their notes, inside `box`."""
    left, bottom, width, height = box
    dice = random.Random(f"markups|{key}")  # noqa: S311 - the same clouds every time
    unit = min(width, height) / 40
    canvas.setStrokeColor(_RED)
    canvas.setFillColor(_RED)
    for number in range(2):
        wide, high = width * dice.uniform(0.14, 0.24), height * dice.uniform(0.12, 0.22)
        x = left + width * (0.05 + 0.5 * number) + dice.uniform(0, width * 0.15)
        y = bottom + height * dice.uniform(0.15, 0.6)
        canvas.setLineWidth(max(1.0, unit / 7))
        canvas.drawPath(_cloud(canvas, x, y, wide, high, unit))
        text = f"RFI-{dice.randint(10, 99):03d}: {dice.choice(_NOTES)}"
        canvas.setFont("Helvetica-Bold", fit(canvas, text, "Helvetica-Bold", unit * 0.8, width * 0.42))
        canvas.drawString(x, y + high + unit * 1.2, text)


def _cloud(canvas: Any, x: float, y: float, width: float, height: float, unit: float) -> Any:
    """A closed line of bulges around a rectangle."""
    corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y))
    path = canvas.beginPath()
    path.moveTo(x, y)
    for (x1, y1), (x2, y2) in pairwise(corners):
        length = math.hypot(x2 - x1, y2 - y1)
        bulges = max(2, round(length / (unit * 1.6)))
        dx, dy = (x2 - x1) / bulges, (y2 - y1) / bulges
        out_x, out_y = dy * 0.7, -dx * 0.7
        for i in range(bulges):
            ax, ay = x1 + dx * i, y1 + dy * i
            path.curveTo(ax + out_x, ay + out_y, ax + dx + out_x, ay + dy + out_y, ax + dx, ay + dy)
    path.close()
    return path


def background(canvas: Any, width: float, height: float, text: str) -> None:
    """A small line of text at the foot of a page."""
    canvas.setFillColor(_GREY)
    canvas.setFont("Helvetica", max(6.0, min(width, height) / 60))
    canvas.drawString(width * 0.03, height * 0.02, text)
