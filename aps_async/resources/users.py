"""The user of the token.

https://aps.autodesk.com/en/docs/oauth/v2
"""

from typing import Any

from attrs import frozen

from aps_async.errors import DecodeError
from aps_async.session import Session
from aps_async.transport.quotas import Endpoint

__all__ = ["USER_INFO", "UserInfo", "get_user_info"]
__dir__: object = __all__.copy

# No quota is published for it.
USER_INFO = Endpoint("userinfo", 100, token="signed-in user", host="https://api.userprofile.autodesk.com")


@frozen(kw_only=True)
class UserInfo:
    """A user, with the fields that the token's scopes allow."""

    sub: str
    """The Autodesk id, which `x-user-id` takes too."""
    name: str | None = None
    email: str | None = None
    email_verified: bool | None = None
    preferred_username: str | None = None
    locale: str | None = None


async def get_user_info(session: Session) -> UserInfo:
    """The user that the session's tokens act for (`GET userinfo`; scopes `user-profile:read` or `openid`).

    Raises:
        AuthError: the tokens are an app's own, without a user.
        APSError: as `Session.request`.
    """
    found = await session.request(USER_INFO, "GET", "/userinfo", into=dict[str, Any])

    def text(name: str) -> str | None:
        value = found.get(name)
        return value if isinstance(value, str) and value else None

    sub, verified = text("sub"), found.get("email_verified")
    if sub is None:
        raise DecodeError("GET /userinfo: the response contains no user (sub)")
    return UserInfo(
        sub=sub,
        name=text("name"),
        email=text("email"),
        email_verified=verified if isinstance(verified, bool) else None,
        preferred_username=text("preferred_username"),
        locale=text("locale"),
    )
