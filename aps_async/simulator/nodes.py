"""Reading JSON objects by name, with the place of whatever is wrong in them."""

from collections.abc import Mapping
from typing import Any, cast

from .parts import WorldError

_SENT = ("id", "secret", "email", "password", "region", "container", "storage")
"""What goes into addresses and headers; other texts are people's, and services cut some of them within a character."""


class Node:
    """A JSON object that knows its place and which of its keys were asked for."""

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, Mapping):
            raise WorldError(place, f"must be an object, not {_kind(value)}")
        self.values: Mapping[str, Any] = cast("Mapping[str, Any]", value)
        self.place = place
        self._left = set(self.values)

    def get(self, name: str, kind: type, default: Any) -> Any:
        self._left.discard(name)
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise WorldError(f"{self.place}.{name}", f"must be {_wanted(kind)}, not {_kind(value)}")
        return value

    def text(self, name: str, default: str = "") -> str:
        value = str(self.get(name, str, default))
        if name in _SENT:
            try:
                value.encode()
            except UnicodeEncodeError:
                raise WorldError(f"{self.place}.{name}", "contains half a surrogate pair") from None
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        return bool(self.get(name, bool, default))

    def number(self, name: str, default: int, least: int = 0) -> int:
        value = int(self.get(name, int, default))
        if name in self.values and value < least:
            raise WorldError(f"{self.place}.{name}", f"must be at least {least}, not {value}")
        return value

    def nodes(self, name: str) -> list["Node"]:
        return [Node(value, f"{self.place}.{name}[{i}]") for i, value in enumerate(self.get(name, list, []))]

    def texts(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        values = self.get(name, list, default)
        for i, value in enumerate(values):
            if not isinstance(value, str):
                raise WorldError(f"{self.place}.{name}[{i}]", f"must be a string, not {_kind(value)}")
        return tuple(values)

    def done(self) -> None:
        if self._left:
            raise WorldError(self.place, f"unknown key {min(self._left)!r}")


def _kind(value: object) -> str:
    names: dict[type, str] = {
        dict: "an object",
        list: "a list",
        str: "a string",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _wanted(kind: type) -> str:
    return {str: "a string", bool: "true or false", int: "a whole number", list: "a list", dict: "an object"}[kind]
