"""The kinds of exports as the shared suite sees them: one line in `SCENES` adds a kind to every test of it."""

from attrs import frozen

from aps_async import ExportRequest, Session, bim360
from aps_async.simulator import Behaviour, JobTime, Simulator, World

WORLD = {
    "hubs": [
        {
            "name": "Northlight",
            "projects": [
                {
                    "name": "Clinic",
                    "projectType": "BIM360",
                    "folders": [
                        {
                            "name": "Plans",
                            "items": [
                                {"number": "good", "title": "Ground Floor"},
                                {"number": "fails", "fails": True},
                                {"number": "never", "never": True},
                                {"number": "large", "bytes": 3_000_000},
                            ],
                        }
                    ],
                }
            ],
        }
    ]
}


@frozen
class Scene:
    """One kind: what its requests look like, and what the simulator calls its endpoints."""

    request: "object"
    start: str
    status: str
    storage: str = "signed_get"

    def ask_for(self, simulator: Simulator, which: str) -> ExportRequest:
        """The request for the thing in the world that goes `which` way."""
        return self.request(simulator, which)  # type: ignore[operator]


def _bim360(simulator: Simulator, which: str) -> ExportRequest:
    sheet = simulator.world.find_sheet(which)
    return bim360.export_request(simulator.world.hubs[0].projects[0].id, sheet.tip.id, name=which)


SCENES = {
    "bim360": Scene(_bim360, "export_start", "export_status"),
}


def world() -> World:
    """A fresh world: the simulator keeps what happens to it."""
    return World.from_json(WORLD)


def twenty_seconds(**options: object) -> Behaviour:
    """Jobs that take 20 s each, so that the waits can be told."""
    return Behaviour(job_time=JobTime.fixed(20), **options)  # type: ignore[arg-type]


__all__ = ["SCENES", "Scene", "Session", "twenty_seconds", "world"]
