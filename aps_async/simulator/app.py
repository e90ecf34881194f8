"""The simulator itself: two servers on loopback, and the way of a request through them."""

import asyncio
import math
import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from . import acc, bim360, cost, oauth, oauthpages, sending, serviceaccounts, services
from .behaviour import Behaviour
from .control import PREFIX, control
from .derivatives import CDN_GET
from .faults import INSTEAD, Fault, Faults
from .jsonapi import Links
from .pages import Cache, Pages
from .quotas import Quotas
from .record import Record, Seen
from .results import Results
from .routing import Call, Endpoint, Refusal, Reply, Router, gateway_error, json_reply
from .signing import Signer
from .sources import Sources
from .storage import CDN, SIGNED_GET, Storage
from .tokens import Tokens, issue_token
from .world import World, read_pdf

HOST = "127.0.0.1"
_LOG = 200_000
_STORAGE = (SIGNED_GET, CDN_GET)
_NOTED = ("x-user-id", "region", "Range", "If-Match")


class Simulator:
    """Autodesk's services on this machine.

    Use as `async with Simulator() as simulator:` and point a client at `simulator.url`.

    Args:
        world: What there is; the demo account by default.
        port: Port of the API, 0 for any free one.
        storage_port: Port of the storage that signed links lead to, 0 for any free one.
        speed: Divides every duration: at 60 a minute of the service takes a second.
        seed: Seeds job times, ids, links and the dice of faults.
        faults: What goes wrong from the start.
        behaviour: Decisions the documentation leaves open.
        clock: Wall time in seconds; dates and the expiry of links come from it.
        pdf: A PDF whose pages the sheets are. Without a world, the demo account gets one sheet per page.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        port: int = 0,
        storage_port: int = 0,
        speed: float = 1.0,
        seed: int = 0,
        faults: Iterable[Fault] = (),
        behaviour: Behaviour | None = None,
        clock: Callable[[], float] = time.time,
        pdf: Path | str | bytes | None = None,
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be positive, not {speed}")
        data = None if pdf is None else read_pdf(pdf)
        if world is None:
            world = World.demo() if pdf is None else World.with_pdf(pdf)
        self.world = world
        self.speed, self.seed, self.clock = speed, seed, clock
        self.behaviour = behaviour or Behaviour()
        self.faults = Faults(seed, faults)
        self.tokens = Tokens(seed)
        self.logins = oauth.Logins()
        self.browsers = oauthpages.Browsers()
        self.accounts: dict[str, serviceaccounts.Account] = {}
        self.storage = Storage(Signer(seed))
        self.jobs = bim360.Jobs()
        self.acc_jobs = acc.AccJobs()
        self.results = Results(self)
        self.cost = cost.Desk()
        self.pages = Pages(world, data or world.pdf, seed)
        self.sources = Sources(world, self.pages, seed)
        self.documents: Cache[Reply] = Cache(512)
        self.record = Record(_LOG)
        self.router = Router(services.ENDPOINTS)
        self._ports = (port, storage_port)
        self._handlers = (self._handle_api, self._handle_storage)
        self._servers: list[tuple[asyncio.Server, web.Server]] = []
        self._requests = 0
        self._request_base = random.Random(f"requests|{seed}").getrandbits(127)  # noqa: S311
        self._loop: asyncio.AbstractEventLoop | None = None
        self.url = self.storage_url = ""
        self.began, self.began_loop = clock(), 0.0
        self.quotas = Quotas(self.behaviour, speed, 0.0)
        self.links = Links("")

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Listen on both ports; OSError when one is taken."""
        if self._servers:
            raise RuntimeError("the simulator is running already")
        for item in self.world.items.values():
            if item.padded_to:  # too small a number shows now, not in the middle of a run
                self.pages.content(item.tip, markups=True, hyperlinks=True)
        loop = self._loop = asyncio.get_running_loop()
        self.quotas = Quotas(self.behaviour, self.speed, loop.time())
        self.began, self.began_loop = self.clock(), loop.time()
        urls = []
        for handler, port in zip(self._handlers, self._ports, strict=True):
            server = web.Server(handler, access_log=None, handler_cancellation=True)
            try:
                listening = await loop.create_server(server, HOST, port, backlog=1024)
            except OSError:
                await self.close()
                raise
            self._servers.append((listening, server))
            urls.append(f"http://{HOST}:{listening.sockets[0].getsockname()[1]}")
        self.url, self.storage_url = urls
        self.links = Links(self.url)

    async def close(self) -> None:
        """Stop listening and drop every connection at once."""
        servers, self._servers = self._servers, []
        for listening, server in servers:
            listening.close()
            for connection in server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
        for _ in range(3):  # connection_lost, then the cancelled handlers
            await asyncio.sleep(0)
        for _, server in servers:
            await server.shutdown(0.05)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ------------------------------------------------------- looking and scripting

    @property
    def client_id(self) -> str:
        """Client id of the world's first app."""
        return next(iter(self.world.apps))

    @property
    def client_secret(self) -> str:
        """Secret of the world's first app."""
        return self.world.apps[self.client_id].client_secret

    @property
    def log(self) -> deque[Seen]:
        """The requests seen, oldest first; bounded."""
        return self.record.log

    def add_fault(self, fault: Fault) -> None:
        """Let something go wrong from now on."""
        self.faults.append(fault)

    def clear_faults(self) -> None:
        """Let everything go well from now on."""
        self.faults.clear()

    def reset_counts(self) -> None:
        """Forget log and counters; jobs, tokens and quotas stay."""
        self.record = Record(_LOG)
        self.quotas.most.clear()
        self.storage.expired_opened = self.storage.authorization_seen = 0

    def counts(self) -> dict[str, Any]:
        """A snapshot of the counters in plain values."""
        jobs: list[bim360.Job | acc.AccJob] = [*self.jobs.by_id.values(), *self.acc_jobs.by_id.values()]
        return {
            "endpoints": self.record.endpoints(self.quotas.most),
            "expired_urls_opened": self.storage.expired_opened,
            "authorization_on_signed_link": self.storage.authorization_seen,
            "bytes_sent": self.record.bytes_sent,
            "open_connections": sum(len(server.connections) for _, server in self._servers),
            "token_requests": self.record.token_requests,
            "refresh_rotations": self.logins.rotations,
            "refresh_reuses": self.logins.reuses,
            "jobs_started": len(jobs) + sum(map(len, self.cost.posted.values())),
            "jobs_restarted": self.jobs.repeated,
            "last_start_accepted_at": max((job.started_at for job in jobs), default=None),
            "jobs": {
                **{job.id: job.summary() for job in jobs},
                **{name: run.summary() for name, run in self.cost.runs.items()},
            },
        }

    def user_token(self, user_id: str | None = None, scopes: str = "data:read data:write data:create") -> str:
        """A three-legged access token without a login; of the world's first user unless another is named."""
        users = self.world.users
        user = next(iter(users.values())) if user_id is None else users[user_id]
        app = self.world.apps[self.client_id]
        return issue_token(self, app, frozenset(scopes.split()), user=user)[0]

    def prepare(self, *, markups: bool = False, hyperlinks: bool = False) -> None:
        """Make every exportable sheet's PDF now, so that a measurement does not pay for the drawing."""
        for item in self.world.sheets:
            self.pages.content(item.tip, markups=markups, hyperlinks=hyperlinks)

    def now(self) -> float:
        """Loop time; every duration is measured in it."""
        return self._loop.time() if self._loop is not None else 0.0

    def next_request_number(self) -> int:
        """A number for a request id of the storage."""
        self._requests += 1
        return self._requests

    # ------------------------------------------------------------- one request

    async def _handle_api(self, request: web.BaseRequest) -> web.StreamResponse:
        raw_path, _, raw_query = request.raw_path.partition("?")
        raw_path = f"/{raw_path.lstrip('/')}"  # the official Node SDK sends a doubled slash, and the gateway takes it
        if raw_path.startswith(PREFIX):
            return await sending.send(self, request, await control(self, request, raw_path))
        match = self.router.match(request.method, raw_path)
        if match is None:
            self._note(Call(self, request, _UNKNOWN, {}, raw_path, raw_query, raw_path), 404, "")
            return await sending.send(
                self, request, gateway_error(404, "ERR-404", "The requested resource does not exist.")
            )
        endpoint, params = match
        if endpoint.name == "token":
            self.record.token_requests += 1
        return await self._serve(Call(self, request, endpoint, params, raw_path, raw_query, raw_path))

    async def _handle_storage(self, request: web.BaseRequest) -> web.StreamResponse:
        raw_path, _, raw_query = request.raw_path.partition("?")
        endpoint = CDN_GET if raw_path.startswith(f"{CDN}/") else SIGNED_GET
        return await self._serve(Call(self, request, endpoint, {}, raw_path, raw_query, raw_path))

    async def _serve(self, call: Call) -> web.StreamResponse:
        request = call.request
        fault = self.faults.choose(call.endpoint.name, f"{call.request.method} {call.key}")
        kind = call.fault_kind = "" if fault is None else fault.kind
        status = 0
        try:
            if fault is None:
                reply = await self._answer(call)
                status = reply.status
                return await sending.send(self, request, reply)
            reply = await self._faulty_answer(call, fault)
            if kind in ("truncate", "reset_body") and reply.length:
                status = reply.status
                await sending.send_part(self, request, reply, fault)
            status = reply.status
            if kind == "slow":
                return await sending.send_slowly(self, request, reply, fault)
            return await sending.send(self, request, reply)
        finally:
            self._note(call, status, kind)

    async def _answer(self, call: Call) -> Reply:
        refused = self._admit(call)
        if refused is not None:
            return refused
        try:
            reply = await call.endpoint.handler(call)
        except Refusal as refusal:
            reply = refusal.reply
        if call.endpoint not in _STORAGE:
            reply.headers["X-Request-ID"] = str(uuid.UUID(int=self._request_base + self.next_request_number()))
        return reply

    async def _faulty_answer(self, call: Call, fault: Fault) -> Reply:
        if fault.kind == "changed":
            self.storage.change(call.raw_path)
        if fault.kind == "hang" and fault.seconds is not None:
            await asyncio.sleep(fault.seconds / self.speed)
            return await self._answer(call)
        if fault.kind not in INSTEAD or fault.after_effect:
            reply = await self._answer(call)
            if fault.kind not in INSTEAD:
                return sending.cut_json(reply) if fault.kind == "broken_json" else reply
        else:
            self._admit(call)  # the gateway counts the call whatever becomes of it
        if fault.kind == "reset":
            await sending.reset(call.request)
        if fault.kind == "hang":
            await sending.never()
        if fault.kind == "revoke" and call.app is not None:
            self.tokens.revoke_app(call.app)
        return sending.substitute(call, fault)

    def _admit(self, call: Call) -> Reply | None:
        """The gateway: a good token with the right scope, and a place in the quota."""
        scope = call.endpoint.scope
        if scope is None:
            return None
        header = call.request.headers.get("Authorization", "")
        text = header[7:].strip() if header[:7].lower() == "bearer " else ""
        call.app = self.tokens.app_of(text)
        token = self.tokens.find(text, self.now())
        call.token = token
        if token is None:
            return self.unauthorized()
        if token.scopes.isdisjoint(scope.split()):
            return self._missing_scope()
        return self.over_quota(call)

    def over_quota(self, call: Call) -> Reply | None:
        """Take a place in the quota of the call's app; the 429 when there is none."""
        app = call.app
        wait = self.quotas.take(
            "" if app is None else app.client_id, call.endpoint.name, call.endpoint.quota, self.now()
        )
        if wait is None:
            return None
        headers = {"Server": "Apigee Router"}
        if self.behaviour.retry_after_on_429:
            headers["Retry-After"] = str(max(1, math.ceil(wait)))
        return json_reply(429, {"developerMessage": "Quota limit exceeded."}, headers)

    def unauthorized(self) -> Reply:
        """A 401 in one of the shapes the services have."""
        shape = self.behaviour.unauthorized
        if shape == "empty" or (shape == "rotate" and self.next_request_number() % 2):
            return Reply(
                401,
                {"x-ads-troubleshooting": "The access token provided is invalid or has expired.", "Server": "nginx"},
            )
        return gateway_error(401, "AUTH-006", "The access token provided is invalid or has expired.")

    def _missing_scope(self) -> Reply:
        shape, text = self.behaviour.missing_scope, "Token does not have the privilege for this request."
        if shape == "text" or (shape == "rotate" and self.next_request_number() % 2):
            return Reply(403, {"Content-Type": "text/plain", "Server": "nginx"}, text.encode())
        return gateway_error(403, "AUTH-010", text)

    def _note(self, call: Call, status: int, fault: str) -> None:
        sent = call.request.headers
        headers: dict[str, Any] = {name.lower(): sent[name] for name in _NOTED if name in sent}
        headers["authorization"] = "Authorization" in sent
        # The query of a signed link is long and different every time; it is not kept.
        path = f"{call.key}?{call.raw_query}" if call.raw_query and call.endpoint not in _STORAGE else call.key
        self.record.add(
            Seen(self.clock(), call.endpoint.name, call.request.method, path, status, headers, fault, call.key)
        )


async def _nowhere(call: Call) -> Reply:
    return gateway_error(404, "ERR-404", f"{call.raw_path} does not exist.")


_UNKNOWN = Endpoint("unknown", "", "", None, None, _nowhere)
