"""Lists by offset: what is on them comes once, however pages are counted, cut or moved."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from aps_async import Session, StaticToken, sheets
from aps_async.errors import DecodeError
from aps_async.resources.associations import list_associations
from tests.support import served

pytestmark = pytest.mark.looptime

PROJECT = "5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18"
ALL = [{"id": f"id-{number:03d}", "number": f"A-{number}"} for number in range(250)]
UNREADABLE = [*ALL[:5], {"number": "A-5"}, *ALL[6:]]

Pages = Callable[[int, int], dict[str, Any]]
"""The page at an offset, and in which call."""


def page(at: int, items: list[dict[str, str]] = ALL, *, size: int = 100, **pagination: Any) -> dict[str, Any]:
    """The entries from an offset on; a pagination of None is not sent."""
    shown = {key: value for key, value in pagination.items() if value is not ...}
    return {"results": items[at : at + size], "pagination": {"limit": 100, "offset": at, **shown}}


def counted(at: int, items: list[dict[str, str]]) -> dict[str, Any]:
    """A page with the length of the list."""
    return page(at, items, totalResults=len(items))


@pytest.mark.parametrize(
    ("pages", "count", "calls"),
    [
        pytest.param(lambda at, _: counted(at, ALL), 250, 3, id="as documented"),
        pytest.param(lambda at, _: {"results": ALL[at : at + 100]}, 250, 4, id="no pagination"),
        pytest.param(lambda at, _: {"results": ALL[at : at + 100], "pagination": None}, 250, 4, id="null"),
        pytest.param(lambda at, _: {"results": UNREADABLE[at : at + 100]}, 249, 4, id="no pagination, unreadable item"),
        pytest.param(lambda at, _: counted(at, UNREADABLE), 249, 3, id="unreadable item"),
        pytest.param(lambda at, _: page(at, totalResults=0), 250, 3, id="total of 0"),
        pytest.param(lambda at, _: page(at, totalResults=-1), 250, 3, id="negative total"),
        pytest.param(lambda at, _: page(at, totalResults="250"), 250, 4, id="total as text"),
        pytest.param(lambda at, _: page(at, totalResults=len(ALL[at : at + 100])), 250, 9, id="total of the page"),
        pytest.param(lambda at, _: page(at, size=50, totalResults=250), 250, 5, id="short pages"),
        pytest.param(
            lambda at, _: page(at, size=50, nextUrl="/x" if at < 200 else ""), 250, 5, id="short pages without total"
        ),
        pytest.param(
            lambda at, _: page(at, size=50, totalResults=50, nextUrl="/x" if at < 200 else ""),
            250,
            5,
            id="beyond total",
        ),
        pytest.param(lambda at, _: page(at, totalResults=250, nextUrl="/x"), 250, 4, id="next to nothing"),
        pytest.param(lambda at, call: counted(at, ALL[call > 1 :]), 250, 6, id="one removed meanwhile"),
        pytest.param(lambda at, call: counted(at, ALL if call > 1 else ALL[1:]), 250, 6, id="one added in front"),
        pytest.param(lambda at, call: counted(at, ALL[: 150 if call < 2 else 250]), 250, 6, id="some added behind"),
    ],
)
@pytest.mark.parametrize("kind", ["sheets", "cost"])
async def test_no_item_is_lost_or_comes_twice(kind: str, pages: Pages, count: int, calls: int) -> None:
    asked = list[int]()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(int(request.query["offset"]))
        return web.json_response(pages(asked[-1], len(asked)))

    async with served(answer) as base, Session(StaticToken("x"), base_url=base) as session:
        if kind == "sheets":
            found = [each.id async for each in sheets.list_sheets(session, PROJECT)]
        else:
            found = [each.id async for each in list_associations(session, PROJECT, "Budget")]
    assert len(found) == len(set(found)) == count
    assert len(asked) <= calls
    assert [each.id for each in session.warnings if each.left_out] == ["A-5"] * (count == 249)


async def test_what_is_counted_and_not_listed_is_a_warning() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(page(int(request.query["offset"]), totalResults=300))

    async with served(answer) as base, Session(StaticToken("x"), base_url=base) as session:
        assert len([each async for each in sheets.list_sheets(session, PROJECT)]) == 250
    [warning] = session.warnings
    assert str(warning).startswith(
        "part of the list was left out: the service counts 300 items, and listed 250 (GET /construction/sheets/v1/"
    )


async def test_a_service_that_ignores_offsets_is_an_error() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(page(0, totalResults=250))

    async with served(answer) as base, Session(StaticToken("x"), base_url=base) as session:
        with pytest.raises(DecodeError, match="the list does not end"):
            [each async for each in sheets.list_sheets(session, PROJECT)]
