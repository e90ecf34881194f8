"""The profile that the command line or a job has chosen. Commands that messages suggest keep it."""

import shlex
from contextvars import ContextVar

from aps_async.lazy import regex

profile_option: ContextVar[str | None] = ContextVar("profile_option", default=None)
"""The name that --profile or a file has given."""
chosen_by: ContextVar[str] = ContextVar("chosen_by", default="--profile")
"""Where that name was given, for messages."""

WITH_CREDENTIALS = (
    *("login", "logout", "whoami", "doctor"),
    *("projects", "sheets", "collections", "sets", "files", "cost"),
    *("cost-documents", "download", "export", "sync", "resume", "run"),
    *("worker", "enqueue"),
)
"""The commands that use a profile."""
_SUGGESTED = regex(rf"(?<![\w/-])aps-async(?= (?:{'|'.join(WITH_CREDENTIALS)})(?![\w-]))")
"""A command that needs credentials, without a profile of its own."""


def choose(name: str | None, by: str) -> None:
    """Chooses a profile by its name in a file, which `by` names."""
    profile_option.set(name)
    chosen_by.set(by)


def chosen() -> str:
    """The option that chooses the same profile again, behind a space; empty if none was named by an option."""
    name = profile_option.get()
    return f" --profile {shlex.quote(name)}" if name else ""


def as_chosen(text: str) -> str:
    """The text with the chosen profile in its commands, which would use other credentials without it."""
    option = chosen()
    return _SUGGESTED.sub(lambda found: found[0] + option, text) if option else text
