"""Decodes JSON: leniently, and with orjson if that is installed (extra `speed`)."""

import json
import math
from collections.abc import Callable
from functools import cache
from typing import Any

from aps_async.text import well_formed_values

__all__ = ["DEPTH_LIMIT", "loads"]
__dir__: object = __all__.copy

DEPTH_LIMIT = 254
"""Maximum levels of nesting, which is what orjson writes; the services use fewer than twenty."""


def _loads(text: bytes | str) -> Any:
    """Reads JSON leniently, since it contains names from many programs: any Unicode encoding, a BOM, lone surrogates.

    NaN, Infinity and numbers beyond a float become None; whole numbers beyond 64 bits become floats.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "replace")
    try:
        value = json.loads(
            text.removeprefix("\ufeff"),
            strict=False,
            parse_constant=lambda _: None,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return well_formed_values(_shallow(value))


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _whole(digits: str) -> int | float | None:
    if len(digits) <= 20 and -(2**63) <= (value := int(digits)) < 2**64:
        return value
    return _finite(digits)


def _shallow(value: Any) -> Any:
    # By exact class, which is fast: a page has thousands of values, and decoders only make plain dicts and lists.
    level, depth = [value] if value.__class__ in (dict, list) else [], 0
    while level:
        depth += 1
        if depth > DEPTH_LIMIT:
            raise ValueError("nested too deeply")
        level = [
            inner
            for each in level
            for inner in (each.values() if each.__class__ is dict else each)
            if inner.__class__ is dict or inner.__class__ is list
        ]
    return value


@cache
def _fastest() -> Callable[[bytes | str], Any]:
    """The decoder that is installed. orjson, an extra, is three times as fast; it is imported with the first text."""
    try:
        import orjson
    except ImportError:
        return _loads

    def fast_loads(text: bytes | str) -> Any:
        try:
            value = orjson.loads(text)
        except ValueError:
            return _loads(text)  # accepted by the lenient reader only, or its error
        try:
            orjson.dumps(value)  # refuses more than DEPTH_LIMIT, five times as fast as looking at every value here
        except TypeError:
            return _shallow(value)
        return value

    return fast_loads


def loads(text: bytes | str) -> Any:
    """Decodes JSON.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    return _fastest()(text)
