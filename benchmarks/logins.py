"""One login, many processes, `kill -9` at random moments: does it survive, and is it renewed once for each expiry?

    python -m benchmarks.logins --seconds 60 --kills 50

Starts the simulator and worker processes that share one login in a file. Their tokens are valid for two seconds. Every
worker's tasks make calls all the time; a call that fails ends the run with exit code 1. Workers are killed at random
moments and replaced, and the store is read after every kill.

No client can survive one instant: the service has accepted the refresh token, and the next one in its response is not
on the disk yet. A kill in it is counted as `lost`; the workers must then report that clearly, and continue after
another login, which this script makes.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from attrs import asdict, define, field

from aps_async import AuthError, Session, Settings
from aps_async.auth import FileStore, Login, ThreeLegged
from aps_async.auth.provider import unverified_claims
from aps_async.resources.projects import list_hubs
from aps_async.simulator import Behaviour, Simulator, World
from aps_async.simulator.oauth import Login as Family
from aps_async.simulator.oauth import new_refresh_token
from aps_async.simulator.parts import PUBLIC_APP
from aps_async.simulator.tokens import issue_token

LIFE = 2.0
_OVER = "log in again: aps-async login"


@define
class Report:
    """The results of a run."""

    seconds: float = 0.0
    processes: int = 0
    tasks: int = 0
    calls: int = 0
    failures: list[str] = field(factory=list)
    kills: int = 0
    kills_during_a_renewal: int = 0
    stores_unreadable: int = 0
    lost: int = 0
    renewals: int = 0
    renewals_too_early: int = 0
    """Renewals less than nine tenths of a token's lifetime after the previous one."""
    renewals_unseen: int = 0
    """Renewals that the service has made and the store never contained."""
    reuses: int = 0


async def log_in(simulator: Simulator, store: FileStore) -> None:
    """Puts a login into the store, as after the sign-in page."""
    app, user = simulator.world.apps[PUBLIC_APP.client_id], next(iter(simulator.world.users.values()))
    family = Family(simulator.tokens.secret(), app, user, frozenset(["data:read"]))
    now = time.time()
    text, life = issue_token(simulator, app, family.scopes, user=user, login=family.id)
    login = Login(
        client_id=app.client_id,
        service=simulator.url,
        scopes=("data:read",),
        refresh_token=new_refresh_token(simulator, family),
        access_token=text,
        issued_at=now,
        expires_at=now + int(life),
        signed_in_at=now,
        user_id=str(unverified_claims(text)["userid"]),
    )
    async with store.lock():
        await store.save(login)


async def work(url: str, path: str, tasks: int, pause: float) -> None:
    """One worker process: makes calls until its standard input is closed, and then prints which errors it saw."""
    tokens = ThreeLegged(PUBLIC_APP.client_id, store=FileStore(path))
    settings = Settings(budgets={"hubs": 1_000_000, "token": 1_000_000})
    failures = list[str]()
    stopped = asyncio.Event()

    async def task(session: Session) -> None:
        while not stopped.is_set():
            try:
                await list_hubs(session)
            except AuthError as problem:
                if _OVER not in str(problem):
                    failures.append(repr(problem))
            except Exception as problem:  # noqa: BLE001 - any error is the result
                failures.append(repr(problem))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), pause * random.uniform(0.5, 1.5))

    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), stopped.set)
    async with Session(tokens, base_url=url, settings=settings) as session:
        await asyncio.gather(*(task(session) for _ in range(tasks)))
    loop.remove_reader(sys.stdin.fileno())
    sys.stdout.write(json.dumps(failures[:5]))


