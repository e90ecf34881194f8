"""Runs measurements and writes their tables: `python -m benchmarks [name ...]`, all of them without a name."""

import argparse
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks import bulk, downloads, imports, memory, pending, policies, polls

MEASUREMENTS = {
    "imports": imports.measure,
    "memory": memory.measure,
    "bulk": bulk.measure,
    "polls": polls.measure,
    "downloads": downloads.measure,
    "pending": pending.measure,
    "policies": policies.measure,
}
RESULTS = Path(__file__).with_name("results")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *MEASUREMENTS], help="what to measure; all by default")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each (default 7)")
    arguments = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    machine = f"Python {platform.python_version()}, aiohttp {version('aiohttp')}, {platform.system()}, 2 cores shared"
    for name in arguments.names or MEASUREMENTS:
        table = MEASUREMENTS[name](arguments.rounds)
        command = f"python -m benchmarks {name} --rounds {arguments.rounds}"
        text = f"# {name}\n\n`{command}` on {machine}.\n\n{table}\n"
        (RESULTS / f"{name}.md").write_text(text)
        sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
