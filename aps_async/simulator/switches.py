"""Switches that describe themselves: default, meaning, allowed values, and what the documentation says.

Everything else about them is made from these descriptions: the validation, the help of the command line, and the list
of decisions that no documentation confirms.
"""

import difflib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, cast, get_args, get_origin

import attrs

_KEY = "switch"


class BehaviourError(ValueError):
    """A switch that does not exist, or a value that it does not take."""


@attrs.frozen
class Description:
    """What a switch says about itself."""

    meaning: str
    documented: str
    """What the documentation says about it; empty when it says nothing."""
    instrument: bool
    """Whether it is a tool for tests that claims nothing about the service."""
    choices: tuple[int, ...]
    least: float
    read: Callable[[object], Any] | None
    form: str
    """The values in words, for a switch that has a `read` of its own."""


def switch(
    default: object,
    meaning: str,
    *,
    documented: str = "",
    instrument: bool = False,
    choices: tuple[int, ...] = (),
    least: float = 0.0,
    read: Callable[[object], Any] | None = None,
    form: str = "",
) -> Any:
    """A field of a class of switches.

    Args:
        default: Its value, or a function without arguments that makes it.
        meaning: What it decides, as one or two sentences.
        documented: What the documentation says; empty when the default is a decision of the simulator's own.
        instrument: A tool for tests rather than a claim about the service.
        choices: The whole numbers it takes; any when empty.
        least: The smallest number it takes.
        read: Turns a JSON value into the switch's value, for types of its own; TypeError or ValueError when it cannot.
        form: What `read` takes, in words.
    """
    metadata = {_KEY: Description(meaning, documented, instrument, choices, least, read, form)}
    if callable(default):
        return attrs.field(factory=default, metadata=metadata)
    return attrs.field(default=default, metadata=metadata)


@attrs.frozen
class Switch:
    """A switch of a class of switches."""

    name: str
    type: Any
    default: Any
    about: Description

    @property
    def form(self) -> str:
        """The values it takes, in words."""
        if self.about.form:
            return self.about.form
        if get_origin(self.type) is Literal:
            return _alternatives(json.dumps(value) for value in get_args(self.type))
        if self.about.choices:
            return _alternatives(map(str, self.about.choices))
        least = f" of at least {self.about.least:g}"
        return {bool: "true or false", int: f"a whole number{least}", float: f"a number{least}"}[self.type]

    @property
    def is_unconfirmed(self) -> bool:
        """Whether the default is a decision of the simulator's own: nothing is documented, and it is not a tool."""
        return not self.about.documented and not self.about.instrument

    def read(self, value: object) -> Any:
        """The value for a JSON value.

        Raises:
            BehaviourError: The switch does not take it.
        """
        if self.about.read is not None:
            try:
                return self.about.read(value)
            except (TypeError, ValueError) as error:
                raise BehaviourError(f"{self.name} must be {self.form}, not {_shown(value)}: {error}") from None
        if not self._takes(value):
            raise BehaviourError(f"{self.name} must be {self.form}, not {_shown(value)}")
        return value

    def _takes(self, value: object) -> bool:
        if get_origin(self.type) is Literal:
            return isinstance(value, str) and value in get_args(self.type)
        if self.type is bool or isinstance(value, bool):
            return self.type is bool and isinstance(value, bool)
        if not isinstance(value, int) and not (self.type is float and isinstance(value, float)):
            return False
        if self.about.choices:
            return value in self.about.choices
        return math.isfinite(value) and value >= self.about.least


def _alternatives(values: Iterable[str]) -> str:
    *others, last = values
    return f"{', '.join(others)} or {last}"


def _shown(value: object) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return repr(value)


def switches_of(kind: type) -> dict[str, Switch]:
    """The switches of a class by name, in its order."""
    fields = attrs.fields(attrs.resolve_types(kind))
    return {
        field.name: Switch(
            field.name,
            field.type,
            field.default.factory() if isinstance(field.default, attrs.Factory) else field.default,  # type: ignore[arg-type]
            field.metadata[_KEY],
        )
        for field in fields
    }


def read_settings(switches: Mapping[str, Switch], document: object) -> dict[str, Any]:
    """The values that a JSON object gives to switches.

    Raises:
        BehaviourError: It is not an object, or names an unknown switch or a value that one does not take.
    """
    if not isinstance(document, Mapping):
        raise BehaviourError(f"must be a JSON object of switches and values, not {_shown(document)}")
    values: dict[str, Any] = {}
    for name, value in cast("Mapping[object, object]", document).items():
        if not isinstance(name, str) or name not in switches:
            raise BehaviourError(f"there is no switch {name!r}{did_you_mean(str(name), switches)}")
        values[name] = switches[name].read(value)
    return values


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, if there is any."""
    near = difflib.get_close_matches(name.lower().replace("-", "_"), list(names), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def parse_setting(text: str) -> tuple[str, Any]:
    """Name and JSON value of `name=value`; what is not JSON counts as a string.

    Raises:
        BehaviourError: There is no `=`, or no name before it.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise BehaviourError(f"{text!r} must have the form NAME=VALUE, such as post_status=200")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value.strip()