@define
class Herd:
    """The worker processes."""

    url: str
    path: Path
    tasks: int
    pause: float
    report: Report
    alive: list[asyncio.subprocess.Process] = field(factory=list)

    async def start(self) -> None:
        """Starts another worker."""
        argv = ["--worker", self.url, str(self.path), str(self.tasks), str(self.pause)]
        pipe = asyncio.subprocess.PIPE
        self.alive.append(
            await asyncio.create_subprocess_exec(
                sys.executable, "-W", "error", "-m", "benchmarks.logins", *argv, stdin=pipe, stdout=pipe, stderr=pipe
            )
        )

    async def kill_one(self, store: FileStore) -> None:
        """Kills a worker, checks that the store is valid, and starts another worker."""
        victim = self.alive.pop(random.randrange(len(self.alive)))
        victim.kill()
        await victim.communicate()
        self.report.kills += 1
        try:
            login = await store.load()
        except AuthError:
            login = None
        if login is None:
            self.report.stores_unreadable += 1
        elif login.renewing:
            self.report.kills_during_a_renewal += 1
        await self.start()

    async def stop(self) -> None:
        """Stops all workers and collects the errors that they saw."""
        for each in self.alive:
            out, err = await each.communicate(b"")  # which closes their standard input
            if each.returncode:
                self.report.failures.append(err.decode()[-2000:])
                continue
            self.report.failures += json.loads(out)


async def run(
    *,
    seconds: float,
    kills: int,
    processes: int = 8,
    tasks: int = 50,
    pause: float = 0.5,
    life: float = LIFE,
    calls: int = 0,
    renewals: int = 0,
) -> Report:
    """Runs everything (see the module), and on until all kills and so many calls and renewals are done."""
    report = Report(processes=processes, tasks=tasks)
    behaviour = Behaviour(token_life=life, quotas=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "login.json"
        store = FileStore(path)
        async with Simulator(World.demo(1), behaviour=behaviour) as simulator:
            await log_in(simulator, store)
            herd = Herd(simulator.url, path, tasks, pause, report)
            asked: set[float] = set()
            began = time.monotonic()
            await asyncio.gather(*(herd.start() for _ in range(processes)))
            moments = sorted(random.uniform(0.05, 0.95) * seconds for _ in range(kills))
            killer = asyncio.create_task(_kill(herd, store, [began + moment for moment in moments]))
            while (
                time.monotonic() < began + seconds
                or not killer.done()
                or _calls(simulator) < calls
                or simulator.logins.rotations < renewals
            ):
                await asyncio.sleep(0.05)
                with suppress(AuthError):  # an unreadable store is counted where it is killed
                    login = await store.load()
                    if login is not None:
                        asked.add(login.issued_at)
                    if login is not None and login.refresh_token is None:
                        report.lost += 1
                        await log_in(simulator, store)
            await killer
            await herd.stop()
            report.seconds, report.calls = time.monotonic() - began, _calls(simulator)
            if (last := await store.load()) is not None:
                asked.add(last.issued_at)
            report.renewals, report.reuses = simulator.logins.rotations, simulator.logins.reuses
            gaps = [later - sooner for sooner, later in itertools.pairwise(sorted(asked))]
            report.renewals_too_early = sum(gap < 0.9 * life for gap in gaps)
            report.renewals_unseen = max(0, report.renewals + 1 + report.lost - len(asked))
    return report


def _calls(simulator: Simulator) -> int:
    """Answered by the service, of workers that were killed too."""
    return int(simulator.counts()["endpoints"].get("hubs", {"calls": 0})["calls"])


async def _kill(herd: Herd, store: FileStore, moments: list[float]) -> None:
    for moment in moments:
        await asyncio.sleep(max(0.0, moment - time.monotonic()))
        await herd.kill_one(store)


def main() -> int:
    """The command line."""
    if sys.argv[1:2] == ["--worker"]:
        url, path, tasks, pause = sys.argv[2:]
        asyncio.run(work(url, path, int(tasks), float(pause)))
        return 0
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--tasks", type=int, default=50)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two calls of a task, on average")
    options = parser.parse_args()
    report = asyncio.run(run(**vars(options)))
    sys.stdout.write(json.dumps(asdict(report), indent=2) + "\n")
    return 1 if report.failures or report.stores_unreadable or report.renewals_too_early > report.lost else 0


if __name__ == "__main__":
    sys.exit(main())
