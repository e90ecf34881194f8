"""Autodesk's services on loopback, for tests, demonstrations and measurements.

A real HTTP server that behaves as Autodesk documents, from the token endpoint to the storage that signed links lead
to. It imports nothing of the rest of this library, so that a mistaken model of the service cannot agree with itself.

    from aps_async import Session, TwoLegged, wait_for_export
    from aps_async.resources import bim360
    from aps_async.simulator import Simulator, World

    async with Simulator(World.demo(sheets=12), speed=60) as simulator:
        tokens = TwoLegged(simulator.client_id, simulator.client_secret)
        async with Session(tokens, base_url=simulator.url) as session:
            sheet = simulator.world.sheets[0]
            job = await bim360.start_export(session, sheet.folder.project.id, sheet.tip.id)
            await wait_for_export(session, job, f"{sheet.name}.pdf")

A session of `aps_async` learns the speed from the header `X-Simulator-Speed` of every response, if its base address is
on this machine and it was given no settings of another speed.

What the documentation leaves open had to be decided here. Each such decision is a switch of `Behaviour`;
`aps-async simulate --help-behaviour` lists all of them, with what is documented, and what is not simulated.

Everything is served on 127.0.0.1 only. While it runs:

- `GET /simulator/counts`, `/simulator/log` and `/simulator/world` show what happened and what there is;
- `GET /simulator/faults` lists the faults, `POST` adds a list of them, `DELETE` drops them;
- `GET /simulator/behaviour` lists the switches, `POST` sets those in a JSON object, `DELETE` sets all as at the start;
- `POST /simulator/reset` clears log and counters, and `POST /simulator/revoke` revokes every token;
- `POST /simulator/user-token` with `{"user": ..., "scopes": ...}`, both optional, gives a three-legged token without
  a login (`Simulator.user_token` in the same process).
"""

try:
    from .app import Simulator
except ModuleNotFoundError as _problem:
    _missing = (_problem.name or "").partition(".")[0]
    if _missing in ("", "aps_async"):
        raise
    _message = f"the simulator needs {_missing}, which is not installed: pip install 'aps-async[simulator]'"
    raise ModuleNotFoundError(_message, name=_problem.name) from None
from .behaviour import Behaviour, JobPolls, JobTime, load_behaviour
from .decisions import behaviour_help
from .exchanges import Exchange
from .faults import Fault, FaultError, Faults, load_faults
from .parts import WorldError
from .record import Seen
from .switches import BehaviourError, parse_setting
from .threads import running_in_thread
from .world import World

__all__ = [
    "Behaviour",
    "BehaviourError",
    "Exchange",
    "Fault",
    "FaultError",
    "Faults",
    "JobPolls",
    "JobTime",
    "Seen",
    "Simulator",
    "World",
    "WorldError",
    "behaviour_help",
    "load_behaviour",
    "load_faults",
    "parse_setting",
    "running_in_thread",
]
__dir__: object = __all__.copy
