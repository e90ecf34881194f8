"""Writes `report.html`: one file with everything in it, which loads nothing from other hosts."""

import base64
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from importlib.resources import files
from itertools import takewhile
from pathlib import Path

from attrs import frozen

from aps_async.downloads.target_paths import target_error
from aps_async.filesystem import replacing
from aps_async.lazy import regex
from aps_async.report.entries import ATTENTION, ORDER, Report, ReportSheet
from aps_async.report.markup import breakable, escaped, isolated, link_to
from aps_async.report.thumbnails import REPORT_HTML, Thumbnail, ThumbnailProcess, why_none
from aps_async.report.timeline import in_words, timeline
from aps_async.text import abridged, count
from aps_async.text import size as in_units
from aps_async.threads import in_thread

__all__ = ["REPORT_HTML", "write_report"]
__dir__: object = __all__.copy

_NAMED = 8  # sheets that are named for one reason
_VARIABLE = regex(r"https?://\S+|urn(?::|%3A)[^\s/]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\d+")
_COLUMNS = ("Number", "Title", "Folder or set", "Version", "What changed", "Exported", "Size", "Took")


async def write_report(folder: Path, report: Report, *, thumbnails: bool = True) -> Path:
    """Writes the report into the folder of the run, and returns its path.

    Args:
        folder: where the sheets are; links to them are relative, so the folder can be moved or zipped.
        report: the run.
        thumbnails: whether to show the first page of each sheet, for which the extra `report` must be installed. They
            are made in another process, which takes about 5 ms for a sheet that was not drawn while the run went on
            (see `Report.drawing`) and has no picture in the report of an earlier one; a report of more than 2,000 has
            none.

    Raises:
        TargetError: the file cannot be written; the old one stays.
    """
    notice = why_none(len(report)) if thumbnails else None
    shown = thumbnails and notice is None
    page = _Page(folder=folder, report=report, notice=notice, has_thumbnails=shown)
    has_pictures = shown and any(each.pdf for each in report.sheets)
    with (report.drawing or ThumbnailProcess(folder)) if has_pictures else nullcontext() as process:
        await in_thread(page.write, process, on_cancel=process.stop if process else None)
    return folder / REPORT_HTML


@frozen(kw_only=True)
class _Page:
    folder: Path
    report: Report
    notice: str | None
    has_thumbnails: bool

    def write(self, process: ThumbnailProcess | None) -> None:
        """Writes the page piece by piece: it is never whole in memory."""
        path = self.folder / REPORT_HTML
        if process:
            process.show(each.pdf for each in self.report.sheets if each.pdf)
        try:
            with replacing(path) as file:
                for piece in self._pieces(process):
                    file.write(piece.encode())
        except OSError as problem:
            raise target_error(path, problem) from problem

    def _pieces(self, process: ThumbnailProcess | None) -> Iterator[str]:
        style, script = (_asset(name) for name in ("report.css", "report.js"))
        yield _head(self.report.project, style, script)
        yield self._top()
        yield _attention(self.report.sheets)
        yield timeline(self.report.sheets if self.report.exported else (), self.report.seconds)
        yield self._controls()
        yield f'<table role="table" aria-labelledby="sheets"{"" if self.has_thumbnails else " class=bare"}>'
        yield _headings(thumbnails=self.has_thumbnails)
        yield '<tbody role="rowgroup">'
        for at, sheet in enumerate(self.report.sheets):
            picture = process.read() if process and sheet.pdf else None
            yield self._row(at, sheet, picture)
        yield '</tbody></table><p id="none" hidden>No sheet matches.</p></section></main>'
        yield f"<script>{script}</script></body></html>\n"

    def _top(self) -> str:
        began = self.report.began_at.strftime("%Y-%m-%d %H:%M UTC")
        sheets, exported = len(self.report), self.report.exported
        words = f"{count(sheets, 'sheet')}, {exported:,} exported in this run" if sheets else "No sheets"
        return (
            f"<header><h1>{isolated(self.report.project)}</h1>"
            f'<p><time datetime="{self.report.began_at.isoformat(timespec="seconds")}">{began}</time>, '
            f"{in_words(self.report.seconds)}: {words}</p></header><main>"
        )

    def _controls(self) -> str:
        counts = self.report.counts
        chips = "".join(
            f'<button type="button" class="chip" aria-pressed="false" data-state="{_class(state)}">'
            f"{counts[state]:,} {state}</button>"
            for state in ORDER
            if counts[state]
        )
        notice = f'<p class="notice">{escaped(self.notice)}</p>' if self.notice else ""
        return (
            '<section aria-labelledby="sheets"><h2 id="sheets">Sheets</h2>'
            '<div class="controls" role="search"><label for="search">Search</label>'
            '<input id="search" type="search" autocomplete="off" spellcheck="false" disabled>'
            f'<div class="chips" role="group" aria-label="Show only">{chips}</div>'
            '<p id="shown" role="status" aria-live="polite"></p></div>'
            f"{notice}"
        )

    def _row(self, at: int, sheet: ReportSheet, picture: Thumbnail | None) -> str:
        size, link = self._file(sheet)
        title = isolated(sheet.title)
        opened = f'<a href="{escaped(link)}">{title or isolated(sheet.number)}</a>' if link else title
        exported = sheet.exported_at
        changed = f'<span class="state">{sheet.state}</span>' + "".join(
            f" <span class=why>{isolated(each)}</span>" for each in (sheet.brief, *sheet.warnings) if each
        )
        cells = (
            ("number", "", isolated(sheet.number)),
            ("title", "", opened),
            ("place", "", breakable(sheet.place)),
            ("version", "", _versions(sheet)),
            ("changed", str(ORDER.index(sheet.state)), changed),
            ("exported", exported.isoformat() if exported else "", _moment(sheet)),
            ("size", str(size or 0), in_units(size) if size is not None else ""),
            ("took", f"{sheet.seconds:.3f}", in_words(sheet.seconds) if sheet.ended is not None else ""),
        )
        image = f'<td role="cell" class="picture">{_image(picture)}</td>' if self.has_thumbnails else ""
        return (
            f'<tr role="row" id="s{at}" tabindex="-1" class="{_class(sheet.state)}">{image}'
            + "".join(
                f'<td role="cell" class="{name}"{f" data-key={key}" if key else ""}>{content}</td>'
                for name, key, content in cells
            )
            + "</tr>\n"
        )

    def _file(self, sheet: ReportSheet) -> tuple[int | None, str]:
        """Size and address of its file, if it is there."""
        above = os.path.join(self.folder, "")  # noqa: PTH118 - thousands of paths take a second
        if not sheet.file or not sheet.file.startswith(above):
            return None, ""
        try:
            return os.stat(sheet.file).st_size, link_to(sheet.file.removeprefix(above))  # noqa: PTH116
        except OSError:
            return None, ""


