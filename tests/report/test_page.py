"""What `report.html` contains, and how it is written."""

import asyncio
import base64
import hashlib
import re
import sys
import tracemalloc
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest

from aps_async.errors import TargetError
from aps_async.report.entries import Report
from aps_async.report.markup import breakable, escaped, isolated, link_to
from aps_async.report.page import REPORT_HTML, write_report
from aps_async.report.thumbnails import MOST, ThumbnailProcess
from aps_async.report.timeline import in_words, timeline
from aps_async.sync.outcomes import SheetState
from tests.cli.support import pdf_with
from tests.report.support import HOSTILE, Clock, delivered, many, mixed, outcome

PDF = pdf_with("a sheet")
VOID = {"meta", "img", "input", "path", "wbr"}


class Elements(HTMLParser):
    """Every element of a page, checked to be closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.names: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


async def page_of(folder: Path, report: Report, *, thumbnails: bool = True) -> str:
    """The page as text."""
    assert await write_report(folder, report, thumbnails=thumbnails) == folder / REPORT_HTML
    return (folder / REPORT_HTML).read_text("utf-8")


def plain(page: str) -> str:
    """What the page says, without its style and script."""
    return re.sub(r"<[^>]*>", "", re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL))


async def test_every_sheet_is_there_with_what_needs_attention_first(tmp_path: Path) -> None:
    page = await page_of(tmp_path, mixed(tmp_path, PDF))
    rows = re.findall(r'<td role="cell" class="number"[^>]*><bdi>(.*?)</bdi>', page)
    assert rows == ["F-1", "F-2", "L-1", "R-1", "A-1", "A-10", "A-2", "H-1"]
    words = plain(page)
    assert "2 failed: F-1, F-2not allowed (403): F-1 of urn" in words, "one line for failures with one reason"
    assert "1 left out: L-1version 2 is still being processed; version 1 kept" in words
    assert "Riverside &amp; Söhne" in words
    assert "3 exports in 6 s, one line each" in words
    assert "1 → 2" in words


async def test_a_page_is_well_formed_whatever_a_title_is(tmp_path: Path) -> None:
    found = Elements(await page_of(tmp_path, mixed(tmp_path, PDF)))
    assert found.open == []
    assert found.names.count("script") == 1
    assert found.names.count("img") == 3
    names = {name for name, _ in found.attributes}
    assert not {each for each in names if each.startswith("on") or each == "style"}
    assert {value for name, value in found.attributes if name == "src" and not str(value).startswith("data:")} == set()


async def test_links_lead_to_the_files_wherever_the_folder_is(tmp_path: Path) -> None:
    page = await page_of(tmp_path, mixed(tmp_path, PDF))
    assert 'href="./A-10%20%231%20100%25.pdf"' in page
    assert str(tmp_path) not in page


async def test_only_this_script_and_this_style_may_run(tmp_path: Path) -> None:
    page = await page_of(tmp_path, many(1))
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; img-src data:; ")
    for name in ("style", "script"):
        [source] = re.findall(rf"<{name}>(.*?)</{name}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy


async def test_thumbnails_are_left_out_of_a_large_report_which_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(PDF)
    tracemalloc.start()
    page = await page_of(tmp_path, many(MOST + 1, path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "<img" not in page
    assert "because there are more than 2,000 sheets" in page
    assert peak < 8 * len(page), "the page, read back for this test, and no more than a few copies of the rows"


async def test_without_the_extra_there_are_no_thumbnails_and_the_report_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)  # as if it were not installed
    page = await page_of(tmp_path, mixed(tmp_path, PDF))
    assert "<img" not in page
    assert "pip install &#x27;aps-async[report]&#x27;" in page


async def test_a_page_without_thumbnails_is_possible(tmp_path: Path) -> None:
    page = await page_of(tmp_path, mixed(tmp_path, PDF), thumbnails=False)
    assert "<img" not in page
    assert "There are no thumbnails" not in page


async def test_what_has_no_first_page_has_no_thumbnail(tmp_path: Path) -> None:
    report = Report(project="Tower")
    for name, content in {"whole": PDF, "empty": b"", "cut": PDF[:200], "other": b"<html>"}.items():
        path = tmp_path / f"{name}.pdf"
        path.write_bytes(content)
        report.add(outcome(name, SheetState.NEW, path=path))
    link = tmp_path / "link.pdf"
    link.symlink_to(tmp_path / "whole.pdf")
    report.add(outcome("link", SheetState.NEW, path=link))
    report.add(outcome("gone", SheetState.NEW, path=tmp_path / "gone.pdf"))
    page = await page_of(tmp_path, report)
    assert page.count("<img") == 1
    assert len(re.findall('<tr role="row" id=', page)) == 6
    assert "gone.pdf" not in page, "there is nothing to open"


async def test_a_renderer_that_ends_early_leaves_the_rest_without_thumbnails(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(PDF)
    with ThumbnailProcess(tmp_path) as process:
        process.show([path] * 3)
        assert process.read() is not None
        process.stop()
        rest = [process.read() for _ in range(3)]
    assert rest[-1] is None


def pictures(page: str) -> list[str]:
    return re.findall(r'<img data-of="[0-9a-f]{16}" [^>]*;base64,([^"]*)"', page)


async def test_a_picture_is_used_again_until_its_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(PDF)
    page = await page_of(tmp_path, many(2, path))
    [drawn, _] = pictures(page)
    for hostile in ("AAAA", 'AAAA" onerror="alert(1)', "<bdi>"):
        (tmp_path / REPORT_HTML).write_text(page.replace(drawn, hostile))
        again = pictures(await page_of(tmp_path, many(2, path)))
        assert again == (["AAAA"] * 2 if hostile == "AAAA" else [drawn] * 2), "of the report that was there"
    (tmp_path / REPORT_HTML).write_text(page.replace(drawn, "AAAA"))
    path.write_bytes(pdf_with("another sheet"))
    [changed, _] = pictures(await page_of(tmp_path, many(2, path)))
    assert changed not in (drawn, "AAAA")


async def test_what_is_drawn_while_the_run_goes_on_is_shown_at_its_end(tmp_path: Path) -> None:
    drawing = ThumbnailProcess(tmp_path)
    with closing(Report(project="Tower", drawing=drawing)) as report:
        for name in ("b", "a", "gone"):
            path = tmp_path / f"{name}.pdf"
            path.write_bytes(pdf_with(f"sheet {name}"))
            report.add(outcome(name, SheetState.NEW, path=path))
        (tmp_path / "gone.pdf").unlink()
        at_the_end = pictures(await page_of(tmp_path, report))
    (tmp_path / REPORT_HTML).unlink()
    report.drawing = None
    assert at_the_end == pictures(await page_of(tmp_path, report))
    assert len(set(at_the_end)) == 2, "each its own"


def test_no_more_is_drawn_than_a_report_shows(tmp_path: Path) -> None:
    with ThumbnailProcess(tmp_path) as process:
        for _ in range(MOST):
            process.announce(tmp_path / "gone.pdf")
        assert process.is_running
        process.announce(tmp_path / "gone.pdf")
        assert not process.is_running


async def test_the_event_loop_runs_on(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(PDF)
    writing = asyncio.ensure_future(write_report(tmp_path, many(50, path)))
    turns = 0
    while not writing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 20


async def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / REPORT_HTML).mkdir()
    with pytest.raises(TargetError, match=r"report\.html"):
        await write_report(tmp_path, many(1))
    assert [each.name for each in tmp_path.iterdir()] == [REPORT_HTML]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#x27;"),
        ("half \ud83d emoji", "half \ufffd emoji"),
        ("\x1b]0;owned\x07\x00\x9b", "\ufffd]0;owned\ufffd\ufffd\ufffd"),
        (HOSTILE, escaped(HOSTILE)),
    ],
)
def test_text_is_never_markup(text: str, html: str) -> None:
    assert escaped(text) == html
    assert isolated(text) == f"<bdi>{html}</bdi>"
    assert "<" not in escaped(text)


def test_paths() -> None:
    assert breakable("Plans/<A>/B") == "<bdi>Plans/<wbr>&lt;A&gt;/<wbr>B</bdi>"
    assert breakable("") == ""
    assert link_to("javascript:alert(1)") == "./javascript%3Aalert%281%29"
    assert link_to(str(Path("a") / "b?#.pdf")) == "./a/b%3F%23.pdf"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (4.25, "4.2 s"), (60, "1 min"), (125, "2 min 5 s"), (3600, "1 h"), (7380, "2 h 3 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize("seconds", [0.004, 3, 59, 600, 40_000, 5_000_000])
def test_a_timeline_has_a_few_ticks_and_every_line_in_it(seconds: float) -> None:
    clock = Clock()
    report = Report(project="Tower", clock=clock)
    clock.now += seconds
    report.add(outcome("A-1", SheetState.NEW, outcome=delivered(Path("a.pdf"), seconds * 2)))
    figure = timeline(report.sheets, report.seconds)
    assert 1 <= figure.count("<text") <= 9
    assert 'd="M0.0 0.00h1000.0v' in figure


async def test_one_sheet_is_not_counted_in_the_plural(tmp_path: Path) -> None:
    clock = Clock()
    report = Report(project="Tower", clock=clock)
    clock.now += 3
    report.add(outcome("A-1", SheetState.NEW, outcome=delivered(Path("a.pdf"), 2)))
    words = plain(await page_of(tmp_path, report))
    assert "1 sheet, 1 exported in this run" in words
    assert "1 export in " in words
    assert "one line each" not in words


def test_a_run_that_exported_nothing_has_no_timeline() -> None:
    assert timeline(many(3).sheets, 5.0) == ""
