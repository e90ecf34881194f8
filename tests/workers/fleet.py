"""Workers in processes of their own, as people run them, and what can be done to them."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.cli.support import COMMAND, Ran, Simulation, clean_environment, run
from tests.postgres import Postgres

IN_HAND = "SELECT id, queue_manager_id::text AS who FROM aps_pgqueuer WHERE status = 'picked'"
OPEN = "SELECT count(*) AS count FROM aps_export WHERE state IN ('waiting', 'running')"
OUTCOMES = """
SELECT id, name, state, place, size, sha256, polls, turns, extract(epoch FROM finished)::float8 AS finished,
    error FROM aps_export ORDER BY id
"""


class Fleet:
    """A database, a service, a folder, and the workers between them."""

    def __init__(
        self, server: Postgres, database: str, service: Simulation, out: Path, cli: Callable[..., Ran] = run
    ) -> None:
        self.server = server
        self.database = database
        self.service = service
        self.out = out
        self.env = {**service.env, "APS_DATABASE_URL": database}
        self._cli = cli
        self.workers: list[subprocess.Popen[str]] = []

    def call(self, *argv: str) -> Ran:
        """A command that only looks or asks; tests run it in their own process, which takes a tenth of the time."""
        return self._cli(*argv, env=self.env)

    def enqueue(self, *options: str) -> dict[str, Any]:
        """`aps-async enqueue`; what it says of the run."""
        done = self.call("enqueue", *options, "--json")
        assert done.code == 0, done.err
        told: dict[str, Any] = json.loads(done.out)
        return told

    def start(
        self, count: int, *options: str, env: dict[str, str] | None = None, command: Sequence[str] = COMMAND
    ) -> None:
        """Starts so many workers, which write what they do into files; `env` may add variables of its own."""
        for _ in range(count):
            log = (self.out.parent / f"worker-{len(self.workers)}.log").open("w")
            with log:
                words = (*command, "-v", "worker", "--out", str(self.out), *options)
                full = clean_environment(self.env | (env or {}))
                self.workers.append(subprocess.Popen(words, text=True, env=full, stdout=log, stderr=log))  # noqa: S603

    def signal(self, worker: int, number: signal.Signals) -> None:
        """Sends a signal to one of them."""
        os.kill(self.workers[worker].pid, number)

    def query(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of the database."""
        return self.server.query(sql, *values, url=self.database)

    def in_hand(self) -> dict[int, str]:
        """Which rows of the queue are in whose hand."""
        return {row["id"]: row["who"] for row in self.query(IN_HAND)}

    def wait_for(self, sql: str, least: int, seconds: float) -> None:
        """Waits until a count has come to this."""
        ends = time.monotonic() + seconds
        while self.query(sql)[0]["count"] < least:
            assert time.monotonic() < ends, self.logs()
            time.sleep(0.1)

    def taken_over_in(self, held: dict[int, str], seconds: float) -> float:
        """Seconds until everything that was in these hands is in others, or gone."""
        began = time.monotonic()
        while any(self.in_hand().get(row) == who for row, who in held.items()):
            assert time.monotonic() - began < seconds, self.logs()
            time.sleep(0.2)
        return time.monotonic() - began

    def wait_until_done(self, seconds: float) -> None:
        """Waits until nothing is open."""
        ends = time.monotonic() + seconds
        while self.query(OPEN)[0]["count"]:
            assert time.monotonic() < ends, self.logs()
            time.sleep(0.25)

    def outcomes(self) -> list[dict[str, Any]]:
        """Every export as the books have it."""
        return self.query(OUTCOMES)

    def counts(self) -> dict[str, Any]:
        """What the service saw."""
        found: dict[str, Any] = self.service.control("counts")
        return found

    def stop(self) -> list[int]:
        """Ctrl-C for all that live; their exit codes."""
        for worker in self.workers:
            with contextlib.suppress(ProcessLookupError):
                worker.send_signal(signal.SIGCONT)
                worker.send_signal(signal.SIGINT)
        return [worker.wait(timeout=30) for worker in self.workers]

    def logs(self) -> str:
        """What the workers have said."""
        return "\n".join(path.read_text()[-4000:] for path in sorted(self.out.parent.glob("worker-*.log")))


__all__ = ["Fleet", "clean_environment"]
