"""`kill -9` in the middle, several times: nothing is lost, nothing is fetched twice. `python -m benchmarks kills` does
it fifty times, at any moment."""

import random
import subprocess
from typing import Any

import pytest

from benchmarks import kills


def after(ended: int) -> kills.Moment:
    """The moment at which so many sheets are done, as the command tells."""

    def wait(process: "subprocess.Popen[str]", at: dict[str, Any]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(f"[{ended}/"):
                return
        raise AssertionError("it came to its end")

    return wait


@pytest.mark.long
def test_four_kills_cost_nothing_but_what_was_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kills, "SHEETS", 200)  # so that there is a wait for the next minute's starts, as with 300
    dice = random.Random()  # noqa: S311 - other moments each time
    moments = sorted(dice.sample(range(1, 190), 4))  # each run counts what was already there, too
    _, right = kills.undisturbed("--no-report")
    told = kills.killed([after(each) for each in moments], right)
    assert [kill.files >= least for kill, least in zip(told.kills, moments, strict=True)] == [True] * 4, moments
    assert all(kill.lost <= kills.IN_FLIGHT for kill in told.kills)
    assert (told.fetched_again, told.started_again) == (0, 0)
    assert told.left == {".aps-async.sqlite", ".aps-async.lock", "register.csv", "register.json", "report.html"}
