"""`kill -9` of a sync that prunes. `python -m benchmarks prunes` does it fifty times, at any moment."""

import random
import subprocess
from functools import partial
from typing import Any

import pytest

from benchmarks import prunes
from benchmarks.kills import wait_for_calls


def _after(calls: int, process: "subprocess.Popen[str]", at: dict[str, Any]) -> None:
    wait_for_calls(process, at, prunes.CHANGED, calls)


@pytest.mark.long
def test_three_kills_lose_nothing_and_leave_nothing_stale() -> None:
    dice, found = random.Random(), prunes.Found()  # noqa: S311 - other moments each time
    with prunes.two_weeks(30) as weeks:
        assert len(weeks.expected) > 30
        for options in ((), ("--name", "{number}"), ()):
            prunes.kill_and_go_on(weeks, partial(_after, dice.randrange(1, weeks.calls)), found, *options)
    assert (found.runs, found.lost, found.broken, found.different) == (3, [], [], [])
    assert found.killed
