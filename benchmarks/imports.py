"""Start-up: importing the library over what it stands on, `aps-async --help`, and `demo` to its first PDF."""

import subprocess
import sys
import tempfile
import time
from statistics import median

from benchmarks.children import spread

BASE = "import aiohttp, attrs, cattrs"
OURS = "import aps_async"
USED = "from aps_async import Session, TwoLegged, bim360, wait_for_export"
_PROBE = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"


def _seconds(statement: str) -> float:
    probe = _PROBE.format(statement)
    done = subprocess.run([sys.executable, "-c", probe], stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def _whole(arguments: list[str], until: str | None = None) -> float:
    """Seconds from starting a process to its end, or to the first line that holds `until`."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if until is not None and until in line:
                return time.perf_counter() - began
    return time.perf_counter() - began


def _commands(rounds: int) -> list[str]:
    peers = ["-c", "import typer, rich.progress"]
    help_, bare, demo = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            bare.append(_whole(peers))
            help_.append(_whole(["-m", "aps_async", "--help"]))
            demo.append(_whole(["-m", "aps_async", "demo", "--out", f"{folder}/{number}"], until="[1/"))
    return [
        "",
        "| command | s |",
        "|---|---|",
        f"| python -c 'import typer, rich.progress' | {spread(bare)} |",
        f"| aps-async --help | {spread(help_)} |",
        f"| aps-async demo, to its first PDF (jobs take about a second at its speed of 20) | {spread(demo)} |",
    ]


def measure(rounds: int) -> str:
    """A table: dependencies and library in turn, each in a new process."""
    statements = (BASE, OURS, USED)
    for statement in statements:
        _seconds(statement)  # byte code and file cache are warm for all
    rows = [[_seconds(statement) for statement in statements] for _ in range(max(rounds, 15))]
    base, ours, used = (median(column) for column in zip(*rows, strict=True))
    return "\n".join(
        [
            "| import | ms |",
            "|---|---|",
            *(f"| `{text}` | {spread([row[at] * 1e3 for row in rows], 0)} |" for at, text in enumerate(statements)),
            "",
            f"`import aps_async` over its dependencies: **{ours / base:.2f}** (goal: at most 1.15); it imports a",
            f"public name at its first use. With all that one export uses: {used / base:.2f}.",
            *_commands(rounds),
        ]
    )
