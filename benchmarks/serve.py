"""The simulator as a child process: prints where it is, serves until its standard input closes."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from aps_async.simulator import Behaviour, Fault, JobPolls, JobTime, Simulator, World


def _world(options: dict[str, Any]) -> World:
    """As given in JSON, or in a file of it: an argument of a process has at most 128 KiB."""
    if "world" not in options:
        return World.single_folder(options["sheets"])
    found = options["world"]
    return World.from_json(json.loads(Path(found).read_text()) if isinstance(found, str) else found)


async def serve(options: dict[str, Any]) -> None:
    world = _world(options)
    jobs: JobPolls | JobTime = JobPolls(options["polls"]) if "polls" in options else JobTime()
    behaviour = Behaviour(
        job_time=JobTime.fixed(options["job"]) if "job" in options else jobs,
        quota_phase=options.get("quota_phase", 0.0),
    )
    faults = [Fault.from_json(fault) for fault in options.get("faults", [])]
    async with Simulator(world, speed=options.get("speed", 1.0), behaviour=behaviour, faults=faults) as simulator:
        simulator.pages.is_plain = options.get("plain", False)
        projects = world.hubs[0].projects
        address = {
            "url": simulator.url,
            "storage_url": simulator.storage_url,
            "client_id": simulator.client_id,
            "client_secret": simulator.client_secret,
            "project": projects[0].id,
            "projects": {project.id: project.kind for project in projects},
            "sheets": [sheet.tip.id for sheet in world.sheets],
        }
        sys.stdout.write(json.dumps(address) + "\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