def _asset(name: str) -> str:
    # A browser counts each line's end as one character when it checks the hash.
    return files("aps_async.report").joinpath(name).read_text("utf-8").replace("\r\n", "\n")


def _head(title: str, style: str, script: str) -> str:
    allowed = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in (style, script)]
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{allowed[0]}'; script-src 'sha256-{allowed[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{escaped(title)}: sheets</title><style>{style}</style></head><body>\n"
    )


def _headings(*, thumbnails: bool) -> str:
    picture = '<th role="columnheader" scope="col" class="picture">First page</th>' if thumbnails else ""
    return (
        f'<thead role="rowgroup"><tr role="row">{picture}'
        + "".join(
            f'<th role="columnheader" scope="col" aria-sort="none"><button type="button" disabled>{name}</button></th>'
            for name in _COLUMNS
        )
        + "</tr></thead>"
    )


def _attention(sheets: Iterable[ReportSheet]) -> str:
    """What failed or is missing, by reason."""
    groups: dict[tuple[str, str], list[tuple[int, ReportSheet]]] = {}
    for at, each in enumerate(takewhile(lambda sheet: sheet.state in ATTENTION, sheets)):  # they come first
        reason = (each.reason or "").replace(each.number or "\0", "#")
        groups.setdefault((str(each.state), _VARIABLE.sub("#", reason)), []).append((at, each))
    items: list[str] = []
    for (state, _), found in groups.items():
        links = [f'<a href="#s{at}">{isolated(each.label)}</a>' for at, each in found[:_NAMED]]
        names = abridged(links, len(found))
        first = found[0][1].reason
        why = f'<p class="why">{isolated(first)}</p>' if first else ""
        items.append(f'<li class="{_class(state)}"><b>{len(found):,} {state}</b>: {names}{why}</li>')
    if not items:
        return ""
    heading = '<h2 id="attention">Needs attention</h2>'
    return f'<section aria-labelledby="attention">{heading}<ul>{"".join(items)}</ul></section>'


def _class(state: str) -> str:
    return str(state).replace(" ", "-")


def _versions(sheet: ReportSheet) -> str:
    if sheet.previous and sheet.version and sheet.previous != sheet.version:
        return f"{isolated(sheet.previous)} \N{RIGHTWARDS ARROW} {isolated(sheet.version)}"
    return isolated(sheet.version or "")


def _moment(sheet: ReportSheet) -> str:
    at = sheet.exported_at and sheet.exported_at.isoformat(timespec="seconds")
    return f'<time datetime="{at}">{at[:10]} {at[11:16]}</time>' if at else ""


def _image(picture: Thumbnail | None) -> str:
    if picture is None:
        return ""
    return (
        f'<img data-of="{picture.of}" loading="lazy" decoding="async" '
        f'width="{picture.width}" height="{picture.height}" alt="" '
        f'src="data:image/webp;base64,{picture.data}">'
    )
