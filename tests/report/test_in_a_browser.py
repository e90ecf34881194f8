"""`report.html` in a real browser."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from aps_async.report.page import write_report
from tests.browser import browser, in_browser
from tests.cli.support import pdf_with
from tests.report.support import many, mixed

__all__ = ["browser"]  # a fixture

AXE = os.environ.get("AXE_CORE")
pytestmark = in_browser
FIRST = ["F-1", "F-2", "L-1", "R-1", "A-1", "A-10", "A-2", "H-1"]


class Shown:
    """A report in a browser, and what it asked for or complained about."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda problem: self.complaints.append(str(problem)))
        page.on("request", lambda request: self.requests.append(request.url))

    async def rows(self) -> list[str]:
        """The numbers of the sheets that are shown."""
        rows = "[...document.querySelectorAll('tbody tr')].filter(row => row.checkVisibility())"
        found: list[str] = await self.page.evaluate(f"{rows}.map(row => row.querySelector('.number').textContent)")
        return found

    async def status(self) -> str:
        """What a screen reader reads out after a change."""
        return str(await self.page.inner_text("[role=status]"))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the report of a small run."""
    folder = tmp_path_factory.mktemp("run")
    return (await write_report(folder, mixed(folder, pdf_with("a sheet")))).as_uri()


@pytest_asyncio.fixture(loop_scope="module")
async def shown(browser: Any, small: str) -> AsyncIterator[Shown]:
    """That report, opened."""
    found = Shown(await browser.new_page())
    await found.page.goto(small)
    yield found
    await found.page.close()


async def test_it_asks_no_host_for_anything_and_runs_no_script_of_a_title(shown: Shown) -> None:
    await shown.page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth)")
    assert [url[:5] for url in shown.requests if not url.startswith("data:image/webp;")] == ["file:"]
    assert await shown.page.title() == "Riverside & Söhne: sheets"
    assert await shown.page.locator("img").count() == 3
    assert await shown.page.locator("script").count() == 1
    assert "<script>document.title='owned'</script>" in await shown.page.inner_text("tbody")
    assert shown.complaints == []


async def test_injected_scripts_and_styles_would_be_refused(shown: Shown) -> None:
    await shown.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\"><b style=color:red>')"
    )
    await shown.page.wait_for_timeout(50)
    assert await shown.page.title() == "Riverside & Söhne: sheets"
    assert len(shown.complaints) >= 2
    assert all("Content Security Policy" in each for each in shown.complaints)


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("", FIRST),
        ("a-1", ["A-1", "A-10"]),
        ("ELECTRICITE", ["R-1"]),
        ("403 f-2", ["F-2"]),
        ("<script>", ["H-1"]),
        ("failed", ["F-1", "F-2"]),
        ("nowhere", []),
    ],
)
async def test_search(shown: Shown, words: str, numbers: list[str]) -> None:
    await shown.page.fill("#search", words)
    assert await shown.rows() == numbers
    assert await shown.status() == ("8 sheets" if len(numbers) == 8 else f"{len(numbers)} of 8 sheets")
    assert await shown.page.is_visible("text=No sheet matches.") is not bool(numbers)


async def test_sorting_with_the_keyboard(shown: Shown) -> None:
    await shown.page.focus("th:has-text('Number') button")
    await shown.page.keyboard.press("Enter")
    assert await shown.rows() == ["A-1", "A-2", "A-10", "F-1", "F-2", "H-1", "L-1", "R-1"]
    assert await shown.status() == "Sorted by number, ascending"
    await shown.page.keyboard.press("Space")
    assert (await shown.rows())[-3:] == ["A-10", "A-2", "A-1"]
    assert await shown.page.get_attribute("th:has-text('Number')", "aria-sort") == "descending"
    await shown.page.click("th:has-text('What changed') button")
    assert (await shown.rows())[:4] == FIRST[:4]
    assert await shown.page.get_attribute("th:has-text('Number')", "aria-sort") == "none"


async def test_states_can_be_chosen_and_combined(shown: Shown) -> None:
    await shown.page.click("button:has-text('2 failed')")
    assert await shown.rows() == ["F-1", "F-2"]
    await shown.page.click("button:has-text('1 revised')")
    assert await shown.rows() == ["F-1", "F-2", "R-1"]
    await shown.page.fill("#search", "F-1")
    assert await shown.rows() == ["F-1"]
    await shown.page.click("#attention ~ ul a:has-text('L-1')")
    await shown.page.wait_for_function("document.querySelector('#search').value === ''")
    assert await shown.rows() == FIRST, "a link shows its row even if the search had hidden it"


async def test_everything_can_be_reached_with_the_keyboard(shown: Shown) -> None:
    reached = []
    for _ in range(19):
        await shown.page.keyboard.press("Tab")
        reached.append(await shown.page.evaluate("document.activeElement.textContent || document.activeElement.id"))
    wanted = ["F-1", "L-1", "search", "2 failed", "Number", "Title", "Took", "Plan A-1"]
    assert [each for each in reached if each in wanted] == wanted


async def test_roles_survive_the_layout(shown: Shown) -> None:
    tree = await shown.page.locator("main").aria_snapshot()
    assert '- table "Sheets"' in tree
    assert "- columnheader" in tree
    assert '- searchbox "Search"' in tree
    assert '- img "3 exports in 6 s, one line each in the order of their starts"' in tree
    assert 'cell "failed not allowed (403)' in tree


@pytest.mark.skipif(AXE is None, reason="needs axe.min.js of the npm package axe-core, named in AXE_CORE")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
async def test_the_rules_of_axe_are_kept(browser: Any, small: str, scheme: str, width: int) -> None:
    page = await browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    await page.goto(small)
    await page.evaluate(Path(str(AXE)).read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run()")
    await page.close()
    assert len(found["passes"]) > 30
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_is_readable_in_both_colour_schemes(browser: Any, small: str, scheme: str) -> None:
    page = await browser.new_page(color_scheme=scheme)
    await page.goto(small)
    ratios = await page.evaluate(_CONTRASTS)
    assert len(ratios) > 30
    assert min(ratios.values()) >= 4.5, min(ratios.items(), key=lambda each: each[1])


async def test_a_narrow_window_needs_no_scrolling_to_the_side(browser: Any, small: str) -> None:
    for width in (320, 390, 1099, 1101, 1280):
        page = await browser.new_page(viewport={"width": width, "height": 800})
        await page.goto(small)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        beyond = (
            "[...document.querySelectorAll('td, th')].filter(cell => cell.scrollWidth > cell.clientWidth + 1 || "
            "cell.getBoundingClientRect().right > cell.parentElement.getBoundingClientRect().right)"
        )
        assert await page.evaluate(f"{beyond}.map(cell => cell.textContent)") == [], "what a row clips"
        await page.close()


async def test_print_shows_every_row_and_no_controls(shown: Shown) -> None:
    await shown.page.emulate_media(media="print")
    assert not await shown.page.is_visible("#search")
    styles = "[...document.querySelectorAll('tbody tr')].map(row => getComputedStyle(row).contentVisibility)"
    assert set(await shown.page.evaluate(styles)) == {"visible"}
    assert (await shown.page.pdf()).startswith(b"%PDF")


async def test_without_scripts_the_rows_are_there(browser: Any, small: str) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(small)
    assert await page.locator("tbody tr").count() == 8
    assert await page.locator("th button").first.is_disabled()


async def test_two_thousand_sheets_are_searched_and_sorted_at_once(browser: Any, tmp_path: Path) -> None:
    shown = Shown(await browser.new_page())
    await shown.page.goto((await write_report(tmp_path, many(2000))).as_uri())
    await shown.page.fill("#search", "A-1999")
    assert await shown.rows() == ["A-1999"]
    await shown.page.fill("#search", "")
    await shown.page.click("th:has-text('Number') button")
    assert (await shown.rows())[::999] == ["A-0", "A-999", "A-1998"]
    assert shown.complaints == []


_CONTRASTS = """() => {
  const channel = (value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const parsed = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([red, green, blue]) => 0.2126 * channel(red / 255) + 0.7152 * channel(green / 255)
    + 0.0722 * channel(blue / 255);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parsed(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return parsed(getComputedStyle(document.documentElement).backgroundColor);
  };
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest("svg, script")) continue;
    const [one, other] = [parsed(getComputedStyle(element).color), behind(element)].map(light).sort((a, b) => b - a);
    const name = `${Object.keys(found).length} ${element.className} ${walker.currentNode.data}`;
    found[name] = (one + 0.05) / (other + 0.05);
  }
  return found;
}"""
