"""Converts JSON to values and back: the only cattrs converter. JSON has camelCase; errors name the path of a value."""

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from types import GenericAlias
from typing import Any, TypeVar, cast, get_args, get_origin

import attrs
from attrs import evolve, frozen
from cattrs import AttributeValidationNote, ClassValidationError, Converter, transform_error
from cattrs.gen import (
    make_dict_structure_fn,
    make_dict_unstructure_fn,
    make_mapping_structure_fn,  # pyright: ignore[reportUnknownVariableType] # one parameter of it has no type
    override,
)

from aps_async.errors import DecodeError, InputError
from aps_async.models import ExportRef, ExportRequest, ExportStatus, FailedFile
from aps_async.narrowing import as_object, is_object
from aps_async.text import abridged, well_formed
from aps_async.transport.decoding import DEPTH_LIMIT, loads

__all__ = [
    "DEPTH_LIMIT",
    "ESSENTIAL",
    "STORED_WORDS",
    "Unread",
    "lenient",
    "lenient_until_final",
    "loads",
    "ref_from_json",
    "ref_to_json",
    "request_from_json",
    "request_to_json",
    "structure",
    "to_dict",
    "to_json",
]
__dir__: object = __all__.copy

_log = logging.getLogger(__name__)

T = TypeVar("T")
C = TypeVar("C", bound=type)

STORED_WORDS: dict[tuple[type, str], str] = {(ExportRequest, "source_ids"): "subjects"}
"""Fields with another name in references, ledgers, databases and queues, so that what earlier versions have stored
stays valid, and so do the digests that identify it."""


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def _word(cls: type, name: str) -> str:
    """The name of a field in JSON."""
    return STORED_WORDS.get((cls, name)) or _camel(name)


def _strict(kind: type) -> Callable[[Any, Any], Any]:
    """A hook that checks types. cattrs would call `str(value)`, which turns null into "None"."""
    words = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}[kind]

    def structure(value: Any, wanted: Any) -> Any:
        if kind is float and type(value) is int:
            return float(value)
        if kind is int and type(value) is float and value.is_integer():  # in JSON, 1.0 is 1
            return int(value)
        if type(value) is not kind:
            raise TypeError(f"expected {words}, got {type(value).__name__}")
        return value if wanted is kind else wanted(value)  # also for a StrEnum

    return structure


