"""What importing the library costs over importing what it stands on."""

import subprocess
import sys
from statistics import median

from benchmarks.children import spread

BASE = "import aiohttp, attrs, cattrs"
OURS = "import aps_async"
_PROBE = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"


def _seconds(statement: str) -> float:
    probe = _PROBE.format(statement)
    done = subprocess.run([sys.executable, "-c", probe], stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def measure(rounds: int) -> str:
    """A table: dependencies and library in turn, each in a new process."""
    _seconds(BASE), _seconds(OURS)  # byte code and file cache are warm for both
    pairs = [(_seconds(BASE), _seconds(OURS)) for _ in range(max(rounds, 15))]
    ratio = median(ours for _, ours in pairs) / median(base for base, _ in pairs)
    return "\n".join(
        [
            "| import | ms |",
            "|---|---|",
            f"| aiohttp, attrs, cattrs | {spread([base * 1e3 for base, _ in pairs], 0)} |",
            f"| aps_async | {spread([ours * 1e3 for _, ours in pairs], 0)} |",
            "",
            f"Ratio of the medians: **{ratio:.2f}** (goal: at most 1.25).",
        ]
    )
