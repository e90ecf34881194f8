"""Runs measurements and writes their tables: `python -m benchmarks [name ...]`, all of them without a name.

It needs Debian's nginx, curl, aria2 and wget2 for `downloads`, msgspec and pydantic for `values`, and for `sdk` an
interpreter with autodesk-platform-sdk in APS_BENCH_SDK_PYTHON. With Debian's linux-perf it counts instructions too.
"""

import argparse
import json
import os
import platform
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from benchmarks import charts, children, compare

NAMES = (
    "imports",
    "memory",
    "bulk",
    "latency",
    "polls",
    "downloads",
    "hashing",
    "pending",
    "run",
    "hangs",
    "policies",
    "growth",
    "values",
    "merge",
    "sdk",
)
LONG = ("batches", "chaos", "kills", "prunes", "ledger", "workers", "million", "mutants", "histories", "sync", "scale")
"""Long measurements, of what a run survives rather than of speed: run only by name; the others take half an hour."""
RESULTS = Path(__file__).with_name("results")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[[], *NAMES, *LONG], help=f"what to measure; all but {', '.join(LONG)} by default"
    )
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each (default 7)")
    parser.add_argument("--into", type=Path, default=RESULTS, metavar="DIR", help="where the tables go")
    parser.add_argument(
        "--against", type=Path, metavar="DIR", help="compare with another day's results and write repeat.md"
    )
    arguments = parser.parse_args()
    arguments.into.mkdir(exist_ok=True, parents=True)
    began = time.monotonic()
    for name in arguments.names or NAMES:
        table = import_module(f"benchmarks.{name}").measure(arguments.rounds)  # each needs its own packages
        measured(name, table, arguments.rounds, arguments.into)
    sys.stdout.write(f"all in {(time.monotonic() - began) / 60:.1f} minutes\n")
    if arguments.against is not None:
        text = compare.table(arguments.against, arguments.into)
        (RESULTS / "repeat.md").write_text(text)
        sys.stdout.write(text)


def measured(name: str, table: str, rounds: int, into: Path) -> None:
    """Writes the results of a measurement: the table, its charts, the raw figures."""
    packages = ("aiohttp", "yarl", "cattrs", "orjson", "uvloop")
    machine = {
        "python": platform.python_version(),
        "system": platform.system(),
        "cores": len(os.sched_getaffinity(0)),
        **{package: version(package) for package in packages},
        "load": f"{os.getloadavg()[1]:.1f}",
    }
    command = f"python -m benchmarks {name} --rounds {rounds}"
    on = ", ".join(f"{what} {which}" for what, which in machine.items())
    text = f"# {name}\n\n`{command}` on {on}.\nMedian (least-greatest); `~` marks a noisy row.\n\n{table}\n"
    (into / f"{name}.md").write_text(text)
    raw = {
        "command": command,
        "ended": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine,
        "figures": children.FIGURES,
        "runs": children.RAW,
    }
    (into / f"{name}.json").write_text(json.dumps(raw, indent=1) + "\n")
    charts.written(into)
    children.RAW.clear()
    children.FIGURES.clear()
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
