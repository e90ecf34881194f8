"""Runs measurements and writes their tables: `python -m benchmarks [name ...]`, all of them without a name.

It needs Debian's nginx, curl, aria2 and wget2 for `downloads`, and msgspec and pydantic for `values`.
"""

import argparse
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks import (
    bulk,
    children,
    downloads,
    growth,
    imports,
    kills,
    latency,
    ledger,
    memory,
    million,
    pending,
    policies,
    polls,
    sdk,
    values,
    workers,
)

MEASUREMENTS = {
    "imports": imports.measure,
    "memory": memory.measure,
    "bulk": bulk.measure,
    "latency": latency.measure,
    "polls": polls.measure,
    "downloads": downloads.measure,
    "pending": pending.measure,
    "policies": policies.measure,
    "growth": growth.measure,
    "values": values.measure,
    "sdk": sdk.measure,
    "kills": kills.measure,
    "ledger": ledger.measure,
    "workers": workers.measure,
    "million": million.measure,
}
RESULTS = Path(__file__).with_name("results")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *MEASUREMENTS], help="what to measure; all by default")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each (default 7)")
    arguments = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    packages = ("aiohttp", "yarl", "cattrs", "orjson", "uvloop")
    machine = {
        "python": platform.python_version(),
        "system": platform.system(),
        "cores": len(os.sched_getaffinity(0)),
        **{package: version(package) for package in packages},
    }
    for name in arguments.names or MEASUREMENTS:
        children.RAW.clear()
        table = MEASUREMENTS[name](arguments.rounds)
        command = f"python -m benchmarks {name} --rounds {arguments.rounds}"
        on = ", ".join(f"{what} {which}" for what, which in machine.items())
        text = f"# {name}\n\n`{command}` on {on}.\nMedian (least-greatest); `~` marks a noisy row.\n\n{table}\n"
        (RESULTS / f"{name}.md").write_text(text)
        raw = {"command": command, "machine": machine, "runs": children.RAW}
        (RESULTS / f"{name}.json").write_text(json.dumps(raw, indent=1) + "\n")
        sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
