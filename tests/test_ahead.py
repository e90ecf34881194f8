"""Generators that run ahead of their readers."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from aps_async.ahead import ReadAhead

pytestmark = pytest.mark.looptime


class Source:
    """Counts to a number, notes how far it came and whether it was closed, and may fail at the end."""

    def __init__(self, end: int, pause: float = 0, problem: Exception | None = None) -> None:
        self.end, self.pause, self.problem = end, pause, problem
        self.begun = 0
        self.closed = False

    async def __call__(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(self.end):
                self.begun += 1
                await asyncio.sleep(self.pause)
                yield number
            if self.problem is not None:
                raise self.problem
        finally:
            self.closed = True


async def test_what_came_meanwhile_comes_together_and_in_order() -> None:
    source = Source(10, pause=1)
    async with aclosing(ReadAhead(source())) as batches:
        await asyncio.sleep(4.5)
        assert await anext(batches) == [0, 1, 2, 3]
        assert [each async for each in batches] == [[4], [5], [6], [7], [8], [9]]
    assert source.closed


@pytest.mark.parametrize(("limit", "begun"), [(None, 1000), (5, 7)])
async def test_no_more_waits_than_is_allowed(limit: int | None, begun: int) -> None:
    source = Source(1000)
    async with aclosing(ReadAhead(source(), limit=limit, size=3)) as batches:
        assert len(await anext(batches)) == 1
        await asyncio.sleep(1)
        assert source.begun == begun
        assert [len(await anext(batches)) for _ in range(2)] == [3, 3 if limit is None else 2]
    assert source.closed


async def test_an_error_comes_after_everything_before_it() -> None:
    seen: list[int] = []
    with pytest.raises(ValueError, match="broken"):  # noqa: PT012
        async with aclosing(ReadAhead(Source(3, problem=ValueError("broken"))())) as batches:
            async for batch in batches:
                await asyncio.sleep(1)
                seen += batch
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("after", [0, 0.5, 3])
async def test_leaving_early_closes_the_generator(after: float) -> None:
    source = Source(10, pause=1)
    async with aclosing(ReadAhead(source(), limit=1)):
        await asyncio.sleep(after)
    assert source.closed == (source.begun > 0)
