"""Peak memory of one large download over an idle session."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from aps_async import Session, TwoLegged, bim360, wait_for_export
from benchmarks.children import figure, run, simulator, spread

SIZE = 1 << 30


def resident_mib(name: str, process: int | str = "self") -> float:
    """VmRSS is now, VmHWM the highest so far. (ru_maxrss would begin with what the parent process had.)"""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise LookupError(name)


PLANS = {"name": "Plans", "items": [{"number": "small"}, {"number": "large", "bytes": SIZE}]}
WORLD = {"hubs": [{"projects": [{"name": "Large", "folders": [PLANS]}]}]}


async def _client(at: dict[str, Any]) -> dict[str, float]:
    small, large = at["sheets"]
    with tempfile.TemporaryDirectory() as folder:
        async with Session(TwoLegged(at["client_id"], at["client_secret"]), base_url=at["url"]) as session:
            # one small export first, so that only the size of the body is new afterwards
            job = await bim360.start_export(session, at["project"], small)
            await wait_for_export(session, job, Path(folder) / "small.pdf")
            idle = resident_mib("VmRSS")
            job = await bim360.start_export(session, at["project"], large)
            path = await wait_for_export(session, job, Path(folder) / "large.pdf")
            assert path is not None
            return {"idle": idle, "peak": resident_mib("VmHWM"), "size": path.stat().st_size}


def measure(rounds: int) -> str:
    """A table: peak resident memory before and after a 1 GiB body."""
    with simulator(world=WORLD, polls=1) as at:
        rows = [run("benchmarks.memory", at=at) for _ in range(rounds)]
    assert all(row["size"] == SIZE for row in rows)
    grown = [row["peak"] - row["idle"] for row in rows]
    return "\n".join(
        [
            "| | MiB |",
            "|---|---|",
            f"| idle session | {spread([row['idle'] for row in rows], 1)} |",
            f"| peak while 1 GiB arrives | {spread([row['peak'] for row in rows], 1)} |",
            f"| **raised by** | {figure('raised by, MiB', grown, 1)} |",
            "",
            "Goal: raised by at most 32 MiB.",
        ]
    )


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps(asyncio.run(_client(options["at"]))) + "\n")
