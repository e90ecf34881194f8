"""What is odd about a sheet's file: every sync reports it, as long as that file is the sheet's."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from aps_async.ledger import LEDGER_NAME
from aps_async.sync.naming import NamePattern
from aps_async.sync.outcomes import SheetState
from tests.sync.test_sync import Site, site

pytestmark = pytest.mark.looptime

__all__ = ["site"]

WORDS = "the PDF has no end mark (%%EOF), although its length is right"


@pytest.mark.parametrize(
    ("how", "state"),
    [
        ({}, SheetState.UNCHANGED),
        ({"verify": True}, SheetState.UNCHANGED),
        ({"pattern": NamePattern("{title}")}, SheetState.RENAMED),
    ],
    ids=["plain", "verify", "renamed"],
)
async def test_a_warning_stays_with_the_file(site: Site, how: dict[str, Any], state: SheetState) -> None:
    await site.sync()
    with closing(sqlite3.connect(site.folder / LEDGER_NAME)) as ledger, ledger:
        ledger.execute("UPDATE exports SET warnings=? WHERE name LIKE 'A-101%'", (json.dumps([WORDS]),))
    for expected in (state, SheetState.UNCHANGED):
        found = {each.number: each for each in (await site.sync(**how)).values()}
        assert {number: each.warnings for number, each in found.items() if each.warnings} == {"A-101": (WORDS,)}
        assert found["A-101"].state is expected
        assert WORDS in found["A-101"].in_words
    site.revise(next(iter(site.simulator.world.items.values())))
    found = {each.number: each for each in (await site.sync(**how)).values()}
    assert (found["A-101"].state, found["A-101"].warnings) == (SheetState.REVISED, ())
