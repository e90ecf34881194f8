"""What these tests share: a run with a ledger, and what the service saw of it."""

from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from aps_async import ExportOutcome, ExportRequest, Session, bim360, export_many
from aps_async.ledger import Ledger
from aps_async.simulator import Simulator


def requests_of(simulator: Simulator, count: int | None = None, **options: Any) -> list[ExportRequest]:
    """Requests for the first sheets of a world."""
    project = simulator.world.hubs[0].projects[0]
    return [
        bim360.make_request(project.id, sheet.tip.id, name=sheet.name, **options)
        for sheet in simulator.world.sheets[:count]
    ]


async def run(
    session: Session, requests: Iterable[ExportRequest], folder: Path, ledger: Ledger | bool = True, **options: Any
) -> list[ExportOutcome]:
    """All outcomes of one run, in the order of their names."""
    async with aclosing(export_many(session, requests, folder, ledger=ledger, **options)) as outcomes:
        return sorted([outcome async for outcome in outcomes], key=lambda each: each.request.name or "")


def files_in(folder: Path) -> dict[str, bytes]:
    """What people see there."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


def starts(simulator: Simulator) -> int:
    """POSTs of exports so far."""
    return int(simulator.counts()["endpoints"].get("export_start", {}).get("calls", 0))


def fetches(simulator: Simulator) -> int:
    """Downloads so far."""
    return int(simulator.counts()["endpoints"].get("signed_get", {}).get("calls", 0))
