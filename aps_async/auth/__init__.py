"""Token providers, stores for logins, and signing in. A provider needs one coroutine; see `TokenProvider`."""

from typing import TYPE_CHECKING

from aps_async.lazy import importer

if TYPE_CHECKING:
    from aps_async.auth.credentials import AppCredentials
    from aps_async.auth.filestore import FileStore
    from aps_async.auth.grants import AuthorizationRequest, revoke
    from aps_async.auth.keyringstore import KeyringStore
    from aps_async.auth.loopback import authorize, authorize_elsewhere, open_browser
    from aps_async.auth.provider import AccessToken, HasClientId, HasTokenKind, Settles, TokenClient, TokenProvider
    from aps_async.auth.service_account import ServiceAccount
    from aps_async.auth.static import StaticToken
    from aps_async.auth.store import Login, MemoryStore, TokenStore
    from aps_async.auth.three_legged import ThreeLegged
    from aps_async.auth.two_legged import TwoLegged

__all__ = [
    "AccessToken",
    "AppCredentials",
    "AuthorizationRequest",
    "FileStore",
    "HasClientId",
    "HasTokenKind",
    "KeyringStore",
    "Login",
    "MemoryStore",
    "ServiceAccount",
    "Settles",
    "StaticToken",
    "ThreeLegged",
    "TokenClient",
    "TokenProvider",
    "TokenStore",
    "TwoLegged",
    "authorize",
    "authorize_elsewhere",
    "open_browser",
    "revoke",
]
__dir__: object = __all__.copy

_HOMES = {
    "aps_async.auth.credentials": "AppCredentials",
    "aps_async.auth.filestore": "FileStore",
    "aps_async.auth.grants": "AuthorizationRequest revoke",
    "aps_async.auth.keyringstore": "KeyringStore",
    "aps_async.auth.loopback": "authorize authorize_elsewhere open_browser",
    "aps_async.auth.provider": "AccessToken HasClientId HasTokenKind Settles TokenClient TokenProvider",
    "aps_async.auth.service_account": "ServiceAccount",
    "aps_async.auth.static": "StaticToken",
    "aps_async.auth.store": "Login MemoryStore TokenStore",
    "aps_async.auth.three_legged": "ThreeLegged",
    "aps_async.auth.two_legged": "TwoLegged",
}
if not TYPE_CHECKING:  # which would accept any name
    __getattr__ = importer(__name__, _HOMES)
