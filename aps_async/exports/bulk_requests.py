"""The requests of a bulk run: read in batches as they become available, and started with many attempts."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Collection, Iterable
from contextlib import aclosing
from itertools import islice

from aps_async.ahead import ReadAhead
from aps_async.errors import APSError, InputError
from aps_async.exports.kinds import Export, ref_of, row_of, start_export
from aps_async.exports.pollers import effective_timeout
from aps_async.models import ExportJob, ExportRef, ExportRequest
from aps_async.narrowing import is_really
from aps_async.session import Session
from aps_async.transport.retry import call_deadline, may_start_again, waits

__all__ = ["Wanted", "batches", "check_requests", "request_of", "start_patiently"]
__dir__: object = __all__.copy

Wanted = ExportRequest | Export
"""What a bulk run takes: a request to start, or a job or reference that was started before, here or elsewhere."""

_START_ROUNDS = 3  # each of up to Settings.max_attempts calls; more would only delay the report of an outage
_AT_ONCE = 250  # requests that are written to a ledger together


def request_of(wanted: Wanted) -> ExportRequest:
    """The request of either."""
    return wanted if isinstance(wanted, ExportRequest) else ref_of(wanted).request


def check_requests(requests: object) -> None:
    """Checks that these are several requests.

    Raises:
        InputError: it is one request, or nothing that can be iterated over.
    """
    if not is_really(requests, Iterable) and not is_really(requests, AsyncIterable):
        raise InputError(
            f"requests must be a list or another iterable of requests, not {type(requests).__name__}; "
            "for a single one, write [request]"
        )


async def batches(
    requests: Iterable[Wanted] | AsyncIterable[Wanted],
) -> AsyncGenerator[list[Wanted], None]:
    """Yields as many at a time as are available. An asynchronous source is read up to `_AT_ONCE` requests ahead.

    Raises:
        InputError: as `check_requests`.
    """
    check_requests(requests)
    if isinstance(requests, AsyncIterable):
        async with aclosing(ReadAhead(_generated(requests), limit=_AT_ONCE, size=_AT_ONCE)) as found:
            async for batch in found:
                yield batch
    else:
        rest = iter(requests)
        while batch := list(islice(rest, _AT_ONCE if isinstance(requests, Collection) else 1)):
            yield batch


async def _generated(requests: AsyncIterable[Wanted]) -> AsyncGenerator[Wanted, None]:
    try:
        async for request in requests:
            yield request
    finally:
        if isinstance(requests, AsyncGenerator):
            await requests.aclose()


async def start_patiently(session: Session, request: ExportRequest, timeout: float | None) -> ExportJob:
    """Starts a job, in several rounds: among thousands, some meet a service that is down or a token just revoked.

    Raises:
        CallTimeoutError: the time that the whole export has is over.
        APSError: see `start_export`.
    """
    own_waits, repeatable = waits(session.settings, paced=False), row_of(request.kind).start_endpoint.repeatable
    next(own_waits)
    limit = effective_timeout(session, ExportRef(request=request, export_id=""), timeout)
    async with call_deadline(limit, f"the start of {request.name or ', '.join(request.source_ids[:3])}"):
        for _ in range(_START_ROUNDS - 1):
            try:
                return await start_export(session, request)
            except APSError as problem:
                if not may_start_again(problem, repeatable=repeatable):
                    raise
                wait = own_waits.send(problem)
            await asyncio.sleep(wait)
        return await start_export(session, request)
