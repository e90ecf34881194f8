"""One PostgreSQL for all of these tests, and an empty database for each."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from aps_async.workers import Database, RunStore
from tests.cli.conftest import cli
from tests.postgres import Postgres, postgres

__all__ = ["cli"]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with postgres(fsync=False) as running:
        yield running


@pytest.fixture
def url(server: Postgres) -> str:
    return server.fresh_database(f"test_{next(_numbers)}")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with Database(url, patience=20.0) as opened:
        await RunStore.opened(opened)
        yield opened
