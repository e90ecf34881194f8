"""The end of a run's output: failures by reason, and the command to continue with."""

import sys
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path

from attrs import define, field

from aps_async.cli.exit_codes import short_reason
from aps_async.cli.output import print_status, program, typed_path
from aps_async.cli.profile_choice import chosen
from aps_async.errors import (
    CallTimeoutError,
    ExportFailedError,
    ExportTimeoutError,
    NotFoundInProjectError,
    ResponseError,
    TransportError,
)
from aps_async.lazy import regex
from aps_async.text import abridged

_NAMED = 8  # sheets that are named for one reason
_STATUS = {401: "not signed in", 403: "not allowed", 404: "not found", 429: "over the quota"}
_OBSTACLES = {
    "host": "unknown host",
    "certificate": "certificate not trusted",
    "tls": "no encrypted connection",
    "proxy": "refused by the proxy",
    "connection": "no connection",
}
_VARIABLE = regex(r"\d+(?:\.\d+)?|\burn:\S+|'[^']*'")
_CALL = regex(r"\b(?:GET|POST) \S+ ")
"""With an address, which differs from sheet to sheet and would leave no room for the reason."""
_LONGEST = 100
_AT_SERVICE = "failed at the service"


@define
class _Group:
    words: str
    reason: str
    names: list[str] = field(factory=list[str])


def failures_by_reason(failures: Iterable[tuple[str, Exception]], *, explained: bool = False) -> list[str]:
    """One line for each reason, such as `2 not allowed (403): A-103, A-109`; the most frequent first.

    Args:
        failures: the name of each sheet, and its error.
        explained: with a line below each that has the whole message of its first error, where that says more.
    """
    groups: dict[str, _Group] = {}
    for name, problem in failures:
        words = few_words(problem, name)
        group = groups.setdefault(alike(words), _Group(words, short_reason(problem)))
        group.names.append(name)
    lines: list[str] = []
    for each in sorted(groups.values(), key=lambda each: -len(each.names)):
        lines.append(f"{len(each.names):,} {each.words}: {named(each.names)}")
        if explained and not each.reason.endswith(each.words):
            lines.append(f"  {each.reason}")
    return lines


def print_failure(name: str, problem: Exception) -> None:
    """One line for a failure as it happens."""
    print_status(f"failed: {name}: {words_now(problem, name)}")


def words_now(problem: Exception, name: str) -> str:
    """The reason of a failure as it happens: on a terminal in a few words, since the end explains every reason once."""
    return few_words(problem, name) if sys.stderr.isatty() else short_reason(problem)


is_stop_reported: ContextVar[bool] = ContextVar("is_stop_reported", default=False)
"""Whether the command has printed what it had done when it was stopped, so that nothing more needs to be said."""


def print_stopped(done: str, folder: Path | None) -> None:
    """What a stopped run had done, and how to continue it; without a folder there is nothing to continue."""
    print_status(done)
    if folder is not None:
        print_status(next_command(folder, to="continue"))
    is_stop_reported.set(True)


def next_command(folder: Path, *, to: str = "try again") -> str:
    """How to continue the run in a folder."""
    return f"to {to}: {program()}{chosen()} resume {typed_path(folder)}"


def reasons(problem: Exception | None, name: str) -> tuple[str | None, str | None]:
    """The reason and its few words, for a report; None without a failure."""
    return (None, None) if problem is None else (short_reason(problem), few_words(problem, name))


def few_words(problem: Exception, name: str = "") -> str:
    """The reason without the call that met it, so that equal ones can be grouped."""
    from aps_async.transport.retry import interception

    if page := interception(problem):
        return f"stopped by a web filter or proxy ({page.status})"
    if isinstance(problem, ResponseError):
        words = _STATUS.get(problem.status, "refused" if problem.status < 500 else "trouble at the service")
        return f"{words} ({problem.status})"
    if isinstance(problem, ExportTimeoutError | CallTimeoutError):
        return "not done in time"
    if isinstance(problem, TransportError):
        return _OBSTACLES.get(problem.obstacle or "", "no answer from the service")
    if isinstance(problem, ExportFailedError):
        status = problem.job.raw_status if problem.job else ""
        return f"{_AT_SERVICE} ({status})" if status.casefold() not in ("", "failed") else _AT_SERVICE
    if isinstance(problem, NotFoundInProjectError):
        return "not found in the project"
    text = _CALL.sub("", short_reason(problem).removeprefix(f"{name}: "))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"


def alike(words: str) -> str:
    """A reason without what differs from one sheet to another."""
    return _VARIABLE.sub("#", words)


def named(names: list[str]) -> str:
    """The first names, and how many more there are."""
    return abridged(names[:_NAMED], len(names))
