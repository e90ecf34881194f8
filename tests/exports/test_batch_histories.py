"""A sample of the histories that `python -m benchmarks batches` plays by the thousand."""

from pathlib import Path

import pytest

from aps_async.pdf.page_names import NamedPages
from benchmarks.batches import WrongPageError, play, shows
from tests.sync.sheets import make_pdf


@pytest.mark.parametrize("first", range(0, 50, 10))
def test_no_page_gets_a_wrong_name(first: int) -> None:
    runs = [play(seed, steps=1 + seed % 2) for seed in range(first, first + 10)]
    assert all(run.files for run in runs)
    assert sum(run.in_batches for run in runs) > 20
    assert sum(run.alone for run in runs) > 10


def test_a_wrong_name_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above could not fail."""

    def in_order(_: object, __: Path, numbers: list[str]) -> NamedPages:
        return NamedPages(page_of=tuple(range(len(numbers))))

    monkeypatch.setattr("aps_async.pdf.splitting.find_pages", in_order)
    with pytest.raises(WrongPageError):
        play(4, steps=1)
    assert not shows(make_pdf(tmp_path / "A - Unique 1.pdf"), 1)
