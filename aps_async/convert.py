"""JSON to values: the only cattrs converter. camelCase in, snake_case out, problems with their path."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from types import GenericAlias
from typing import Any, TypeVar, cast, get_args, get_origin

import attrs
from cattrs import Converter, transform_error
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from aps_async.errors import DecodeError, InputError
from aps_async.models import ExportRef, ExportRequest

T = TypeVar("T")


def _loads(text: bytes | str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


loads: Callable[[bytes | str], Any] = _loads
try:  # an extra: a third of the time for the same answer
    import orjson
except ImportError:
    pass
else:
    loads = orjson.loads


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def _strict(kind: type) -> Callable[[Any, Any], Any]:
    """cattrs calls `str(value)`, which turns null into "None"; the services' answers deserve a look instead."""
    words = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}[kind]

    def structure(value: Any, wanted: Any) -> Any:
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise TypeError(f"expected {words}, got {type(value).__name__}")
        return value if wanted is kind else wanted(value)  # a StrEnum comes here too

    return structure


def _moment(value: Any, _: Any) -> datetime | None:
    """Seven fractional digits occur, and are cut; an unreadable time is no reason to lose the answer around it."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _prepared(*, explains: bool) -> Converter:
    """A converter for the services' answers and our own records."""
    converter = Converter(detailed_validation=explains)
    for kind in (str, bool, int, float):
        converter.register_structure_hook(kind, _strict(kind))
    converter.register_structure_hook(datetime | None, _moment)
    converter.register_structure_hook(type(None), lambda _, __: None)  # for calls that answer nothing

    @converter.register_structure_hook_factory(_is_tuple)
    def from_list(kind: Any) -> Callable[[Any, Any], Any]:
        """cattrs takes anything it can iterate over, and a text for the tuple of its letters."""
        as_list: Any = GenericAlias(list, get_args(kind)[0])
        inner = converter.get_structure_hook(as_list)

        def structure(value: Any, _: Any) -> Any:
            if not isinstance(value, list | tuple):
                raise TypeError(f"expected a list, got {type(value).__name__}")
            return tuple(inner(value, as_list))

        return structure

    @converter.register_structure_hook_factory(attrs.has)
    def from_camel(cls: type) -> Callable[[Any, Any], Any]:
        names: dict[str, Any] = {part.name: override(rename=_camel(part.name)) for part in attrs.fields(cls)}
        inner: Callable[[Any, Any], Any] = make_dict_structure_fn(
            cls, converter, _cattrs_forbid_extra_keys=False, _cattrs_detailed_validation=explains, **names
        )

        def structure(value: Any, kind: Any) -> Any:
            if not isinstance(value, dict):
                raise TypeError(f"expected an object, got {type(value).__name__}")
            if None in value.values():  # some services write null for what others leave out
                value = {name: each for name, each in value.items() if each is not None}
            return inner(value, kind)

        return structure

    return converter


_converter = _prepared(explains=False)


@cache
def _explaining() -> Converter:
    """The same, slower by half, and able to say where and why; made when a first answer is not as documented."""
    return _prepared(explains=True)


@_converter.register_unstructure_hook_factory(attrs.has)
def _to_camel(cls: type) -> Callable[[Any], Any]:
    names: dict[str, Any] = {part.name: override(rename=_camel(part.name)) for part in attrs.fields(cls)}
    return make_dict_unstructure_fn(cls, _converter, _cattrs_omit_if_default=True, **names)


def _explain(problem: BaseException, _: type | None) -> str:
    if isinstance(problem, KeyError):
        return "required field missing"
    return str(problem) or type(problem).__name__


def structure(value: Any, into: type[T]) -> T:
    """Turns decoded JSON into `into`, an attrs class or a list of one.

    Raises:
        DecodeError: with one problem per place, such as `expected a text, got int @ $.data.signedUrl`.
    """
    try:
        return _converter.structure(value, into)
    except Exception:  # noqa: BLE001 - whatever the hooks raised
        problems = _problems(value, into)
    shown = "; ".join(problems[:3]) + (f" and {len(problems) - 3} more" if len(problems) > 3 else "")
    raise DecodeError(f"the answer is not as documented: {shown}", problems=problems)


def _problems(value: Any, into: Any) -> tuple[str, ...]:
    """What keeps `value` from being `into`, and where."""
    try:
        _explaining().structure(value, into)
    except Exception as problem:  # noqa: BLE001 - cattrs raises groups of whatever the hooks raised
        found = transform_error(problem, format_exception=_explain)
        return tuple(re.sub(r"(?<=\w)_(\w)", lambda hit: hit[1].upper(), line) for line in found)
    raise AssertionError("both converters judge alike")


def to_dict(value: Any) -> dict[str, Any]:
    """A value of ours as plain data, in camelCase and without what is default; `structure` reads it."""
    found: dict[str, Any] = _converter.unstructure(value)
    return found


def ref_to_json(ref: ExportRef) -> str:
    """An `ExportRef` as text, for a database or a queue. It holds no secret."""
    return _to_json(ref)


def ref_from_json(text: str | bytes) -> ExportRef:
    """The `ExportRef` that `ref_to_json` wrote, in this process or another.

    Raises:
        InputError: the text is not one; the message names what is wrong with it.
    """
    return _from_json(text, ExportRef, "export reference")


def request_to_json(request: ExportRequest) -> str:
    """An `ExportRequest` as text, for a database or a queue."""
    return _to_json(request)


def request_from_json(text: str | bytes) -> ExportRequest:
    """The `ExportRequest` that `request_to_json` wrote, in this process or another.

    Raises:
        InputError: the text is not one; the message names what is wrong with it.
    """
    return _from_json(text, ExportRequest, "export request")


def _to_json(value: Any) -> str:
    return json.dumps(to_dict(value), ensure_ascii=False, separators=(",", ":"))


def _from_json(text: str | bytes, into: type[T], what: str) -> T:
    try:
        return structure(cast("Any", loads(text)), into)
    except (ValueError, DecodeError) as problem:
        raise InputError(f"this is no {what}: {problem}") from None
