"""The command `doctor`: checks one thing after another that an export needs, and says what to do about each."""

import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import aiohttp
from attrs import asdict, define, field, frozen

import aps_async
from aps_async.auth.credentials import claimed_text
from aps_async.auth.provider import unverified_claims
from aps_async.cli import remedies
from aps_async.cli.delivering import check_places
from aps_async.cli.environment import CA_FILE, host_of, proxy_for, session_with
from aps_async.cli.exit_codes import UsageProblem, exit_code, in_its_terms, reason
from aps_async.cli.identity import Identity, identity, service_address, sources
from aps_async.cli.output import print_beside, print_json, print_result
from aps_async.cli.profile_choice import as_chosen
from aps_async.downloads.folder import storage_for
from aps_async.downloads.target_paths import target_error
from aps_async.errors import APSError, AuthError, FolderInUseError, NotAllowedError, TargetError, TransportError
from aps_async.filesystem import nearest_existing
from aps_async.narrowing import is_list
from aps_async.resources.projects import list_hubs
from aps_async.resources.users import get_user_info
from aps_async.session import Session
from aps_async.settings import Settings
from aps_async.transport.connections import open_api, request_options, tls_context
from aps_async.transport.request import checked_base
from aps_async.transport.response import transport_error

TIMEOUT = 30.0
"""Seconds for one check that calls the service."""
CONNECT_TIMEOUT = 4.0
"""Seconds for the first connection, as long as other commands try to make it twice."""
CLOCK_TOLERANCE = 60.0
"""Seconds. Signed requests and expiries of tokens are good for minutes."""
_OF_THE_ACCOUNT = ("token", "scopes", "hubs", "user id")
_PACKAGES = (
    *("aiohttp", "attrs", "cattrs", "python-backoff", "typer", "rich", "joserfc", "keyring", "pypdfium2", "pillow"),
    *("pikepdf", "obstore", "orjson", "uvloop", "asyncpg", "pgqueuer"),
)


def _without_home(text: str) -> str:
    """Without the name of the person whose home a path is in."""
    try:
        home = str(Path.home())
    except RuntimeError:
        return text
    return text.replace(home, "~") if len(home) > 1 else text


@frozen(kw_only=True)
class Check:
    """What one check found."""

    name: str
    ok: bool | None
    """None: it was not checked, or it matters for some commands only."""
    detail: str = field(converter=_without_home)
    remedy: str = field(default="", converter=as_chosen)
    exit_code: int = 0
    """Of a command that fails because of this."""


