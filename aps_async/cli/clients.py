"""The file that names the credentials of several client ids, for one worker process. It holds no secret.

[[client]]
profile = "north"                      # a profile with a login, or with the file of the app's secret

[[client]]
client_id_env = "SOUTH_CLIENT_ID"      # the names of two environment variables
client_secret_env = "SOUTH_CLIENT_SECRET"
"""

import tomllib
from collections.abc import Mapping, Sequence
from contextvars import copy_context
from pathlib import Path

from attrs import field, frozen

from aps_async.cli.environment import open_session
from aps_async.cli.identity import VARIABLES
from aps_async.cli.profile_choice import choose
from aps_async.errors import InputError
from aps_async.narrowing import as_list, as_object
from aps_async.session import Session
from aps_async.text import decoded, why_unreadable
from aps_async.transport.quotas import RateLimiters

__all__ = ["Client", "clients_of", "open_sessions"]
__dir__: object = __all__.copy

_KEYS = ("profile", "client_id_env", "client_secret_env", "user_id")
_RULE = "each [[client]] needs either profile, or client_id_env and client_secret_env; user_id may be added"
_KEPT = ("base_url",)


@frozen(kw_only=True)
class Client:
    """One entry of the file."""

    profile: str = ""
    client_id_env: str = ""
    client_secret_env: str = ""
    user_id: str = ""
    label: str = field(default="", eq=False)
    """The file and the entry, as errors name them."""

    def open_session(self, environ: Mapping[str, str], quotas: RateLimiters) -> Session:
        """A session, not yet entered, with these credentials.

        Raises:
            AuthError: the profile does not exist, or has no credentials.
            InputError: a variable is not set.
        """
        hidden = {variable for key, variable in VARIABLES.items() if key not in _KEPT} | {"APS_PROFILE"}
        own = {name: value for name, value in environ.items() if name not in hidden}
        if not self.profile:
            own |= {
                "APS_CLIENT_ID": _value(environ, self.client_id_env, self.client_id_env),
                # What is meant as a name may be the secret itself.
                "APS_CLIENT_SECRET": _value(environ, self.client_secret_env, f"for the secret of {self.client_id_env}"),
            }

        def opened() -> Session:
            choose(self.profile or None, f"profile in {self.label}")
            user_id_place = f"user_id in {self.label}"
            return open_session(self.user_id or None, own, user_id_place=user_id_place, quotas=quotas, patient=True)

        return copy_context().run(opened)


def _value(environ: Mapping[str, str], name: str, shown: str) -> str:
    found = environ.get(name, "").strip()
    if not found:
        raise InputError(f"the environment variable {shown}, which the file of clients names, is not set")
    return found


def clients_of(file: Path) -> tuple[Client, ...]:
    """The entries of a file.

    Raises:
        InputError: the file cannot be read, has no entries, or has keys that are not allowed, such as a secret.
    """
    try:
        content = tomllib.loads(decoded(file.read_bytes()))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as problem:
        raise InputError(f"{file} cannot be read: {why_unreadable(problem)}") from None
    entries = as_list(content.get("client"))
    if set(content) != {"client"} or not entries:
        raise InputError(f"{file} must contain only [[client]] entries, and at least one: {_RULE}")
    found = tuple(_client(file, number, entry) for number, entry in enumerate(entries, 1))
    if len(set(found)) < len(found):
        raise InputError(f"{file} names the same client twice")
    return found


def _client(file: Path, number: int, entry: object) -> Client:
    where = f"{file}, client {number}"
    values = as_object(entry)
    for key, value in values.items():  # no value is shown: it may be a secret in the wrong place
        if key not in _KEYS:
            raise InputError(f"{where}: {key!r} is not a valid key; secrets do not belong in this file: {_RULE}")
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{where}: {key} must be text in quotation marks")
    names = set(values) - {"user_id"}
    if names not in ({"profile"}, {"client_id_env", "client_secret_env"}):
        raise InputError(f"{where}: {_RULE}")
    return Client(**values, label=where)


def open_sessions(
    clients: Sequence[Client] | None, user_id: str | None, environ: Mapping[str, str], quotas: RateLimiters
) -> list[Session]:
    """A session for every client, not yet entered; without clients, one for the usual credentials.

    Raises:
        AuthError: credentials are missing.
        InputError: a value cannot be used.
    """
    if clients is None:
        return [open_session(user_id, environ, quotas=quotas, patient=True)]
    return [client.open_session(environ, quotas) for client in clients]
