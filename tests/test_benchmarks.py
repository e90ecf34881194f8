"""The benchmarks run, write their results, and distinguish a change from noise."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks.compare import is_alike, table

ROOT = Path(__file__).parent.parent


def results(folder: Path, name: str, **figures: list[float]) -> Path:
    folder.mkdir(exist_ok=True)
    kept: dict[str, Any] = {"ended": "2026-11-22 01:00 UTC", "figures": figures}
    (folder / f"{name}.json").write_text(json.dumps(kept))
    return folder


def test_a_measurement_leaves_a_table_a_chart_and_raw_figures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "latency", "--rounds", "1", "--into", str(tmp_path)]
    done = subprocess.run(  # noqa: S603 - a command of our own
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "latency.md").read_text() in done.stdout
    chart = ET.parse(tmp_path / "latency.svg").getroot()  # noqa: S314 - made a moment ago
    assert chart.tag.endswith("svg")
    raw = json.loads((tmp_path / "latency.json").read_text())
    [run] = raw["runs"]
    assert raw["figures"]["mean s"] == [run["told"]["mean"]]
    assert 0 < run["told"]["mean"] < 4  # seconds after it was done; the poll interval is 2
    assert raw["machine"]["aiohttp"]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ([1.0, 1.1, 1.2], [1.0, 1.1, 1.2], True),
        ([1.0, 1.1, 1.2], [1.15, 1.2, 1.25], True),  # medians within a tenth
        ([1.0, 1.5, 3.0], [1.2, 2.0, 2.5], True),  # noisy, and each inside the other
        ([1.0, 1.0, 1.0], [1.2, 1.2, 1.2], False),
        ([1.0, 1.1, 9.0], [2.0, 2.1, 2.2], False),  # one wild round hides nothing
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], True),
    ],
)
def test_two_runs_are_alike_or_not(one: list[float], other: list[float], alike: bool) -> None:
    assert is_alike(one, other) is alike
    assert is_alike(other, one) is alike


def test_two_runs_side_by_side(tmp_path: Path) -> None:
    before = results(tmp_path / "before", "polls", same=[1.0, 1.1], slower=[1.0, 1.0], gone=[1.0])
    now = results(tmp_path / "now", "polls", same=[1.05, 1.1], slower=[1.5, 1.5], new=[1.0])
    results(now, "latency", only_here=[1.0])
    text = table(before, now)
    assert "1 of 2 are." in text
    assert "| polls | same | 1.050 (1.000-1.100) | 1.075 (1.050-1.100) | yes |" in text
    assert "| polls | slower | 1.000 (1.000-1.000) | 1.500 (1.500-1.500) | **no** |" in text
    assert "gone" not in text
    assert "only_here" not in text