def _moment(value: Any, _: Any) -> datetime | None:
    """A time; None if it is not valid, which must not make the response unreadable. Seven fractional digits occur."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _number_or_text(value: Any, _: Any) -> int | float | str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"expected a number or a text, got {type(value).__name__}")
    return value


@frozen
class Unread:
    """A part of a response that could not be read, while the rest could."""

    reason: str
    """What is wrong, and the path in the response."""
    id: str | None = None
    """The item that contains it; None if the response is about one item only."""
    left_out: bool = False
    """Whether the whole item was left out, and not only the value."""


@frozen(eq=False, repr=False)
class _Reading:
    """One call of `structure`: how it handles parts that cannot be read, and which ones it has found."""

    strict: bool
    heard: bool
    unread: list[Unread]


_reading: ContextVar[_Reading] = ContextVar("_reading")
_UNREAD_LIMIT = 1000  # of one list; a page has at most 200 items
_LENIENT: set[type] = {FailedFile}
_STATES: dict[type, Mapping[str, ExportStatus]] = {}


def lenient(cls: C) -> C:
    """Marks a class of list items that need not be readable completely.

    A value that cannot be read is replaced by the field's default, and an item without a required field is left out of
    its list; `structure` reports both. Fields with the metadata `ESSENTIAL` are not replaced by their default.
    """
    _LENIENT.add(cls)
    return cls


def lenient_until_final(states: Mapping[str, ExportStatus]) -> Callable[[C], C]:
    """Marks a class for the status of a job: as `lenient`, until its status is a final one in this table.

    What is said of a result before there is one does not matter, and must not end the wait for it.
    """

    def mark(cls: C) -> C:
        _STATES[cls] = states
        return cls

    return mark


ESSENTIAL = {"essential": True}
"""Metadata for a field whose default would change the meaning of the response."""


def _is_a(container: type) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) == container


@cache
def _converter() -> Converter:
    """Made at its first use, as a program that only imports this does not need it."""
    made = Converter()
    for kind in (str, bool, int, float):
        made.register_structure_hook(kind, _strict(kind))
    made.register_structure_hook(datetime | None, _moment)
    made.register_structure_hook(int | float | str | None, _number_or_text)
    made.register_unstructure_hook(datetime, datetime.isoformat)
    made.register_structure_hook(type(None), lambda _, __: None)  # for calls whose response has no body
    made.register_structure_hook_factory(_is_a(tuple), _from_list)
    made.register_structure_hook_factory(_is_a(dict), _from_object)
    made.register_structure_hook_factory(attrs.has, _from_camel)
    made.register_unstructure_hook_factory(attrs.has, _to_camel)
    return made


def _from_list(kind: Any) -> Callable[[Any, Any], Any]:
    """A hook that only accepts arrays. cattrs accepts any iterable, and would turn a text into a tuple of letters."""
    item = get_args(kind)[0]
    as_list: Any = GenericAlias(list, item)
    inner, one = _converter().get_structure_hook(as_list), _converter().get_structure_hook(item)

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise TypeError(f"expected a list, got {type(value).__name__}")
        values = cast("Sequence[Any]", value)
        reading = _reading.get()
        if reading.strict or item not in _LENIENT:
            return tuple(inner(values, as_list))
        found = _readable(values, lambda each: one(each, item), reading.unread)
        if values and not found and not reading.heard:
            inner(values, as_list)  # raises the problems of all items together
        return tuple(found)

    return structure


def _readable(values: Iterable[Any], read: Callable[[Any], Any], unread: list[Unread]) -> list[Any]:
    found: list[Any] = []
    for number, value in enumerate(values, 1):
        before = len(unread)
        if before >= _UNREAD_LIMIT:
            raise ValueError(f"more than {_UNREAD_LIMIT} parts cannot be read, such as {unread[0].id}")
        try:
            found.append(read(value))
        except Exception as problem:  # noqa: BLE001 - whatever the hooks raised
            unread[before:] = [Unread("; ".join(_explained(problem)), left_out=True)]
        if len(unread) > before:
            named = _name_of(value) or f"item {number}"
            unread[before:] = [evolve(each, id=each.id or named) for each in unread[before:]]
    return found


def _name_of(item: Any) -> str | None:
    """The id or name of an unreadable item, for messages."""
    found = (as_object(item).get(name) for name in ("id", "urn", "name", "number"))
    return next((each[:200] for each in found if isinstance(each, str) and each), None)


def _from_object(kind: Any) -> Callable[[Any, Any], Any]:
    inner: Callable[[Any, Any], Any] = (
        (lambda value, _: value)  # keys of decoded JSON are always texts
        if get_args(kind) == (str, Any)
        else make_mapping_structure_fn(kind, _converter())
    )

    def structure(value: Any, _: Any) -> Any:
        if not is_object(value):
            raise TypeError(f"expected an object, got {type(value).__name__}")
        return inner(value, kind)

    return structure


def _from_camel(cls: type) -> Callable[[Any, Any], Any]:
    parts = attrs.fields(cls)
    names: dict[str, Any] = {part.name: override(rename=_word(cls, part.name)) for part in parts}
    required = {part.name for part in parts if part.default is attrs.NOTHING or part.metadata.get("essential")}
    inner = cast("Callable[[Any, Any], Any]", make_dict_structure_fn(cls, _converter(), **names))

    def structure(value: Any, kind: Any) -> Any:
        if not is_object(value):
            raise TypeError(f"expected an object, got {type(value).__name__}")
        if None in value.values():  # some services write null where others leave a field out
            value = {name: each for name, each in value.items() if each is not None}
        reading = _reading.get()
        before = len(reading.unread)
        try:
            return inner(value, kind)
        except ClassValidationError as problem:
            odd = _odd_fields(problem)
            running = cls in _STATES and not _is_final(value, _STATES[cls])
            if reading.strict or not (running or cls in _LENIENT) or odd & required:
                raise
            words = "; ".join(_explained(problem))
        del reading.unread[before:]  # reported again by the second reading
        reading.unread.append(Unread(words))
        return inner(
            {name: each for name, each in value.items() if name not in {_word(cls, each) for each in odd}}, kind
        )

    return structure


def _is_final(value: Mapping[str, Any], states: Mapping[str, ExportStatus]) -> bool:
    status = value.get("status")
    return not isinstance(status, str) or ExportStatus.read(status, states).is_final


def _odd_fields(problem: ClassValidationError) -> set[str]:
    notes = (note for each in problem.exceptions for note in getattr(each, "__notes__", ()))
    return {note.name for note in notes if isinstance(note, AttributeValidationNote)}


def _to_camel(cls: type) -> Callable[[Any], Any]:
    names: dict[str, Any] = {part.name: override(rename=_word(cls, part.name)) for part in attrs.fields(cls)}
    return make_dict_unstructure_fn(cls, _converter(), _cattrs_omit_if_default=True, **names)


def _explain(problem: BaseException, _: type | None) -> str:
    if isinstance(problem, KeyError):
        return "required field missing"
    return str(problem) or type(problem).__name__


def structure(
    value: Any, into: type[T], on_unread: Callable[[Unread], object] | None = None, *, strict: bool = False
) -> T:
    """Turns decoded JSON into `into`, an attrs class or a tuple of one.

    Args:
        value: what `loads` returned.
        into: the type.
        on_unread: called for every value or item that was left out; see `lenient`. None: each is logged, and a list
            in which nothing can be read is an error.
        strict: leave nothing out, for what this library has written itself.

    Raises:
        DecodeError: something cannot be read; with one problem for each place, such as
            `expected a text, got int @ $.data.signedUrl`.
    """
    reading = _Reading(strict, on_unread is not None, [])
    token = _reading.set(reading)
    try:
        found = _converter().structure(value, into)
    except Exception as problem:  # noqa: BLE001 - whatever the hooks raised
        problems = _explained(problem)
    else:
        for each in reading.unread:
            (on_unread or _log_unread)(each)
        return found
    finally:
        _reading.reset(token)
    shown = abridged(problems[:3], len(problems), "; ")
    raise DecodeError(f"the response is not as documented: {shown}", problems=problems)


def _log_unread(found: Unread) -> None:
    _log.warning(
        "%s %s: %s", found.id or "an item", "was left out" if found.left_out else "lacks a value", found.reason
    )


def _explained(problem: BaseException) -> tuple[str, ...]:
    """One line for each place that could not be read."""
    found = transform_error(problem, format_exception=_explain)
    for (_, name), word in STORED_WORDS.items():
        found = [re.sub(rf"(?<=\.){name}\b", word, line) for line in found]
    return tuple(re.sub(r"(?<=\w)_(\w)", lambda hit: hit[1].upper(), line) for line in found)


def to_dict(value: Any) -> dict[str, Any]:
    """Converts a value to plain data, in camelCase and without defaults; `structure` reads it."""
    found: dict[str, Any] = _converter().unstructure(value)
    return found


def ref_to_json(ref: ExportRef) -> str:
    """An `ExportRef` as text, for a database or a queue. It holds no secret."""
    return to_json(to_dict(ref))


def ref_from_json(text: str | bytes) -> ExportRef:
    """The `ExportRef` that `ref_to_json` wrote, in this process or another.

    Raises:
        InputError: the text is not one; the message names what is wrong with it.
    """
    return _from_json(text, ExportRef, "export reference")


def request_to_json(request: ExportRequest) -> str:
    """An `ExportRequest` as text, for a database or a queue."""
    return to_json(to_dict(request))


def request_from_json(text: str | bytes) -> ExportRequest:
    """The `ExportRequest` that `request_to_json` wrote, in this process or another.

    Raises:
        InputError: the text is not one; the message names what is wrong with it.
    """
    return _from_json(text, ExportRequest, "export request")


def to_json(value: Any) -> str:
    """Plain data as compact JSON, without lone surrogates, which databases refuse."""
    return well_formed(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _from_json(text: str | bytes, into: type[T], what: str) -> T:
    try:
        return structure(loads(text), into, strict=True)
    except (ValueError, DecodeError) as problem:
        raise InputError(f"this is not a valid {what}: {problem}") from None
