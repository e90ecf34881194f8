"""The benchmarks run, write their results, and distinguish a change from noise."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks import chaos, children, merge
from benchmarks.compare import is_alike, table
from benchmarks.faulty_responses import FAULTS, Request, Response, fault_of
from benchmarks.mutants import Mutant, Verdict, copied, judged, mutants

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


def test_joining_sheets_is_measured_beside_the_plain_way() -> None:
    found = merge.measure(1, 20)
    assert "20 made sheets of one page, 5 MiB" in found
    assert found.count("| `Pdf.pages.extend`") == 2


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


@pytest.mark.long
def test_half_of_all_responses_harmed_and_two_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[Any] = []
    monkeypatch.setattr(children, "RAW", runs)
    monkeypatch.setattr(chaos, "RAW", runs)
    text = chaos.measure(2, chaos.Size(sheets=40, kills=2, step=20))
    undisturbed, killed = (run["result"] for run in runs)
    for run in (undisturbed, killed):
        assert (run["wrong"], run["lost"], run["untyped"]) == (0, 0, []), run
        assert run["left"] == [".aps-async.lock", ".aps-async.sqlite", "register.csv", "register.json", "report.html"]
        assert 0.4 < sum(run["faults"].values()) / run["requests"] < 0.6
    assert (undisturbed["kills"], killed["kills"]) == (0, 2)
    assert "| projects | BIM360 | BIM360 and ACC |" in text
    assert "| sheets lost | 0 | 0 |" in text


def test_a_fault_is_drawn_by_the_call_and_not_by_the_order_of_calls() -> None:
    requests = [Request("GET", f"/exports/{number}", {}, of_storage=False) for number in range(300)]
    drawn = [fault_of(1, 0.5, each, 1) for each in requests]
    again = [fault_of(1, 0.5, each, 1) for each in reversed(requests)][::-1]
    assert [(fault, dice.random()) for fault, dice in drawn] == [(fault, dice.random()) for fault, dice in again]
    assert [fault for fault, _ in drawn] != [fault_of(2, 0.5, each, 1)[0] for each in requests]
    assert all(fault is None for fault, _ in (fault_of(1, 0.0, each, 1) for each in requests))


def test_every_fault_occurs() -> None:
    rest = Request("GET", "/file", {"range": "bytes=9-"}, of_storage=True)
    poll = Request("GET", "/exports/1", {}, of_storage=False)
    drawn = {fault_of(0, 1.0, request, number)[0] for request in (rest, poll) for number in range(2000)}
    assert drawn == set(FAULTS)


@pytest.mark.parametrize("name", ["truncated JSON", "garbled JSON"])
def test_no_document_that_comes_to_harm_is_another_one(name: str) -> None:
    [fault] = [each for each in FAULTS if each.name == name]
    body = json.dumps({"id": "1", "links": [{"href": 'a "quoted" word'}], "status": "completed"}).encode()
    for seed in range(500):
        dice = random.Random(seed)  # noqa: S311 - guards nothing
        harmed = fault.change(Response(200, [], body), dice).body.decode("utf-8", "replace")
        with pytest.raises(json.JSONDecodeError):
            json.loads(harmed, strict=False)


# ---------------------------------------------------------------- mutants


@pytest.mark.parametrize("mutant", mutants(), ids=lambda each: each.name)
def test_every_mutant_still_has_its_place_and_its_tests(mutant: Mutant) -> None:
    """Otherwise the code has changed: adapt `benchmarks/mutants.toml`."""
    assert (ROOT / "aps_async" / mutant.file).read_text().count(mutant.old) == 1
    assert mutant.new != mutant.old
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        text = (ROOT / "tests" / file).read_text()
        assert not name or f"def {name}(" in text


def test_there_are_mutants_of_every_part() -> None:
    table = mutants()
    assert len(table) == len({each.name for each in table}) >= 60
    parts = {each.file.partition("/")[0] for each in table}
    assert parts >= {"session.py", "transport", "downloads", "exports", "polling.py", "auth", "ledger", "filesystem.py"}
    assert sum(bool(each.equivalent) for each in table) <= len(table) // 20


def test_a_mutant_is_killed_survives_or_is_broken(tmp_path: Path) -> None:
    copy = copied(tmp_path / "copy")
    place = {"file": "links.py", "old": 'text = re.sub(_JWT, "…", text)', "tests": ("test_links.py",)}

    def result(**more: Any) -> Verdict:
        return judged(copy, Mutant(**{"name": "x", "new": "", **place, **more}))

    assert result().result == "killed"
    assert result(new='text = re.sub(_JWT, "…", f"{text}")').result == "survived"
    assert result(new="text = (").result == "broken"
    assert result(equivalent="no reason").result == "equivalent"
    assert (copy / "aps_async" / "links.py").read_text() == (ROOT / "aps_async" / "links.py").read_text()
