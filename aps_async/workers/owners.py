"""Owners: a worker processes runs of its own client id and user, and runs without an owner."""

import asyncio
from typing import Any

from attrs import frozen

from aps_async.errors import APSError
from aps_async.session import Session
from aps_async.transport.retry import may_recover

__all__ = ["Owner", "owner_of", "owner_of_row", "patient_owner_of", "token_problem"]
__dir__: object = __all__.copy


@frozen
class Owner:
    """The credentials that a run belongs to. It holds no secret."""

    client_id: str
    user_id: str = ""
    """The signed-in user, or the user that a two-legged session acts for; empty for the app itself."""

    def __str__(self) -> str:
        user = f" and user {self.user_id}" if self.user_id else ""
        return f"client id {self.client_id}{user}"


async def owner_of(session: Session) -> Owner | None:
    """The owner of runs enqueued with this session; None if its tokens have no client id: any worker may take them.

    Raises:
        AuthError: there is no token.
    """
    client_id, user_id = await session.credentials()
    return Owner(client_id, user_id) if client_id else None


async def patient_owner_of(session: Session, pause: float) -> Owner | None:
    """Like `owner_of`, but waits out an outage of the token service, with an attempt every `pause` seconds.

    Raises:
        AuthError: no token can be obtained.
    """
    while True:
        try:
            return await owner_of(session)
        except APSError as problem:
            if not may_recover(problem):
                found = await token_problem(session)
                if found is not None and not may_recover(found):
                    raise
        await asyncio.sleep(pause)


async def token_problem(session: Session) -> APSError | None:
    """The error with which no token can be obtained now; None if one can."""
    try:
        await session.check_token()
    except APSError as problem:
        return problem
    return None


def owner_of_row(row: Any) -> Owner | None:
    """The owner in a row with `client_id` and `user_id`."""
    return Owner(row["client_id"], row["user_id"] or "") if row["client_id"] else None
