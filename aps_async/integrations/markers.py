"""The simulator that the pytest plugin's markers and settings ask for. Imported once a fixture is requested."""

import difflib
import inspect
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import pytest

from aps_async.simulator import Behaviour, Fault, JobPolls, Simulator, World, running_in_thread

__all__ = ["simulator_of", "waits"]
__dir__: object = __all__.copy

_OWN = ("sheets", "waiting")
_OPTIONS = (*_OWN, *inspect.signature(Simulator).parameters)
_FAULT = ("endpoint", "kind")


def simulator_of(request: pytest.FixtureRequest) -> AbstractContextManager[Simulator]:
    """The simulator of a test, ready to run. Files are relative to pytest's root folder.

    Raises:
        ValueError: a marker or a setting cannot be meant like that.
        OSError: a file of a marker cannot be read.
    """
    options = _options(request)
    options["faults"] = [*options.get("faults", ()), *map(_fault, _marks(request, "aps_fault"))]
    if not waits(request):
        options.setdefault("behaviour", Behaviour(job_time=JobPolls(1), quotas=False))
    options["speed"] = _speed(options, request.config.getini("aps_speed"))
    if isinstance(options.get("pdf"), str | Path):
        options["pdf"] = request.config.rootpath / options["pdf"]
    try:
        options["world"] = _world(options, request.config.rootpath)
        return running_in_thread(Simulator(**{name: each for name, each in options.items() if name not in _OWN}))
    except TypeError as problem:
        raise ValueError(f"the marker aps_simulator: {problem}") from problem


def waits(request: pytest.FixtureRequest) -> bool:
    """Whether the test waits as it would with the service."""
    waiting: bool = _options(request).get("waiting", request.config.getini("aps_waiting"))
    if waiting not in (True, False):
        raise ValueError(f"the marker aps_simulator: waiting must be True or False, not {waiting!r}")
    return waiting


def _marks(request: pytest.FixtureRequest, name: str) -> list[pytest.Mark]:
    return list(reversed(list(request.node.iter_markers(name))))


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the markers `aps_simulator` say; that of the test wins over that of its class or module."""
    options: dict[str, Any] = {}
    for mark in _marks(request, "aps_simulator"):
        if mark.args:
            raise ValueError(f"the marker aps_simulator takes options by name, not {mark.args[0]!r}")
        for name, value in mark.kwargs.items():
            if name not in _OPTIONS:
                near = difflib.get_close_matches(name, _OPTIONS, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(_OPTIONS)}"
                raise ValueError(f"the marker aps_simulator has no option {name!r}{hint}")
            options[name] = value
    return options


def _fault(mark: pytest.Mark) -> Fault:
    """A marker's fault; values as in the JSON form, so that `nth=1` is enough."""
    if len(mark.args) > len(_FAULT) or not (mark.args or "endpoint" in mark.kwargs):
        raise ValueError("the marker aps_fault takes an endpoint, a kind, and the rest by name")
    try:
        return Fault.from_json({**dict(zip(_FAULT, mark.args, strict=False)), **mark.kwargs})
    except ValueError as problem:
        raise ValueError(f"the marker aps_fault: {problem}") from None


def _world(options: Mapping[str, Any], root: Path) -> World:
    """The world of the options."""
    world, pdf, sheets = options.get("world"), options.get("pdf"), options.get("sheets")
    if sheets is not None and (world is not None or pdf is not None):
        raise ValueError("the marker aps_simulator: sheets applies to drawn sheets; a world or a PDF has its own")
    if sheets is not None and (not isinstance(sheets, int) or isinstance(sheets, bool) or sheets < 0):
        raise ValueError(f"the marker aps_simulator: sheets must be a whole number, 0 or more, not {sheets!r}")
    if isinstance(world, str | Path):
        return World.load(root / world)
    if isinstance(world, Mapping):
        return World.from_json(cast("Mapping[str, Any]", world))
    if world is None and pdf is not None:
        return World.with_pdf(pdf)
    return world or World.demo(12 if sheets is None else sheets)


def _speed(options: Mapping[str, Any], setting: object) -> float:
    """The speed of the marker, or else of the setting."""
    value = options.get("speed", setting)
    try:
        speed = float(value)
    except (TypeError, ValueError):
        speed = 0.0
    if not speed > 0:
        what = "the marker aps_simulator: speed" if "speed" in options else "aps_speed"
        raise ValueError(f"{what} must be a positive number, not {value!r}")
    return speed
