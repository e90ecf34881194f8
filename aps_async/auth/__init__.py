"""Where tokens come from. A provider is anything with one coroutine; see `TokenProvider`."""

from aps_async.auth.provider import AccessToken, TokenClient, TokenProvider
from aps_async.auth.static import StaticToken
from aps_async.auth.two_legged import TwoLegged

__all__ = ["AccessToken", "StaticToken", "TokenClient", "TokenProvider", "TwoLegged"]
