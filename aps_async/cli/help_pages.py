"""Draws the help of a command in panels, as Typer does.

Typer draws it with rich, and for that imports rich's readers of Markdown and source code: most of the time of `--help`.
"""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import Any

import typer

_BOLD, _DIM, _NAME, _VALUE = "1", "2", "1;36", "1;33"
_NARROW = 24  # columns; where a description would have fewer, it is below its name
_USAGE = "Usage: "
_TITLES = {"argument": "Arguments", "option": "Options", "command": "Commands"}
_OPTION = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")
_ENDING = re.compile(r"\[[^\[\]]*\]$")
"""The default and so on, behind a description."""

Row = tuple[str, str]
"""A name and its description."""


HELP_OPTIONS = ["-h", "--help"]


def parameters(command: Any) -> list[Any]:
    """The arguments and options of a command, `--help` included."""
    return list(command.get_params(typer.Context(command, help_option_names=HELP_OPTIONS)))


def help_page(command: Any, context: Any) -> str:
    """The help of a command: usage, description, a panel for each group of parameters and commands, and the end."""
    styles, width = _Styles(), _width()
    usage = " ".join([f"{_USAGE}{context.command_path}", *command.collect_usage_pieces(context)])
    first, *rest = _paragraph(usage, width)
    pieces = ["", f" {styles.put(_USAGE, _VALUE)}{styles.put(first.removeprefix(f' {_USAGE}'), _BOLD)}"]
    pieces += [*(styles.put(line, _BOLD) for line in rest), ""]
    summary, _, more = (command.help or "").partition("\n\n")
    pieces += [*_paragraph(summary, width), ""]
    if more:
        pieces += [*(styles.put(line, _DIM) for line in _paragraph(more, width)), ""]
    panels = _panels(command, context)
    names = max((len(name) for (kind, _), rows in panels.items() if kind == "command" for name, _ in rows), default=0)
    for (kind, title), rows in panels.items():
        pieces += _panel(title, rows, width, styles, names if kind == "command" else 0)
    if command.epilog:
        pieces += ["", *_paragraph(command.epilog, width)]
    return "\n".join([*pieces, ""])


def _panels(command: Any, context: Any) -> dict[tuple[str, str], list[Row]]:
    """The rows of each panel, by kind and title: arguments first, then options, then commands."""
    found: dict[tuple[str, str], list[Row]] = {each: [] for each in _TITLES.items()}
    for each in command.get_params(context):
        record = each.get_help_record(context)
        if record is None or each.hidden:
            continue
        kind = each.param_type_name
        found.setdefault((kind, each.rich_help_panel or _TITLES[kind]), []).append(record)
    names: Sequence[str] = command.list_commands(context) if hasattr(command, "list_commands") else ()
    for name in names:
        one = command.get_command(context, name)
        if not one.hidden:
            summary = (one.help or "").partition("\n\n")[0]
            found.setdefault(("command", one.rich_help_panel or _TITLES["command"]), []).append((name, summary))
    kinds = list(_TITLES)
    return {key: found[key] for key in sorted(found, key=lambda key: kinds.index(key[0])) if found[key]}


def _panel(title: str, rows: Sequence[Row], width: int, styles: "_Styles", least: int) -> list[str]:
    """A frame around rows; `least` is the width of the names of commands, which are in line in all panels."""
    across, down, *corners = list(styles.box)
    inner = width - 4
    names = max(least, *(len(name) for name, _ in rows))
    above = f"{across} {title} "[: width - 2].ljust(width - 2, across)
    lines = [styles.put(f"{corners[0]}{above}{corners[1]}", _DIM)]
    side = styles.put(down, _DIM)
    for name, text in _rows(rows, names, inner):
        marked = styles.put(name, _NAME) if least else styles.named(name)
        lines.append(f"{side} {marked}{styles.named(text.ljust(inner - len(name)))} {side}")
    return [*lines, styles.put(f"{corners[2]}{across * (width - 2)}{corners[3]}", _DIM)]


def _rows(rows: Iterable[Row], names: int, width: int) -> Iterable[Row]:
    """Names and descriptions in two columns, or below each other where it is narrow, line by line."""
    beside = width - names - 2
    for name, text in rows:
        if beside >= _NARROW:
            first, *rest = _described(text, beside) or [""]
            yield name.ljust(names + 2), first
            yield from (("", " " * (names + 2) + line) for line in rest)
        else:
            yield from ((line, "") for line in wrap(name, width))
            yield from (("", f"  {line}") for line in _described(text, width - 2))


def _described(text: str, width: int) -> list[str]:
    """A description in lines; what is in brackets at its end has lines of its own where it does not fit."""
    flat = " ".join(_plain(text).split())
    ending = _ENDING.search(flat)
    if len(flat) <= width or ending is None:
        return _wrapped(flat, width)
    return [*_wrapped(flat[: ending.start()], width), *_wrapped(ending[0], width)]


def _plain(text: str) -> str:
    """Text without the escapes that Typer's completion needs, which takes it for rich's markup."""
    return text.replace(r"\[", "[")


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, width, break_on_hyphens=False)


def _paragraph(text: str, width: int) -> list[str]:
    """Text with its line breaks, indented by one column."""
    return [f" {part}".rstrip() for line in _plain(text).splitlines() for part in _wrapped(line, width - 2) or [""]]


class _Styles:
    """Colours where the terminal shows them, and the characters of frames that the encoding has."""

    def __init__(self) -> None:
        is_dumb = os.environ.get("TERM") in ("dumb", "unknown") or os.environ.get("NO_COLOR")
        self._coloured = sys.stdout.isatty() and not is_dumb
        encoding = getattr(sys.stdout, "encoding", None) or ""
        self.box = "─│╭╮╰╯" if encoding.lower().startswith("utf") else "-|++++"

    def put(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._coloured and text else text

    def named(self, line: str) -> str:
        """A line of a panel: names of options are marked, wherever they are; and the name of a command."""
        return _OPTION.sub(lambda found: self.put(found[0], _NAME), line)


def _width() -> int:
    """Columns of the terminal, also where only the output is a pipe; 80 without one."""
    for name in ("TERMINAL_WIDTH", "COLUMNS"):
        if os.environ.get(name):  # `make_usable` has removed unusable ones
            return int(os.environ[name])
    for stream in (1, 0, 2):
        try:
            return max(20, os.get_terminal_size(stream).columns)
        except OSError:
            continue
    return 80
