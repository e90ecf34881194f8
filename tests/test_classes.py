"""`define` and `frozen` make classes that behave as those of attrs do."""

import copy
import pickle
import re
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs import field

import aps_async
from aps_async.classes import define, frozen

Decorator = Any


class Plain:
    number: int
    text: str = "a"
    secret: str = field(default="s", repr=False)
    when: float = field(default=0.0, eq=False)


class OwnEquality:
    number: int

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 7


class OwnRepr:
    number: int

    def __repr__(self) -> str:
        return "mine"


class OwnHash:
    number: int

    def __hash__(self) -> int:
        return 7


class Empty:
    pass


class Single:
    number: int


def made(decorator: Decorator, body: type, **options: Any) -> Any:
    """The class that a decorator makes of a copy of this body."""
    own = {name: value for name, value in vars(body).items() if name not in ("__dict__", "__weakref__")}
    return decorator(**options)(type(body.__name__, (), own | {"__qualname__": body.__qualname__}))


def observed(cls: Any) -> dict[str, object]:
    """What a program sees of a class of values."""
    first, second, third = ((), (), ()) if not attrs.fields(cls) else ((1,), (1,), (2,))
    a, b, c = cls(*first), cls(*second), cls(*third)
    found: dict[str, object] = {
        "equal": (a == b, a == c, a != b, a != c, a == 1, a != ()),
        "repr": repr(a).partition(" object at ")[0],
        "hashable": cls.__hash__ is not None,
        "names": [part.name for part in attrs.fields(cls)],
        "match": cls.__match_args__,
        "copy": copy.copy(a) == a,
    }
    if cls.__hash__ is not None:
        found["hashes"] = (hash(a) == hash(b), len({a, b, c}))
    return found


@pytest.mark.parametrize("options", [{}, {"eq": False}, {"repr": False}, {"slots": False}], ids=str)
@pytest.mark.parametrize("body", [Plain, OwnEquality, OwnRepr, OwnHash, Empty, Single], ids=lambda body: body.__name__)
@pytest.mark.parametrize(("ours", "theirs"), [(define, attrs.define), (frozen, attrs.frozen)])
def test_classes_behave_as_those_of_attrs(
    ours: Decorator, theirs: Decorator, body: type, options: dict[str, Any]
) -> None:
    assert observed(made(ours, body, **options)) == observed(made(theirs, body, **options))


@frozen
class Value:
    a: int
    b: str = field(repr=False)
    c: float = field(default=0.0, eq=False)


@frozen
class Extended(Value):
    d: int = 4


@define
class Changing:
    a: int


def test_fields_decide_what_counts_and_what_is_shown() -> None:
    assert Value(1, "x", 2.0) == Value(1, "x", 3.0)
    assert hash(Value(1, "x", 2.0)) == hash(Value(1, "x", 3.0))
    assert Value(1, "x") != Value(1, "y")
    assert repr(Value(1, "x")) == "Value(a=1, c=0.0)"
    assert repr(Extended(1, "x")) == "Extended(a=1, c=0.0, d=4)"
    assert Value(1, "x") != Extended(1, "x")
    assert Extended(1, "x") == Extended(1, "x")


def test_values_stay_what_they_are() -> None:
    value = Value(1, "x")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        value.a = 2  # type: ignore[misc]
    assert attrs.evolve(value, a=2) == Value(2, "x")
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - of our own
    changing = Changing(1)
    changing.a = 2
    assert changing == Changing(2)
    with pytest.raises(TypeError, match="unhashable"):
        hash(changing)


def test_no_method_is_compiled_for_a_class() -> None:
    assert Value.__eq__ is Changing.__eq__
    assert Value.__repr__ is Changing.__repr__


def test_the_library_makes_all_of_its_classes_so() -> None:
    package = Path(aps_async.__file__).parent
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "simulator" not in path.parts  # which imports nothing from the rest
        and re.search(r"from attrs import .*\b(define|frozen)\b|\battrs\.(define|frozen)\(", path.read_text("utf-8"))
    }
    assert found == {"classes.py"}
