"""Faults put into copies of this tree one by one: how many of them the tests notice.

`mutants.toml` lists them, each with the few tests of which one must fail.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from attrs import asdict, evolve, frozen

from benchmarks.children import FIGURES, RAW

ROOT = Path(__file__).parent.parent
COPIES = 2  # worked on at once
LIMIT = 60.0
"""Seconds after which the tests have noticed that something does not end."""
_COPIED = ("aps_async", "tests", "benchmarks", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")
_ticks = count(1_000_000_000)


@frozen(kw_only=True)
class Mutant:
    """One change of one place."""

    name: str
    file: str
    """Below `aps_async`."""
    old: str
    """Code that occurs exactly once in the file."""
    new: str
    tests: tuple[str, ...]
    """Below `tests`, as pytest takes them."""
    equivalent: str = ""
    """Why no test can notice it."""


@frozen(kw_only=True)
class Verdict:
    """What the tests made of a mutant."""

    name: str
    file: str
    result: str
    """`killed`, `survived`, `equivalent`, or `broken` if the tests could not be run."""
    seconds: float = 0.0
    words: str = ""
    failed: tuple[str, ...] = ()
    """The tests that noticed it."""


def mutants() -> list[Mutant]:
    """The table."""
    with Path(__file__).with_suffix(".toml").open("rb") as file:
        rows = tomllib.load(file)["mutant"]
    return [Mutant(**{**row, "tests": tuple(row["tests"].split())}) for row in rows]


def measure(rounds: int) -> str:
    """A table. There is one round, whatever `rounds` is: a test that notices a fault only now and then is useless."""
    del rounds
    began, table = time.monotonic(), mutants()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(COPIES) as threads:
        copies = [copied(Path(folder) / str(number)) for number in range(COPIES)]
        shares = [table[number::COPIES] for number in range(COPIES)]
        verdicts = [one for share in threads.map(_judged_all, copies, shares) for one in share]
        verdicts = _confirmed(copies[0], verdicts)
    RAW.extend(asdict(each) for each in verdicts)
    return _text(table, verdicts, time.monotonic() - began)


def copied(folder: Path) -> Path:
    """A copy of what the tests need of this tree."""
    for name in _COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
        else:
            shutil.copy2(ROOT / name, folder / name)
    return folder


def _judged_all(copy: Path, table: Iterable[Mutant]) -> list[Verdict]:
    return [judged(copy, each) for each in table]


def _confirmed(copy: Path, verdicts: list[Verdict]) -> list[Verdict]:
    """The same, except that a test which fails without a mutant too has killed none."""
    noticed = dict.fromkeys(test for each in verdicts for test in each.failed)
    _, words, failed = _tested(copy, noticed, "-n", str(COPIES), limit=10 * LIMIT)
    if not re.match(rf"\d+ passed|{len(failed)} failed", words):
        raise AssertionError(f"the tests without any mutant: {words}")
    words = "its test fails without it too"
    return [evolve(each, result="broken", words=words) if set(each.failed) & set(failed) else each for each in verdicts]


def judged(copy: Path, mutant: Mutant) -> Verdict:
    """Applies a mutant to a copy, runs its tests, and takes it back."""
    if mutant.equivalent:
        return Verdict(name=mutant.name, file=mutant.file, result="equivalent", words=mutant.equivalent)
    path, began = copy / "aps_async" / mutant.file, time.monotonic()
    text = path.read_text()
    assert text.count(mutant.old) == 1, f"{mutant.file}: {mutant.old!r}"
    try:
        _put(path, text.replace(mutant.old, mutant.new))
        code, words, failed = _tested(copy, (f"tests/{test}" for test in mutant.tests), "-x", "-n", "0", limit=LIMIT)
    finally:
        _put(path, text)
    result = {0: "survived", 1: "killed"}.get(code, "broken")
    seconds = time.monotonic() - began
    return Verdict(name=mutant.name, file=mutant.file, result=result, seconds=seconds, words=words, failed=failed)


def _put(path: Path, text: str) -> None:
    path.write_text(text)
    tick = next(_ticks)  # Python takes a file of the same size and second for the one that it has compiled
    os.utime(path, (tick, tick))


def _tested(copy: Path, tests: Iterable[str], *options: str, limit: float) -> tuple[int, str, tuple[str, ...]]:
    """pytest's exit code, its summary, and the tests that failed. Tests that do not end have noticed something: 1."""
    cache = copy.with_suffix(".cache")
    shutil.rmtree(cache, ignore_errors=True)
    places = ("-o", f"cache_dir={cache}", f"--basetemp={copy}.tmp")
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", *places, *options, *tests],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # what the tests started too
        process.communicate()
        return 1, f"not done in {limit:g} s", ()
    summaries = re.findall(r"^\d+ (?:passed|failed|error).*", output, re.MULTILINE)
    noted = cache / "v" / "cache" / "lastfailed"
    failed = tuple(json.loads(noted.read_text())) if noted.exists() else ()
    return process.returncode, summaries[-1] if summaries else output[-500:], failed


def _text(table: list[Mutant], verdicts: list[Verdict], seconds: float) -> str:
    by_result = {name: [each for each in verdicts if each.result == name] for name in ("killed", "survived", "broken")}
    counted = sum(map(len, by_result.values()))
    FIGURES["killed"] = [len(by_result["killed"]) / counted]
    files = dict.fromkeys(each.file for each in table)
    lines = [
        f"{len(by_result['killed'])} of {counted} mutants killed ({len(by_result['killed']) / counted:.1%}), "
        f"in {seconds / 60:.1f} minutes.",
        "",
        "| file | killed | survived | names |",
        "|---|---|---|---|",
    ]
    for file in files:
        here = [each for each in verdicts if each.file == file]
        counts = [sum(each.result == result for each in here) for result in ("killed", "survived")]
        names = "; ".join(each.name for each in here)
        lines.append(f"| {file} | {counts[0]} | {counts[1]} | {names} |")
    for result in ("survived", "broken", "equivalent"):
        found = [each for each in verdicts if each.result == result]
        lines += ["", f"{result.capitalize()}:", ""] * bool(found)
        lines += [f"- {each.file}: {each.name} ({each.words})" for each in found]
    return "\n".join(lines)
