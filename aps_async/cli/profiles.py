"""Profiles: named identities, each in a small TOML file in the platform's folder for configuration.

A profile contains no secrets. Its login is stored separately, in a file that only its owner can read or in the keyring;
an app's secret comes from the environment, or from a file that the profile names.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from aps_async.auth import FileStore, KeyringStore, TokenStore
from aps_async.cli.exit_codes import UsageProblem
from aps_async.errors import InputError
from aps_async.filesystem import replacing
from aps_async.lazy import regex
from aps_async.text import decoded, why_unreadable
from aps_async.user_folders import find_user_folder, user_folder

DEFAULT = "default"
_NEEDED = ("cli", "a profile")
_NAME = regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
KEYS = {
    "kind": "user, app or service-account",
    "client_id": "the app's client id",
    "client_secret_file": "a file with the app's secret, used if the environment has none",
    "base_url": "a base address other than Autodesk's",
    "user_id": "the user to act for (x-user-id), with kind app",
    "callback": "the callback address registered for the app",
    "scopes": "the scopes of the tokens, separated by spaces",
    "store": "file or keyring: where the login is stored",
    "service_account_id": "the account's id",
    "service_account_key_id": "its key's id (kid)",
    "service_account_key_file": "the file with its key (PEM)",
}
KINDS = ("user", "app", "service-account")
STORES = ("file", "keyring")


@frozen
class Profile:
    """The contents of a profile's file."""

    name: str
    values: Mapping[str, str] = field(factory=dict[str, str])

    def __attrs_post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise UsageProblem(f"{self.name!r} is not a valid profile name: use letters, digits, dots, dashes and _")

    @property
    def store(self) -> TokenStore:
        """The store of its login."""
        if self.values.get("store") == "keyring":
            return KeyringStore(self.name)
        return FileStore.for_profile(self.name)


def folder() -> Path | None:
    """The folder of the profiles; None for a user without a home, who has none.

    Raises:
        InputError: the extra `cli` is not installed.
    """
    found = find_user_folder("config", *_NEEDED)
    return found and found / "profiles"


def names() -> list[str]:
    """The names of all profiles, sorted."""
    place = folder()
    files = place.glob("*.toml") if place else ()
    return sorted(file.stem for file in files if _NAME.match(file.stem))


def read(name: str) -> Profile | None:
    """Reads a profile; None if it does not exist.

    Raises:
        InputError: its file cannot be read, or contains an invalid key or value.
        UsageProblem: the name is not valid.
    """
    profile = Profile(name)
    if (place := folder()) is None:
        return None
    file = place / f"{name}.toml"
    try:
        values = tomllib.loads(decoded(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as problem:
        raise InputError(f"the profile {file} cannot be read: {why_unreadable(problem)}") from None
    for key, value in values.items():
        if key not in KEYS:
            raise InputError(f"the profile {file}: {key!r} is not a valid key; valid keys: {', '.join(KEYS)}")
        if not isinstance(value, str):
            raise InputError(f"the profile {file}: {key} must be text in quotation marks")
    if values.get("kind", "user") not in KINDS:
        raise InputError(f"the profile {file}: kind must be one of {', '.join(KINDS)}")
    if (values.get("store") or STORES[0]) not in STORES:
        raise InputError(f"the profile {file}: store must be {' or '.join(STORES)}")
    return Profile(profile.name, values)


def write(profile: Profile) -> Path:
    """Writes a profile in one step, and returns its file.

    Raises:
        InputError: the file cannot be written.
    """
    file = (folder() or user_folder("config", *_NEEDED)) / f"{profile.name}.toml"
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
    escapes = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(escapes.get(c, c if c.isprintable() else f"\\U{ord(c):08X}") for c in text) + '"'
