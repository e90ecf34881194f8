"""Maps errors to one line of text and an exit code."""

import re
from collections.abc import Iterable
from pathlib import Path

from aps_async.cli.profile_choice import as_chosen
from aps_async.lazy import regex

EXIT_CODES = {
    0: "everything was done",
    1: "some exports failed; each is listed with its reason (status: something is left to do)",
    2: "wrong usage, or a missing extra",
    3: "credentials are missing or refused",
    4: "not found, not exportable, or otherwise bad input",
    5: "not allowed: a scope, the app's place in the account, or the user's permission is missing",
    6: "network or service trouble",
    7: "the target cannot be written: permissions or a full disk",
    8: "another run works in the folder, or its ledger cannot be used",
    9: "with --strict: a sheet was left out or withdrawn; or more are withdrawn than --prune may move",
    70: "a fault of aps-async itself",
    130: "stopped by Ctrl-C (143: by SIGTERM)",
}

SEVERITY = (70, 7, 8, 3, 5, 6, 4, 2, 1, 9, 0)
"""Exit codes, the worst first, for a command that does several things."""
SOME_FAILED = 1
NOT_STRICT = 9
_FAULT = 70


class UsageProblem(Exception):  # noqa: N818 - not of the library's tree
    """Options or environment variables contradict each other."""

    exit_code = 2

    def __init__(self, message: str, *, command: str | None = None) -> None:
        super().__init__(message)
        self.command = command
        """Whose help says more; None: that of the command that was given."""


class Interrupted(Exception):  # noqa: N818 - a signal, not an error
    """SIGINT or SIGTERM was received, and all work has been cancelled."""

    def __init__(self, signal: int, *, is_reported: bool = False) -> None:
        super().__init__(f"stopped by signal {signal}")
        self.is_reported = is_reported
        """Whether the command has printed what it had done."""
        self.exit_code: int = 128 + signal


def _codes() -> tuple[tuple[type[Exception], int], ...]:
    """The first matching row applies. A function, so that `--help` does not import these classes."""
    from aps_async import errors

    return (
        (errors.AuthError, 3),
        (errors.NotAllowedError, 5),
        (errors.NotFoundError, 4),
        (errors.MissingExtraError, 2),
        (errors.InputError, 4),
        (errors.TargetError, 7),
        (errors.LedgerError, 8),
        (errors.PruneLimitError, NOT_STRICT),
        (errors.DownloadError, 6),
        (errors.ExportError, SOME_FAILED),
        (errors.APSError, 6),
        (OSError, 7),
    )


def exit_code(problem: BaseException) -> int:
    """The exit code for an error."""
    from aps_async.errors import AuthError, MergeError
    from aps_async.transport.retry import is_undecided

    if isinstance(problem, AuthError) and problem.__cause__ is not None and is_undecided(problem.__cause__):
        return exit_code(problem.__cause__)  # the token service is unreachable; the credentials are not to blame
    if isinstance(problem, MergeError) and problem.__cause__ is not None:
        return exit_code(problem.__cause__)
    for kind, code in _codes():
        if isinstance(problem, kind):
            return code
    own = getattr(problem, "exit_code", None)  # the classes above, and Typer's usage errors
    return own if isinstance(own, int) else _FAULT


def worst(codes: Iterable[int]) -> int:
    """The worst of several exit codes, by `SEVERITY`; 0 of none."""
    return min(codes, key=SEVERITY.index, default=0)


_IN_OTHER_WORDS = {
    r"give user_id, the user's Autodesk id \(x-user-id\),": (
        "give --user-id or APS_USER_ID, the user's Autodesk id (aps-async whoami shows it to a user who has signed in),"
    ),
    r"\(max_prune=": "(--max-prune ",
    r"^user_id (?!in )": "--user-id ",
    r"the selection contains an empty text \((?:sheet_)?(\w+)\)": r"--\1 is empty",
    r"(leave out |and )a (?:version )?(set|collection|tag)(?= and a|, and choose)": r"\1--\2",
    r"^[\w.]+: with a two-legged token this call needs": "with the app's own credentials this needs",
    r"^[\w.]+: this call needs the token of a user": "this needs the login of a user",
    r"; a two-legged token is refused, with or without x-user-id": "; the app's own credentials are refused",
    r"list_sheets\(\) yields": "'aps-async sheets' lists",
    r"\(download_urn\(\)\)": "(aps-async download URN)",
    r", Session\((?:ssl|proxy)=\)": "",
    r"give the project as well": "give --project as well",
    r"Input should be a valid integer, unable to parse string as an integer": "it must be a whole number",
    r"Input should be a valid number, unable to parse string as a number": "it must be a number",
    r"Input should be greater than or equal to": "it must be at least",
    r"Input should be less than or equal to": "it must be at most",
    r": Value error, ": ": ",
    r"Got unexpected extra argument(?:\(s\)|s)? \((.*)\)": (
        r"unexpected argument: \1 (a name with spaces needs quotation marks around it)"
    ),
    r"No such option: (\S+) \(Possible options: (.*)\)": r"No such option: \1. Did you mean \2?",
    r"Option '(.*)' requires an argument": r"Option '\1' needs a value after it",
    r"wait again with its ref": "'aps-async resume' waits for it again",
}
"""Patterns of messages of the library and of Typer, and what the command line says instead."""


def in_its_terms(text: str) -> str:
    """A message as the command line says it."""
    for pattern, words in _IN_OTHER_WORDS.items():
        text = re.sub(pattern, words, text)
    return as_chosen(text)


def reason(problem: BaseException) -> str:
    """What went wrong and what to do, in one line, without the credentials of an address that a user typed."""
    from aps_async.links import redact_addresses

    formatted = getattr(problem, "format_message", None)  # Typer's errors name the option
    words = formatted() if callable(formatted) else _of_system(problem) or str(problem) or type(problem).__name__
    notes: list[str] = getattr(problem, "__notes__", [])
    text = ". ".join(" ".join(part.split()).rstrip(".") for part in (str(words), *notes))
    text = redact_addresses(in_its_terms(text))
    if exit_code(problem) == _FAULT:
        text = f"unexpected {type(problem).__name__}: {text}. Please report it with the output of --debug"
    return text


def _of_system(problem: BaseException) -> str:
    """An error of the operating system without its number; empty if it is another error."""
    from aps_async.descriptors import TOO_MANY, TOO_MANY_ADVICE
    from aps_async.errors import APSError

    if not isinstance(problem, OSError) or isinstance(problem, APSError) or not problem.strerror:
        return ""
    if problem.errno in TOO_MANY:
        return TOO_MANY_ADVICE
    if isinstance(problem, FileNotFoundError) and problem.filename is None and not _is_here():
        return "the current folder has been removed: change to another one"
    return f"{problem.strerror}: {problem.filename}" if problem.filename else problem.strerror


def _is_here() -> bool:
    """Whether there is a current folder, which relative paths are below."""
    try:
        return bool(Path.cwd())
    except OSError:
        return False


_ENCODED = regex(r"(?<=/)([^\s/%]{1,12})%[^\s/:]{30,}(?=[/:\s]|$)")


def short_reason(problem: BaseException) -> str:
    """The same, with the encoded ids in the paths of calls shortened. `--json` has them whole."""
    return shortened(reason(problem))


def shortened(text: str) -> str:
    """A message with the encoded ids in the paths of calls shortened."""
    return _ENCODED.sub("\\1\N{HORIZONTAL ELLIPSIS}", text)
