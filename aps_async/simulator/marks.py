"""Markups of ACC on a page: every kind with a shape, a colour and a text of its own."""

from collections.abc import Sequence
from typing import Any

import attrs
from reportlab.lib.colors import HexColor

from .strokes import fit, latin

LINK = "https://acc.autodesk.com/docs/files"


@attrs.frozen
class Options:
    """What is to be drawn on the pages, with the documented defaults."""

    output_name: str = ""
    published: bool = True
    unpublished: bool = True
    links: bool = False
    published_issues: bool = False
    unpublished_issues: bool = False
    published_photos: bool = False
    unpublished_photos: bool = False
    published_assets: bool = False
    unpublished_assets: bool = False


@attrs.frozen
class Mark:
    """One markup."""

    shape: str
    colour: str
    text: str


def marks_of(options: Options, user: str) -> tuple[Mark, ...]:
    """What these options put on every page; unpublished markups are the acting user's own."""
    table = (
        (options.published, Mark("box", "#d3121d", "Published markup: check against RFI-042")),
        (options.unpublished, Mark("box", "#e8590c", f"Unpublished markup of {user}: my note")),
        (options.links, Mark("link", "#174ea6", "Markup link: see detail 7")),
        (options.published_issues, Mark("pin", "#0b7285", "Published issue #118: gap in fire stopping")),
        (options.unpublished_issues, Mark("pin", "#5f3dc4", f"Unpublished issue of {user}: draft #7")),
        (options.published_photos, Mark("photo", "#2b8a3e", "Published photo: IMG_2041")),
        (options.unpublished_photos, Mark("photo", "#a61e4d", f"Unpublished photo of {user}: IMG_2077")),
        (options.published_assets, Mark("pin", "#7048e8", "Published asset: AHU-07")),
        (options.unpublished_assets, Mark("pin", "#9c36b5", f"Unpublished asset of {user}: VAV-12")),
    )
    return tuple(mark for wanted, mark in table if wanted)


def draw_marks(canvas: Any, box: tuple[float, float, float, float], marks: Sequence[Mark]) -> None:
    """Draw the markups one above the other inside `box`."""
    left, bottom, width, height = box
    for i, mark in enumerate(marks):
        x, y, size = left + width * 0.08, bottom + height * (0.06 + 0.1 * i), height * 0.05
        canvas.setStrokeColor(HexColor(mark.colour))
        canvas.setFillColor(HexColor(mark.colour))
        canvas.setLineWidth(max(1.0, size / 14))
        if mark.shape == "pin":
            canvas.circle(x + size / 2, y + size / 2, size / 2, fill=1)
        elif mark.shape == "photo":
            canvas.rect(x, y, size * 1.4, size)
            canvas.circle(x + size * 0.7, y + size / 2, size * 0.3)
        else:
            canvas.roundRect(x, y, size * 1.4, size, size / 4)
        text = latin(mark.text)
        font = fit(canvas, text, "Helvetica-Bold", size * 0.6, width * 0.8)
        canvas.setFont("Helvetica-Bold", font)
        canvas.drawString(x + size * 1.7, y + size * 0.3, text)
        if mark.shape == "link":
            canvas.linkURL(LINK, (x, y, x + width * 0.4, y + size), relative=0, thickness=0)
