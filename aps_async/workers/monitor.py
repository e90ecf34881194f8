"""An HTTP server of a worker process: `/metrics` for Prometheus, `/healthz` and `/readyz` for whatever restarts it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

from aiohttp import web

from aps_async.errors import APSError, InputError
from aps_async.transport.listening import serving
from aps_async.workers.database import Database
from aps_async.workers.metrics import CONTENT_TYPE, collect, render
from aps_async.workers.rate_limit import SharedQuotas
from aps_async.workers.worker import Worker

__all__ = ["Monitor"]
__dir__: object = __all__.copy

_PATIENCE = 2.0
_LIFETIME = 5.0  # seconds; the queries behind the metrics read every row


class Monitor:
    """Reports on the workers of one process. It shows client ids and names of runs, but no secrets.

    - `/metrics`: Prometheus's text format.
    - `/healthz`: 200 while the process works at all; otherwise there is no response.
    - `/readyz`: 200 while every worker can deliver; 503 with the reasons as JSON if the database or the target is
      unavailable, or a worker has stopped.

    Args:
        database: the workers' database.
        quotas: their quotas.
        workers: the workers of this process.
    """

    def __init__(self, database: Database, quotas: SharedQuotas, workers: Sequence[Worker]) -> None:
        self._database = database
        self._quotas = quotas
        self._workers = workers
        self._text = ""
        self._read = float("-inf")
        self._reading = asyncio.Lock()

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncGenerator[int, None]:
        """Listens on an address; yields the port, which the system chooses if 0 is given.

        Raises:
            InputError: the address cannot be used.
        """
        app = web.Application()
        app.add_routes(
            [web.get("/metrics", self._metrics), web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)]
        )
        async with AsyncExitStack() as stack:
            runner = web.AppRunner(app, access_log=None)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            server = cast("web.Server", runner.server)  # set by `setup`
            try:
                taken = await stack.enter_async_context(serving(server, host, port, patience=1.0))
            except OSError as problem:
                words = problem.strerror or problem
                raise InputError(
                    f"metrics cannot be served on {host}:{port}: {words}; choose another address"
                ) from None
            yield taken

    async def problems(self) -> list[str]:
        """Why this process cannot deliver at present; empty if it can."""
        found = [
            f"worker for {each.owner or 'any client id'}: {why}" for each in self._workers if (why := each.problem)
        ]
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._database.value("SELECT 1")
        except (TimeoutError, APSError):
            found.append("the database is unavailable")
        return found

    async def _metrics(self, _: web.Request) -> web.Response:
        loop = asyncio.get_running_loop()
        async with self._reading:
            if loop.time() - self._read > _LIFETIME:
                self._text = render(await collect(self._database, self._quotas, self._workers))
                self._read = loop.time()
        return web.Response(body=self._text.encode(), headers={"Content-Type": CONTENT_TYPE})

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        problems = await self.problems()
        body = json.dumps({"ready": not problems, "problems": problems})
        return web.Response(status=503 if problems else 200, text=body + "\n", content_type="application/json")
