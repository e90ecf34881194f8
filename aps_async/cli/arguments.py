"""Rearranges the command line before it is parsed: options of all commands may also come after the command."""

from collections.abc import Sequence
from typing import Any

from aps_async.cli.exit_codes import UsageProblem
from aps_async.lazy import regex

_HELP = frozenset({"--help", "-h"})
"""After a command, they ask for its own."""
_SHORT = regex(r"-[qvV]+")


def in_front(argv: Sequence[str], root: Any) -> list[str]:
    """The arguments with the options of the whole program moved in front of the command.

    Args:
        argv: without the program's name. What comes after `--` stays.
        root: the parser of the whole program, with those of its commands.
    """
    own = {name: takes for name, takes in _options(root).items() if name not in _HELP}
    front, rest = list[str](), list[str]()
    of_command: dict[str, bool] | None = None
    ahead = list(argv)
    while ahead:
        token = ahead.pop(0)
        if token == "--":  # noqa: S105 - not a password
            return [*front, *rest, token, *ahead]
        name = token.partition("=")[0] if token.startswith("--") else token
        if of_command is None and token == "help" and token not in root.commands:  # noqa: S105 - not a password
            return [*front, *rest, *ahead[:1], "--help"]
        if of_command is None and not token.startswith("-"):
            of_command = _options(root.commands.get(token))
        is_own = (name in own or _SHORT.fullmatch(token) is not None) and name not in (of_command or {})
        place = front if is_own else rest
        place.append(token)
        takes = own.get(name, False) if is_own else (of_command or {}).get(name, False)
        if takes and name == token:
            if not ahead:
                raise UsageProblem(f"Option '{name}' needs a value after it")
            place.append(ahead.pop(0))
    return [*front, *rest]


def _options(command: Any) -> dict[str, bool]:
    """A command's options, and whether a value follows each."""
    parameters: list[Any] = [] if command is None else command.params
    return {
        name: not (getattr(each, "is_flag", False) or getattr(each, "count", False))
        for each in parameters
        for name in (*each.opts, *each.secondary_opts)
        if name.startswith("-")
    }


def usage_hint(problem: BaseException, argv: Sequence[str], root: Any, program: str) -> str | None:
    """Where to read how a command is used, after an error of its options; one in a file or an installation has none."""
    context = getattr(problem, "ctx", None)
    path = getattr(context, "command_path", None)
    is_typers = hasattr(problem, "format_message")
    if path is None and (is_typers or (isinstance(problem, UsageProblem) and "--" in str(problem))):
        given = next((each for each in argv if each in root.commands), None)
        command = getattr(problem, "command", None) or given
        path = f"{program} {command}" if command else program
    return f"see: {path} --help" if path else None
