"""Two runs' figures side by side: `python -m benchmarks --into DIR --against benchmarks/results`."""

import json
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.children import spread


def table(before: Path, now: Path) -> str:
    """A table of every figure that both runs have."""
    rows, apart = [], 0
    ended: list[dict[str, str]] = [{}, {}]
    for path in sorted(now.glob("*.json")):
        if not (before / path.name).exists():
            continue
        runs: list[dict[str, Any]] = [json.loads((folder / path.name).read_text()) for folder in (before, now)]
        for when, run in zip(ended, runs, strict=True):
            when[path.stem] = run.get("ended", "unknown")
        for name, values in runs[1].get("figures", {}).items():
            earlier = runs[0].get("figures", {}).get(name)
            if earlier is None:
                continue
            alike = is_alike(earlier, values)
            apart += not alike
            cells = " | ".join([spread(earlier, 3), spread(values, 3), "yes" if alike else "**no**"])
            rows.append(f"| {path.stem} | {name} | {cells} |")
    times = [f"{min(when.values(), default='-')} to {max(when.values(), default='-')}" for when in ended]
    return "\n".join(
        [
            "# repeat",
            "",
            "`python -m benchmarks --into DIR --against benchmarks/results`",
            "",
            f"All figures of two runs on a machine of the same kind: {times[0]}, and {times[1]}.",
            "Alike: the medians are within a tenth of each other, or each lies in the other's range.",
            f"{len(rows) - apart} of {len(rows)} are.",
            "",
            "| | figure | first run | second run | alike |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def is_alike(one: list[float], other: list[float]) -> bool:
    """Whether two lists of rounds agree."""
    a, b = median(one), median(other)
    inside = min(other) <= a <= max(other) and min(one) <= b <= max(one)
    return inside or abs(a - b) <= 0.1 * max(abs(a), abs(b))