@define(kw_only=True)
class Doctor:
    """One examination."""

    user_id: str | None
    target: Path | str
    """A folder, or the address of an object storage."""
    environ: dict[str, str] = field(factory=lambda: dict(os.environ), repr=False)
    clock: Callable[[], float] = time.time
    """Seconds since the epoch."""
    timeout: float = TIMEOUT

    async def checks(self) -> AsyncGenerator[Check, None]:
        """Every check, in an order in which the first one that fails explains those after it."""
        yield _versions()
        yield await self._write_access()
        acting, found = self._credentials()
        yield found
        reached = False
        async with aclosing(self._network(acting)) as network:
            async for each in network:
                reached = reached or (each.name == "network" and each.ok is True)
                yield each
        why_not = "there are no credentials" if acting is None else "the service was not reached"
        async with aclosing(self._account(acting if reached else None, why_not)) as account:
            async for each in account:
                yield each

    async def _write_access(self) -> Check:
        if isinstance(self.target, Path):
            return await asyncio.to_thread(_write_access, self.target)
        try:
            async with asyncio.timeout(self.timeout):
                await storage_for(self.target).check()
        except (APSError, TimeoutError) as problem:
            return _failed("write access", problem)
        return _good("write access", f"{self.target} can be written to and read from")

    def _credentials(self) -> tuple[Identity | None, Check]:
        try:
            acting = identity(self.environ, self.user_id)
        except (APSError, UsageProblem) as problem:
            return None, _failed("credentials", problem)
        known = f", client id {acting.client_id}" if acting.client_id and acting.kind != "token" else ""
        return acting, _good("credentials", f"{acting.kind}, from the {acting.source}{known}")

    async def _network(self, acting: Identity | None) -> AsyncGenerator[Check, None]:
        try:
            address, place = self._address(acting)
        except (APSError, UsageProblem):  # the profile's, which the check of the credentials has named
            for each in _unchecked(("network",), "the profile, which may have the address, cannot be read"):
                yield each
            return
        try:
            base = checked_base(address, place)
            proxy = proxy_for(base)
            options = request_options(tls_context(self.environ.get(CA_FILE, "").strip() or None), proxy)
            options["timeout"] = aiohttp.ClientTimeout(total=self.timeout, connect=CONNECT_TIMEOUT)
        except APSError as problem:
            yield _failed("network", problem)
            return
        yield Check(name="proxy", ok=True, detail=remedies.without_user(proxy) if proxy else "none")
        try:
            async with open_api(Settings()) as http, http.get(base, **options) as answer:
                said, now = answer.headers.get("Date", ""), self.clock()
        except (aiohttp.ClientError, OSError) as problem:
            failed = transport_error(f"GET {host_of(base)}", problem)
            if failed.obstacle == "certificate":
                yield _failed("certificate", failed, remedies.for_certificate(problem))
            else:
                yield _failed("network", failed, remedies.for_network(base, proxy, place, problem))
            return
        yield _good("network", f"{host_of(base)} answers")
        encrypted = base.startswith("https:")
        yield Check(name="certificate", ok=True if encrypted else None, detail="trusted" if encrypted else "plain http")
        yield _clock(said, now)

    def _address(self, acting: Identity | None) -> tuple[str, str]:
        """The address of the service, and where it was set; without credentials, of those that are not there yet."""
        if acting is not None:
            return acting.base_url, acting.places["base_url"]
        found = service_address(sources(self.environ, may_be_new=True))
        return found.value, found.place

    async def _account(self, acting: Identity | None, why_not: str) -> AsyncGenerator[Check, None]:
        if acting is None:
            for each in _unchecked(_OF_THE_ACCOUNT, why_not):
                yield each
            return
        try:
            # Without the user, who is checked alone.
            session = session_with(
                acting.tokens,
                acting.base_url,
                place=acting.places["base_url"],
                environ=self.environ,
                patient=True,
            )
        except (APSError, UsageProblem) as problem:
            yield _failed("token", problem)
            return
        async with session:
            try:
                async with asyncio.timeout(self.timeout):
                    token = await acting.tokens.token(session)
            except (APSError, TimeoutError) as problem:
                yield _failed("token", problem, remedies.for_token(problem, acting))
                for each in _unchecked(_OF_THE_ACCOUNT[1:], "there is no token"):
                    yield each
                return
            yield _good("token", "the service gave one" if acting.kind != "token" else "the given one is used")
            async with aclosing(self._access(session, acting, unverified_claims(token.value))) as access:
                async for each in access:
                    yield each

    async def _access(
        self, session: Session, acting: Identity, claims: dict[str, object]
    ) -> AsyncGenerator[Check, None]:
        scopes = _scopes(claims, acting.places["scopes"])
        yield scopes
        if scopes.ok is False:
            for each in _unchecked(_OF_THE_ACCOUNT[2:], scopes.detail):
                yield each
            return
        hubs = await _in_time("hubs", _hubs(session, acting), self.timeout)
        yield hubs
        if hubs.ok:
            yield await _in_time("user id", _user(session, acting), self.timeout)
        else:
            for each in _unchecked(_OF_THE_ACCOUNT[3:], "there is no list of accounts"):
                yield each


async def doctor(
    *, user_id: str | None, target: Path | str, as_json: bool, clock: Callable[[], float] = time.time
) -> int:
    """`aps-async doctor`: 0 if nothing is wrong, otherwise the exit code that the first fault leads to."""
    found: list[Check] = []
    async with aclosing(Doctor(user_id=user_id, target=target, clock=clock).checks()) as checks:
        async for each in checks:
            found.append(each)
            if not as_json:
                _print(each)  # to a closed pipe, this ends the checks
    bad = [each for each in found if each.ok is False]
    if as_json:
        print_json({"ok": not bad, "checks": [_as_json(each) for each in found]})
    else:
        print_result()
        print_result("nothing is wrong" if not bad else f"to fix: {', '.join(each.name for each in bad)}")
    return bad[0].exit_code if bad else 0


def _print(check: Check) -> None:
    marks = {True: "\N{CHECK MARK}", False: "\N{BALLOT X}", None: "-"}
    if not _can_show("".join(marks.values())):
        marks = {True: "ok", False: "NO", None: "--"}
    mark = marks[check.ok]
    print_beside(f"{mark:<2} {check.name:<12} ", check.detail)
    if check.remedy:
        print_beside(f"{'':<16}", f"to do: {check.remedy}")


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _as_json(check: Check) -> dict[str, Any]:
    plain = asdict(check)
    plain["exitCode"] = plain.pop("exit_code")
    return plain


def _good(name: str, detail: str) -> Check:
    return Check(name=name, ok=True, detail=detail)


def _failed(name: str, problem: BaseException, remedy: str = "") -> Check:
    """A check that ended with an error, whose message says what to do unless there is another remedy."""
    if isinstance(problem, TimeoutError) and not isinstance(problem, APSError):
        problem = TransportError("no response in time", sent=True)
    remedy = remedy or remedies.for_error(problem)
    detail = reason(problem)
    if remedy and isinstance(problem, TransportError):
        detail = detail.removesuffix(f". {in_its_terms(problem.advice)}")
    return Check(name=name, ok=False, detail=detail, remedy=remedy, exit_code=exit_code(problem))


