"""Reads plain values of options without pydantic.

Typer converts every value with pydantic, also a text and an option that is not given. Importing it takes 0.1 s, as much
as all else that a command needs before it begins. What is not plain still goes to Typer.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from aps_async.cli.help_pages import parameters


def read_plainly(parser: Any) -> Any:
    """The same parser, whose parameters convert plain values themselves."""
    for command in (parser, *parser.commands.values()):
        for each in parameters(command):
            converter = getattr(each, "get_runtime_param", None)
            if converter is not None and hasattr(each, "type_descriptor"):  # older versions of Typer have no pydantic
                each.get_runtime_param = partial(_Plain, converter)
    return parser


class _Plain:
    """In place of the converter of a parameter."""

    def __init__(self, converter: Callable[[], Any]) -> None:
        self._converter = converter

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value as Typer would convert it."""
        kind, info = param.type_descriptor.annotation, param.type_descriptor.parameter_info
        is_multiple = param.multiple or param.nargs == -1
        if value is None:
            return () if is_multiple else None
        if info.parser is not None and not is_multiple:
            try:
                return info.parser(value)
            except (ValueError, AssertionError):  # for which Typer has a message
                return self._converter().coerce(value, param=param, ctx=ctx)
        if kind is str and isinstance(value, str):
            return value
        if kind == list[str] and info.parser is None and not isinstance(value, str):
            return [str(each) for each in value]
        if type(value) is kind and value == param.default:
            return value
        return self._converter().coerce(value, param=param, ctx=ctx)
