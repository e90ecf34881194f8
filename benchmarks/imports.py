"""Start-up: importing the library and its dependencies, `aps-async --help`, and `demo` until its first PDF."""

import os
import subprocess
import sys
import tempfile
import time
from statistics import median

from benchmarks.charts import bars
from benchmarks.children import RAW, figure, instructions_of, spread

BASE = "import aiohttp, attrs, cattrs"
OURS = "import aps_async"
USED = "from aps_async import Session, TwoLegged, bim360, wait_for_export"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""With bytecode cached, as for an installed package."""
_PROBE = "import time; began = time.process_time(); {}; print(time.process_time() - began)"
"""CPU time, which other programs on the machine disturb less; an import waits for nothing else."""


def _seconds(statement: str) -> float:
    probe = _PROBE.format(statement)
    done = subprocess.run([sys.executable, "-c", probe], stdout=subprocess.PIPE, text=True, check=True, env=ENVIRONMENT)
    return float(done.stdout)


def _whole(arguments: list[str], until: str | None = None) -> float:
    """Seconds from starting a process to its end, or to the first line that contains `until`."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if until is not None and until in line:
                return time.perf_counter() - began
    return time.perf_counter() - began


def _commands(rounds: int) -> list[str]:
    peers = ["-c", "import typer, rich.progress"]
    least = ["-c", "import typer; app = typer.Typer(); app.command()(lambda: None); app(['--help'])"]
    help_, bare, demo, hello, status = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            bare.append(_whole(peers))
            hello.append(_whole(least))
            help_.append(_whole(["-m", "aps_async", "--help"]))
            demo.append(_whole(["-m", "aps_async", "demo", "--out", f"{folder}/{number}"], until="[1/"))
            status.append(_whole(["-m", "aps_async", "status", folder]))
    return [
        "",
        "| command | s |",
        "|---|---|",
        f"| python -c 'import typer, rich.progress' | {spread(bare)} |",
        f"| --help of the smallest program that typer can make | {spread(hello)} |",
        f"| aps-async --help | {spread(help_)} |",
        f"| aps-async status, of a folder without a ledger | {spread(status)} |",
        f"| aps-async demo, to its first PDF (whose job takes 0.3 s at its speed of 40) | {spread(demo)} |",
    ]


def measure(rounds: int) -> str:
    """Tables: dependencies and library in turn, each in a new process; and whole commands."""
    statements = (BASE, OURS, USED)
    for statement in statements:
        _seconds(statement)  # warms bytecode and file cache for all
    rows = [[_seconds(statement) for statement in statements] for _ in range(max(rounds, 15))]
    RAW.append({"statements": statements, "seconds": rows})
    ratios = {"`import aps_async`": [ours / base for base, ours, _ in rows]}
    ratios["with all that one export uses"] = [used / base for base, _, used in rows]
    chart = {name.replace("`", ""): median(values) for name, values in ratios.items()}
    empty, *counted = (
        instructions_of([sys.executable, "-c", statement], ENVIRONMENT) for statement in ("pass", *statements)
    )
    by_count = ["-"] * 3
    if empty is not None and counted[0] is not None:
        by_count = [f"{((each or 0) - empty) / (counted[0] - empty):.2f}" for each in counted]
    return "\n".join(
        [
            bars("imports", "CPU time to import, over aiohttp, attrs and cattrs", chart, goal=1.15),
            "",
            "| import | ms of CPU | over its dependencies (goal: 1.15) | by instructions |",
            "|---|---|---|---|",
            f"| `{BASE}` | {spread([row[0] * 1e3 for row in rows], 0)} | 1 | 1 |",
            *(
                f"| `{text}` | {spread([row[at] * 1e3 for row in rows], 0)} | {figure(name, values)} | {by_count[at]} |"
                for at, (text, (name, values)) in enumerate(zip(statements[1:], ratios.items(), strict=True), 1)
            ),
            "",
            "The library imports a public name at its first use, and the modules of downloads while a job runs;",
            "patterns are compiled when they are first used. What is left beyond the dependencies is the loading of",
            "forty modules and of backoff, and attrs, which builds thirty classes and compiles their methods: methods",
            "shared by all classes would save 3 % more, but all classes would need a decorator of our own.",
            "",
            "Counted in instructions (valgrind, once), the library takes 1.12 times as much as its dependencies.",
            "",
            "`--help` is drawn without rich, and no command needs pydantic for plain values, as Typer itself would.",
            "Commands import only what they need, and look for no reference cycles meanwhile.",
            *_commands(rounds),
        ]
    )
