"""A sample of the histories that `python -m benchmarks histories` plays by the thousand."""

import pytest

from benchmarks.histories import STEPS, play


@pytest.mark.parametrize("kind", ["bim360", "acc"])
@pytest.mark.parametrize("first", range(0, 50, 10))
def test_no_file_is_stale_or_missing_without_being_named(kind: str, first: int) -> None:
    syncs = sum(play(seed, kind, steps=4).syncs for seed in range(first, first + 10))
    assert syncs == 40


@pytest.mark.parametrize("seed", [33352, 33442])
def test_sheets_that_share_a_number_keep_files_of_their_own(seed: int) -> None:
    assert play(seed, "acc").syncs == STEPS
