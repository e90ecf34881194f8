"""Secure service accounts and their keys. All calls are the app's own: two-legged, without `x-user-id`.

https://aps.autodesk.com/en/docs/ssa/v1
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from attrs import field, frozen

from aps_async.errors import InputError
from aps_async.ids import path_part
from aps_async.lazy import regex
from aps_async.session import Session
from aps_async.transport.converter import lenient
from aps_async.transport.quotas import Endpoint

__all__ = [
    "CHANGE",
    "CHANGE_KEY",
    "CREATE",
    "CREATE_KEY",
    "DELETE",
    "DELETE_KEY",
    "GET",
    "LIST",
    "LIST_KEYS",
    "NewServiceAccountKey",
    "ServiceAccountInfo",
    "ServiceAccountKey",
    "create_service_account",
    "create_service_account_key",
    "delete_service_account",
    "delete_service_account_key",
    "get_service_account",
    "go_time",
    "list_service_account_keys",
    "list_service_accounts",
    "set_service_account_enabled",
    "set_service_account_key_enabled",
]
__dir__: object = __all__.copy

_PATH = "/authentication/v2/service-accounts"
# No quota is published for these; that of similar calls keeps a loop from being refused.
CREATE = Endpoint("service_account_create", 100, repeatable=False, token="app")
LIST = Endpoint("service_account_list", 100, large=True, token="app")
GET = Endpoint("service_account", 100, token="app")
CHANGE = Endpoint("service_account_change", 100, token="app")
DELETE = Endpoint("service_account_delete", 100, token="app")
CREATE_KEY = Endpoint("service_account_key_create", 100, repeatable=False, token="app")
LIST_KEYS = Endpoint("service_account_key_list", 100, large=True, token="app")
CHANGE_KEY = Endpoint("service_account_key_change", 100, token="app")
DELETE_KEY = Endpoint("service_account_key_delete", 100, token="app")

_NAME = range(5, 101)
_GO_TIME = regex(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?")


@frozen(kw_only=True)
class ServiceAccountInfo:
    """A service account as the service describes it."""

    id: str
    """The `serviceAccountId`."""
    email: str
    """Invite this address to the projects that the account needs."""
    status: str = ""
    """`ENABLED`, `DISABLED`, or `DEACTIVATED` by the service after 12 months without use."""
    created_by: str = ""
    created_at: datetime | None = None
    accessed_at: datetime | None = None
    expires_at: datetime | None = None


@frozen(kw_only=True)
class ServiceAccountKey:
    """One of an account's keys, without the private key."""

    id: str
    """The `kid`."""
    status: str
    """`ENABLED` or `DISABLED`."""
    created_at: datetime | None = None
    accessed_at: datetime | None = None


@frozen(kw_only=True)
class NewServiceAccountKey:
    """A new key. `str()` and `repr()` do not show its private key."""

    id: str
    """The `kid`."""
    private_key: str = field(repr=False)
    """PEM. The service returns it only once and does not keep it."""


@lenient
@frozen
class _Account:
    service_account_id: str
    email: str
    created_by: str | None = None
    status: str | None = None
    created_at: str | None = None
    accessed_at: str | None = None
    expires_at: str | None = None


@frozen
class _Accounts:
    service_accounts: tuple[_Account, ...]


@lenient
@frozen
class _Key:
    kid: str
    status: str | None = None
    created_at: str | None = None
    accessed_at: str | None = None


@frozen
class _Keys:
    keys: tuple[_Key, ...]


@frozen
class _NewKey:
    kid: str
    private_key: str = field(repr=False)


async def create_service_account(session: Session, name: str, *, first_name: str, last_name: str) -> ServiceAccountInfo:
    """Creates an account (`POST service-accounts`; scope `application:service_account:write`; at most 10 for an app).

    Only server-to-server apps can have accounts. A new account has no key and no access to projects: see
    `create_service_account_key`, and invite its e-mail address.

    https://aps.autodesk.com/en/docs/ssa/v1/reference/http/ssa-create-service-account-POST

    Args:
        session: a session with the app's two-legged tokens.
        name: 5 to 100 letters, digits and hyphens; the first part of its e-mail address.
        first_name: shown in projects.
        last_name: shown in projects.

    Raises:
        InputError: the name is too short or too long.
        AuthError: the session's tokens are a user's.
        NotAllowedError: a scope is missing, or the app has 10 already.
        APSError: as `Session.request`. After a lost response the account may exist: list them before you try again.
    """
    if len(name) not in _NAME:
        raise InputError(f"a service account's name must have 5 to 100 characters, not {len(name)}")
    body = {"name": name, "firstName": first_name, "lastName": last_name}
    return _account(await session.request(CREATE, "POST", _PATH, into=_Account, json=body))


async def list_service_accounts(session: Session) -> AsyncIterator[ServiceAccountInfo]:
    """The app's accounts (`GET service-accounts`; scope `application:service_account:read`).

    Includes disabled and deactivated ones; see `status`. The list has no pages.

    https://aps.autodesk.com/en/docs/ssa/v1

    Raises:
        AuthError: the session's tokens are a user's.
        APSError: as `Session.request`.
    """
    for found in (await session.request(LIST, "GET", _PATH, into=_Accounts)).service_accounts:
        yield _account(found)