def _unchecked(names: Sequence[str], why: str) -> Iterator[Check]:
    for name in names:
        yield Check(name=name, ok=None, detail=f"not checked: {why}")


def _versions() -> Check:
    found: list[str] = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue  # of an extra that is not installed
    system = f"{platform.system()} {platform.release()} {platform.machine()}".strip()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return _good("versions", f"aps-async {aps_async.__version__}, {python}, {system}; {', '.join(found)}")


def _write_access(folder: Path) -> Check:
    """Whether a file can be written to the folder, or where the folder would be made."""
    try:
        folder = folder.absolute()
        check_places(folder)
        place = nearest_existing(folder)
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"aps-async")
            file.flush()
            os.fsync(file.fileno())
    except FolderInUseError as problem:
        return Check(name="write access", ok=None, detail=f"not checked: {problem}")
    except (TargetError, OSError) as problem:
        found = problem if isinstance(problem, TargetError) else target_error(folder, problem)
        remedy = "choose another folder with --out, or change its permissions"
        return Check(name="write access", ok=False, detail=str(found), remedy=remedy, exit_code=exit_code(found))
    return _good("write access", f"{place} can be written to")


def _clock(said: str, now: float) -> Check:
    try:
        difference = now - parsedate_to_datetime(said).timestamp()
    except ValueError:
        return Check(name="clock", ok=None, detail="not checked: the response has no date")
    if abs(difference) <= CLOCK_TOLERANCE:
        return _good("clock", "agrees with the service")
    words = f"{abs(difference):,.0f} s {'ahead of' if difference > 0 else 'behind'} the service"
    return Check(name="clock", ok=False, detail=words, remedy=remedies.CLOCK, exit_code=6)


def _scopes(claims: dict[str, object], place: str) -> Check:
    """Whether the token has the scopes that exports need; `place` is where they were set."""
    scopes = claims.get("scope")
    if isinstance(scopes, str):
        scopes = scopes.split()
    if not is_list(scopes):
        return Check(name="scopes", ok=None, detail="not checked: the token does not state them")
    held = " ".join(map(str, scopes))
    if "data:read" not in scopes:
        remedy = f"add data:read to {place or 'APS_SCOPES'}, or sign in again with --scope data:read --scope data:write"
        return Check(
            name="scopes", ok=False, detail=f"data:read is missing; there is {held}", remedy=remedy, exit_code=5
        )
    if "data:write" not in scopes:
        remedy = f"for exports from ACC, add data:write to {place or 'APS_SCOPES'}, or sign in again with it"
        return Check(name="scopes", ok=None, detail=f"{held}; data:write is missing", remedy=remedy)
    return _good("scopes", held)


async def _in_time(name: str, check: Awaitable[Check], timeout: float) -> Check:
    """A check that calls the service."""
    try:
        async with asyncio.timeout(timeout):
            return await check
    except (APSError, TimeoutError) as problem:
        return _failed(name, problem)


async def _hubs(session: Session, acting: Identity) -> Check:
    try:
        found = await list_hubs(session)
    except NotAllowedError as problem:
        return _failed("hubs", problem, remedies.for_accounts(acting))
    if not found.hubs:
        remedy = remedies.for_accounts(acting)
        return Check(name="hubs", ok=False, detail="no account is visible", remedy=remedy, exit_code=5)
    regions = ", ".join(sorted({each.region or "unknown region" for each in found.hubs}))
    odd = "".join(f"; warning: {each.title} {each.detail}".rstrip() for each in found.warnings)
    return _good("hubs", f"{len(found.hubs)} visible ({regions}): the app is in Custom Integrations{odd}")


async def _user(session: Session, acting: Identity) -> Check:
    """Whether there is a user, as exports from ACC need."""
    if acting.user_id:
        try:
            await list_hubs(session, user_id=acting.user_id)
        except NotAllowedError as problem:
            return _failed("user id", problem, remedies.USER)
        return _good("user id", f"calls are made for a user ({acting.user_id_source})")
    if session.two_legged:
        return Check(
            name="user id",
            ok=None,
            detail="none: exports from BIM 360 work without",
            remedy=f"for exports from ACC, {remedies.USER}",
        )
    if acting.kind == "token" and not claimed_text(
        unverified_claims((await acting.tokens.token(session)).value), "userid"
    ):
        return Check(name="user id", ok=None, detail="not checked: the token does not state a user")
    try:
        await get_user_info(session)
    except (AuthError, NotAllowedError):
        return Check(name="user id", ok=None, detail="the token acts for a user, whose profile it may not read")
    return _good("user id", "the token acts for a user")
