"""Profiles: who to be, under a name. One small TOML file each, in the platform's place for configuration.

A profile holds no secret. Its login is kept apart, in a file for its owner's eyes only or in the keyring; an app's
secret comes from the environment, or from a file that the profile names.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from aps_async.auth import FileStore, KeyringStore, TokenStore
from aps_async.cli.failures import UsageProblem
from aps_async.errors import InputError
from aps_async.extras import needed
from aps_async.filesystem import replacing

DEFAULT = "default"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
KEYS = {
    "kind": "user, app or service-account",
    "client_id": "the app's client id",
    "client_secret_file": "a file that holds the app's secret, where the environment does not",
    "base_url": "another address than Autodesk's own",
    "user_id": "the user to act for (x-user-id), with kind app",
    "callback": "the callback address that is registered for the app",
    "scopes": "what the tokens are for, separated by blanks",
    "store": "file or keyring: where the login is",
    "service_account_id": "the account's id",
    "service_account_key_id": "its key's id (kid)",
    "service_account_key_file": "the file with its key (PEM)",
}
KINDS = ("user", "app", "service-account")


@frozen
class Profile:
    """What a profile's file says."""

    name: str
    values: Mapping[str, str] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise UsageProblem(f"{self.name!r} cannot name a profile: use letters, digits, dots, dashes, underscores")

    @property
    def store(self) -> TokenStore:
        """Where its login is."""
        if self.values.get("store") == "keyring":
            return KeyringStore(self.name)
        return FileStore.for_profile(self.name)


def folder() -> Path:
    """Where the profiles are.

    Raises:
        InputError: the extra `cli` is missing.
    """
    platformdirs = needed("platformdirs", "cli", "a profile")
    return Path(platformdirs.user_config_path("aps-async", appauthor=False)) / "profiles"


def names() -> list[str]:
    """The profiles there are."""
    return sorted(file.stem for file in folder().glob("*.toml") if _NAME.match(file.stem))


def read(name: str) -> Profile | None:
    """A profile; None when there is none of this name.

    Raises:
        InputError: its file cannot be read, or says what no profile says.
        UsageProblem: nothing can be named so.
    """
    profile = Profile(name)
    file = folder() / f"{name}.toml"
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as problem:
        words = getattr(problem, "strerror", None) or problem
        raise InputError(f"the profile {file} cannot be read: {words}") from None
    for key, value in values.items():
        if key not in KEYS:
            raise InputError(f"the profile {file} says {key!r}; there are {', '.join(KEYS)}")
        if not isinstance(value, str):
            raise InputError(f"the profile {file}: {key} must be a text in quotation marks")
    if values.get("kind", "user") not in KINDS:
        raise InputError(f"the profile {file}: kind must be one of {', '.join(KINDS)}")
    return Profile(profile.name, values)


def write(profile: Profile) -> Path:
    """Keeps a profile, in one step; gives its file.

    Raises:
        InputError: it cannot be written.
    """
    file = folder() / f"{profile.name}.toml"
    lines = [f"{key} = {_quoted(profile.values[key])}\n" for key in KEYS if profile.values.get(key)]
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(file, 0o600) as opened:
            opened.write("".join(lines).encode())
    except OSError as problem:
        raise InputError(f"the profile {file} cannot be written: {problem.strerror or problem}") from None
    return file


def _quoted(text: str) -> str:
    """A TOML basic string."""
    signs = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(signs.get(s, s if s.isprintable() else f"\\U{ord(s):08X}") for s in text) + '"'