async def get_service_account(session: Session, account_id: str) -> ServiceAccountInfo:
    """One account (`GET service-accounts/:id`; scope `application:service_account:read`).

    https://aps.autodesk.com/en/docs/ssa/v1

    Raises:
        NotFoundError: the app has no such account.
        AuthError: the session's tokens are a user's.
        APSError: as `Session.request`.
    """
    return _account(await session.request(GET, "GET", _one(account_id), into=_Account))


async def set_service_account_enabled(session: Session, account_id: str, *, enabled: bool) -> None:
    """Enables or disables an account (`PATCH service-accounts/:id`; scope `application:service_account:write`).

    A disabled account gets no tokens until it is enabled again. The service may respond with 400 if nothing changes.

    https://aps.autodesk.com/en/docs/ssa/v1/reference/http/ssa-enable-service-account-PATCH

    Raises:
        NotFoundError: the app has no such account.
        AuthError: the session's tokens are a user's.
        APSError: as `Session.request`.
    """
    await session.request(CHANGE, "PATCH", _one(account_id), into=type(None), json=_status(enabled=enabled))


async def delete_service_account(session: Session, account_id: str) -> None:
    """Deletes an account and its keys permanently (`DELETE service-accounts/:id`; scope `...service_account:write`).

    https://aps.autodesk.com/en/docs/ssa/v1

    Raises:
        NotFoundError: the app has no such account, or it is already deleted.
        AuthError: the session's tokens are a user's.
        APSError: as `Session.request`.
    """
    await session.request(DELETE, "DELETE", _one(account_id), into=type(None))


async def create_service_account_key(session: Session, account_id: str) -> NewServiceAccountKey:
    """Creates a key (`POST .../keys`; scope `application:service_account_key:write`; at most 3 for an account).

    Keep the private half where only the program can read it: it cannot be shown again.

    https://aps.autodesk.com/en/docs/ssa/v1

    Raises:
        NotFoundError: the app has no such account.
        NotAllowedError: a scope is missing, or the account has 3 keys.
        AuthError: the session's tokens are a user's.
        APSError: as `Session.request`. After a lost response there may be a key whose private half is lost: list and
            delete it.
    """
    made = await session.request(CREATE_KEY, "POST", f"{_one(account_id)}/keys", into=_NewKey)
    return NewServiceAccountKey(id=made.kid, private_key=made.private_key)


async def list_service_account_keys(session: Session, account_id: str) -> AsyncIterator[ServiceAccountKey]:
    """An account's keys (`GET .../keys`; scope `application:service_account_key:read`).

    Includes disabled ones; see `status`. The list has no pages.

    https://aps.autodesk.com/en/docs/ssa/v1

    Raises:
        NotFoundError: the app has no such account.
        AuthError: the session's tokens are a user's.
        APSError: as `Session.request`.
    """
    answer = await session.request(LIST_KEYS, "GET", f"{_one(account_id)}/keys", into=_Keys)
    for found in answer.keys:
        yield ServiceAccountKey(
            id=found.kid,
            status=found.status or "",
            created_at=go_time(found.created_at),
            accessed_at=go_time(found.accessed_at),
        )


async def set_service_account_key_enabled(session: Session, account_id: str, key_id: str, *, enabled: bool) -> None:
    """Enables or disables a key (`PATCH .../keys/:kid`; scope `application:service_account_key:write`).

    https://aps.autodesk.com/en/docs/ssa/v1

    Raises:
        NotFoundError: there is no such account or key.
        AuthError: the session's tokens are a user's.
        APSError: as `Session.request`.
    """
    path = f"{_one(account_id)}/keys/{path_part(key_id)}"
    await session.request(CHANGE_KEY, "PATCH", path, into=type(None), json=_status(enabled=enabled))


async def delete_service_account_key(session: Session, account_id: str, key_id: str) -> None:
    """Deletes a key permanently (`DELETE .../keys/:kid`; scope `application:service_account_key:write`).

    https://aps.autodesk.com/en/docs/ssa/v1

    Raises:
        NotFoundError: there is no such account or key, or it is already deleted.
        AuthError: the session's tokens are a user's.
        APSError: as `Session.request`.
    """
    await session.request(DELETE_KEY, "DELETE", f"{_one(account_id)}/keys/{path_part(key_id)}", into=type(None))


def go_time(text: str | None) -> datetime | None:
    """A time as Go prints it, `2024-01-25 03:08:04.156576834 +0000 UTC`; None for Go's zero time and anything else."""
    found = _GO_TIME.match((text or "").strip())
    if found is None or found[1] == "0001-01-01":
        return None
    day, clock, fraction, offset = found.groups()
    zone = "+00:00" if not offset or offset == "Z" else offset
    try:
        return datetime.fromisoformat(f"{day}T{clock}{(fraction or '')[:7]}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):  # no such day or zone, or out of range for a datetime
        return None


def _one(account_id: str) -> str:
    return f"{_PATH}/{path_part(account_id)}"


def _status(*, enabled: bool) -> dict[str, Any]:
    return {"status": "ENABLED" if enabled else "DISABLED"}


def _account(found: _Account) -> ServiceAccountInfo:
    return ServiceAccountInfo(
        id=found.service_account_id,
        email=found.email,
        status=found.status or "",
        created_by=found.created_by or "",
        created_at=go_time(found.created_at),
        accessed_at=go_time(found.accessed_at),
        expires_at=go_time(found.expires_at),
    )
