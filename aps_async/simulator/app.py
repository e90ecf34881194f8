"""The simulator itself: two servers on loopback, and the way of a request through them."""

import asyncio
import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import web

from . import bim360, cost, oauth, oauthpages, sending, serviceaccounts, services
from .accjobs import AccJob, AccJobs
from .bearers import Tokens
from .behaviour import Behaviour
from .closing import stop_accepting
from .control import PREFIX, Control
from .datamanagement import Documents
from .derivatives import CDN_GET
from .exchanges import Exchange, exchange
from .faults import INSTEAD, Fault, Faults
from .gateway import admit
from .oauthkeys import begin_key
from .pages import Pages
from .quotas import Quotas
from .record import Record, Seen
from .replies import Refusal, Reply, gateway_error
from .results import Results
from .routing import Call, Endpoint, Router, target_of
from .signing import Signer
from .sources import Sources
from .storage import CDN, SIGNED_GET, Storage
from .switches import BehaviourError, did_you_mean
from .tokens import USER_SCOPES, issue_token
from .world import World, read_pdf

HOST = "127.0.0.1"
_S = TypeVar("_S")
_LOG = 200_000
_STORAGE = (SIGNED_GET, CDN_GET)
_FAULTY = [*dict.fromkeys(each.name for each in (*services.ENDPOINTS, *_STORAGE)), "unknown"]
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
        behaviour: Decisions the documentation leaves open; the world's own by default.
        clock: Wall time in seconds; dates and the expiry of links come from it.
        pdf: A PDF whose pages the sheets are. Without a world, the demo account gets one sheet per page.
        on_exchange: Called after every response of the API with what was asked and answered.

    Raises:
        ValueError: `speed` is not positive.
        BehaviourError: `quota_overrides` names an endpoint that does not exist.
        FaultError: a fault names an endpoint that does not exist.
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
        on_exchange: Callable[[Exchange], None] | None = None,
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be positive, not {speed}")
        begin_key()
        data = None if pdf is None else read_pdf(pdf)
        if world is None:
            world = World.demo() if pdf is None else World.with_pdf(pdf)
        self.world = world
        self.speed: float = speed
        self.seed: int = seed
        self.clock: Callable[[], float] = clock
        self.faults: Faults = Faults(seed, faults, _FAULTY)
        self.tokens: Tokens = Tokens(seed)
        self.logins: oauth.Logins = oauth.Logins()
        self.browsers: oauthpages.Browsers = oauthpages.Browsers()
        self.accounts: serviceaccounts.Accounts = serviceaccounts.Accounts()
        self.storage: Storage = Storage(Signer(seed))
        self.jobs: bim360.Jobs = bim360.Jobs()
        self.acc_jobs: AccJobs = AccJobs()
        self.results: Results = Results(self)
        self.cost: cost.Desk = cost.Desk()
        self.pages: Pages = Pages(world, data or world.pdf, seed)
        self.sources: Sources = Sources(world, self.pages, seed)
        self.documents: Documents = Documents(512)
        self.record: Record = Record(_LOG)
        self.router: Router = Router((*services.ENDPOINTS, *Control(self).endpoints))
        self.on_exchange = on_exchange
        self._ports = (port, storage_port)
        self._handlers = (self._handle_api, self._handle_storage)
        self._servers: list[tuple[asyncio.Server, web.Server]] = []
        self._requests = 0
        self._request_base = random.Random(f"requests|{seed}").getrandbits(127)  # noqa: S311
        self._loop: asyncio.AbstractEventLoop | None = None
        self.url: str = ""
        self.storage_url: str = ""
        self.began: float = clock()
        self.began_loop: float = 0.0
        self._first_behaviour = behaviour or world.behaviour
        self.quotas: Quotas = Quotas(self._first_behaviour, speed, 0.0)
        self.use_behaviour(None)
        self._states: dict[type, Any] = {
            type(one): one
            for one in (
                self.router,
                self.faults,
                self.tokens,
                self.logins,
                self.browsers,
                self.accounts,
                self.storage,
                self.jobs,
                self.acc_jobs,
                self.results,
                self.cost,
                self.pages,
                self.sources,
                self.documents,
                self.record,
                self.quotas,
            )
        }

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Listen on both ports; OSError when one is taken."""
        if self._servers:
            raise RuntimeError("the simulator is running already")
        for item in self.world.items.values():
            if item.padded_to:  # too small a number shows now, not in the middle of a run
                self.pages.content(item.tip, markups=True, hyperlinks=True)
        loop = self._loop = asyncio.get_running_loop()
        self.quotas.use(self.behaviour, loop.time())
        self.began, self.began_loop = self.clock(), loop.time()
        urls: list[str] = []
        for handler, port in zip(self._handlers, self._ports, strict=True):
            server = web.Server(
                sending.until_hung_up(handler), access_log=None, handler_cancellation=True, logger=sending.HTTP_LOG
            )
            try:
                listening = await loop.create_server(server, HOST, port, backlog=1024)
            except OSError:
                await self.close()
                raise
            self._servers.append((listening, server))
            urls.append(f"http://{HOST}:{listening.sockets[0].getsockname()[1]}")
        self.url, self.storage_url = urls

    async def close(self) -> None:
        """Stop listening and drop every connection at once."""
        servers, self._servers = self._servers, []
        await stop_accepting([listening for listening, _ in servers])
        left = [one.transport for _, server in servers for one in server.connections if one.transport is not None]
        for transport in left:
            transport.abort()
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

    def state(self, kind: type[_S]) -> _S:
        """What a service keeps between requests, by its class."""
        found: _S = self._states[kind]
        return found

    @property
    def behaviour(self) -> Behaviour:
        """The switches as they are now."""
        return self._behaviour

    @behaviour.setter
    def behaviour(self, new: Behaviour) -> None:
        self.use_behaviour(new)

    def use_behaviour(self, behaviour: Behaviour | None) -> None:
        """Set all switches from now on; None: as they were at the start.

        Raises:
            BehaviourError: `quota_overrides` names an endpoint that does not exist.
        """
        new = behaviour or self._first_behaviour
        for name in new.quota_overrides:
            if name not in self.router.endpoints:
                near = did_you_mean(name, self.router.endpoints)
                raise BehaviourError(f"quota_overrides: there is no endpoint {name!r}{near}")
        self._behaviour = new
        self.quotas.use(new)
        self.documents.clear()

    def add_fault(self, fault: Fault) -> None:
        """Let something go wrong from now on; FaultError if it names no endpoint there is."""
        self.faults.append(fault)

    def clear_faults(self) -> None:
        """Let everything go well from now on."""
        self.faults.clear()

    def reset_counts(self) -> None:
        """Forget log and counters; jobs, tokens and quotas stay."""
        self.record.clear()
        self.quotas.most.clear()
        self.storage.expired_opened = self.storage.authorization_seen = 0

    def counts(self) -> dict[str, Any]:
        """A snapshot of the counters in plain values."""
        jobs: list[bim360.Job | AccJob] = [*self.jobs.by_id.values(), *self.acc_jobs.by_id.values()]
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

    def user_token(self, user_id: str | None = None, scopes: str = USER_SCOPES) -> str:
        """A three-legged access token without a login; of the world's first user unless another is named."""
        users = self.world.users
        user = next(iter(users.values())) if user_id is None else users[user_id]
        app = self.world.apps[self.client_id]
        return issue_token(self, app, frozenset(scopes.split()), user=user)[0]

    def prepare(self) -> None:
        """Make every exportable sheet's plain PDF now, so that a measurement does not pay for the drawing."""
        for item in self.world.sheets:
            self.pages.content(item.tip, markups=False, hyperlinks=False)

    def now(self) -> float:
        """Loop time; every duration is measured in it."""
        return self._loop.time() if self._loop is not None else 0.0

    def next_request_number(self) -> int:
        """A number for a request id of the storage."""
        self._requests += 1
        return self._requests

    # ------------------------------------------------------------- one request

    async def _handle_api(self, request: web.BaseRequest) -> web.StreamResponse:
        raw_path, raw_query = target_of(request)
        raw_path = f"/{raw_path.lstrip('/')}"  # the official Node SDK sends a doubled slash, and the gateway takes it
        await sending.invite_body(request)
        endpoint, params = self.router.match(request.method, raw_path) or (_UNKNOWN, {})
        call = Call(self, request, endpoint, params, raw_path, raw_query, raw_path)
        if raw_path.startswith(PREFIX):  # neither logged nor spoiled by faults
            return await sending.send(self, request, await endpoint.handler(call))
        if endpoint.name == "token":
            self.record.token_requests += 1
        return await self._serve(call)

    async def _handle_storage(self, request: web.BaseRequest) -> web.StreamResponse:
        raw_path, raw_query = target_of(request)
        endpoint = CDN_GET if raw_path.startswith(f"{CDN}/") else SIGNED_GET
        return await self._serve(Call(self, request, endpoint, {}, raw_path, raw_query, raw_path))

    async def _serve(self, call: Call) -> web.StreamResponse:
        request = call.request
        fault = self.faults.choose(call.endpoint.name, f"{request.method} {call.key}")
        kind = call.fault_kind = "" if fault is None else fault.kind
        status = 0
        try:
            reply = await (self._answer(call) if fault is None else self._faulty_answer(call, fault))
            if self.on_exchange is not None and call.endpoint not in _STORAGE:
                self.on_exchange(await exchange(call, reply))
            if fault is not None and kind in ("truncate", "reset_body") and reply.length:
                status = reply.status
                await sending.send_part(self, request, reply, fault)
            status = reply.status
            if fault is not None and kind == "slow":
                return await sending.send_slowly(self, request, reply, fault)
            return await sending.send(self, request, reply)
        finally:
            self._note(call, status, kind)

    async def _answer(self, call: Call) -> Reply:
        refused = admit(call)
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
            admit(call, counts=self.behaviour.quota_counts_faults)
        if fault.kind == "reset":
            await sending.reset(call.request)
        if fault.kind == "hang":
            await sending.never()
        if fault.kind == "revoke" and call.app is not None:
            self.tokens.revoke_app(call.app)
        return sending.substitute(call, fault)

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
    methods = call.simulator.state(Router).methods(call.raw_path)
    if not methods:
        return gateway_error(404, "ERR-404", f"{call.raw_path} does not exist.")
    allowed = {"Allow": ", ".join(methods)}
    if call.request.method == "OPTIONS":
        return Reply(204, {"Server": "Apigee Router", **allowed})
    refused = gateway_error(405, "ERR-405", f"{call.raw_path} does not support {call.request.method}.")
    refused.headers.update(allowed)
    return refused


_UNKNOWN = Endpoint("unknown", "", "", None, None, _nowhere)
