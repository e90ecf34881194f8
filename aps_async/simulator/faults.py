"""Scripted faults: which calls go wrong, and how."""

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, Self, cast, get_args

import attrs

from .narrowing import is_list
from .switches import did_you_mean

Kind = Literal[
    "status",
    "html",
    "text",
    "empty",
    "broken_json",
    "reset",
    "reset_body",
    "truncate",
    "hang",
    "slow",
    "expired",
    "s3_error_200",
    "revoke",
    "ignore_range",
    "changed",
]
KINDS: tuple[str, ...] = get_args(Kind)
DATE = "date+"
_FEW_SECONDS = re.compile(r"-?[0-9]{1,9}(\.[0-9]+)?")  # so that its year has four digits
INSTEAD = frozenset({"status", "html", "text", "empty", "reset", "hang", "expired", "s3_error_200", "revoke"})
"""Kinds that answer in the service's place; the others spoil the answer the service gives."""


class FaultError(ValueError):
    """A fault that makes no sense."""


@attrs.frozen(kw_only=True)
class Fault:
    """One rule. It counts the calls its endpoints get; the first rule that fires for a call decides.

    Without `nth`, `every` and `probability` every call is hit.
    """

    endpoint: str = "*"
    """Name of an endpoint, or a pattern with `*`, `?` and `[...]`."""
    kind: str = "status"
    """`status` answers `status` (with `retry_after`); `html`, `text` and `empty` answer 200, or `status` where given;
    `broken_json` cuts the JSON short; `reset` resets the connection before any answer, `reset_body` in the body;
    `truncate` promises the whole length and closes early; `hang` never answers; `slow` trickles the body;
    `expired` is the storage's 403 of an old link, `s3_error_200` its error document under a 200; `revoke` revokes
    all tokens of the app and answers 401; `ignore_range` answers a range with the whole; `changed` replaces the
    object for good before it answers.
    """
    nth: tuple[int, ...] = ()
    """Which of the matching calls, from 1."""
    every: int | None = None
    """Every n-th of the matching calls."""
    probability: float | None = None
    """Chance of each call; seeded, and drawn per target and its n-th call, so the order of calls does not matter."""
    times: int | None = None
    """Fire at most so often."""
    status: int | None = None
    """Status of `status` (default 503), `html`, `text` and `empty` (default 200)."""
    retry_after: int | str | None = None
    """Seconds, an HTTP date, or `date+30` for the HTTP date 30 s ahead. Sent unchanged, whatever the speed."""
    seconds: float | None = None
    """`slow`: how long the body takes (default 30). `hang`: answer properly after that; default never."""
    after_bytes: int | None = None
    """`reset_body`, `truncate`, `slow`: how much of the body goes out first; default half, for `slow` nothing."""
    after_effect: bool = False
    """The service does what was asked, only the answer is lost or false (a POST that took effect behind a 500)."""

    def __attrs_post_init__(self) -> None:
        if self.kind not in KINDS:
            raise FaultError(f"unknown kind {self.kind!r}; there are {', '.join(KINDS)}")
        object.__setattr__(self, "nth", tuple(self.nth))
        if sum((bool(self.nth), self.every is not None, self.probability is not None)) > 1:
            raise FaultError("only one of nth, every and probability can be given")
        if any(number < 1 for number in self.nth) or (self.every is not None and self.every < 1):
            raise FaultError("nth and every count from 1")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise FaultError(f"probability must lie between 0 and 1, not {self.probability}")
        if self.status is not None and not 200 <= self.status <= 599:
            raise FaultError(f"status must lie between 200 and 599, not {self.status}")
        if self.seconds is not None and not math.isfinite(self.seconds):
            raise FaultError(f"seconds must be finite, not {self.seconds}")
        if isinstance(self.retry_after, str):
            _check_retry_after(self.retry_after)
        negative = [name for name in ("times", "seconds", "after_bytes") if (getattr(self, name) or 0) < 0]
        if negative:
            raise FaultError(f"{negative[0]} must not be negative")

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Read one fault from a parsed JSON object; FaultError says what is wrong."""
        if not isinstance(document, Mapping):
            raise FaultError(f"a fault must be an object, not {document!r}")
        given = cast("Mapping[object, Any]", document)
        values = {str(name): value for name, value in given.items() if value is not None}
        if values.pop("always", True) is not True:
            raise FaultError("always can only be true")
        for name, value in values.items():
            wanted = _TYPES.get(name)
            if wanted is None:
                raise FaultError(f"unknown key {name!r}; there are {', '.join(_TYPES)}")
            if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
                words = dict.fromkeys(_WORDS[each] for each in wanted if each is not int or float not in wanted)
                raise FaultError(f"{name} must be {' or '.join(words)}, not {value!r}")
        nth = values.get("nth", ())
        if isinstance(nth, int):
            nth = (nth,)
        if not all(isinstance(number, int) and not isinstance(number, bool) for number in nth):
            raise FaultError(f"nth must be whole numbers, not {nth!r}")
        values["nth"] = tuple(nth)
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """The fault as `from_json` reads it, without what is default."""
        fields = attrs.asdict(self)
        return {name: value for name, value in fields.items() if value not in (None, (), False)}


def _check_retry_after(text: str) -> None:
    if not (text.isascii() and text.isprintable()):
        raise FaultError(f"retry_after must be what a header can hold, not {text!r}")
    if text.startswith(DATE) and not _FEW_SECONDS.fullmatch(text.removeprefix(DATE)):
        raise FaultError(f"retry_after must be seconds, an HTTP date, or such as 'date+30', not {text!r}")


_WORDS: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list of numbers",
    tuple: "a list of numbers",
}
_TYPES: dict[str, tuple[type, ...]] = {
    "endpoint": (str,),
    "kind": (str,),
    "nth": (int, list, tuple),
    "every": (int,),
    "probability": (int, float),
    "times": (int,),
    "status": (int,),
    "retry_after": (int, str),
    "seconds": (int, float),
    "after_bytes": (int,),
    "after_effect": (bool,),
}


def read_faults(document: object) -> list[Fault]:
    """Faults from a parsed JSON list."""
    if not is_list(document):
        raise FaultError("faults must be a JSON list")
    faults: list[Fault] = []
    for i, entry in enumerate(document):
        try:
            faults.append(Fault.from_json(entry))
        except FaultError as error:
            raise FaultError(f"faults[{i}]: {error}") from None
    return faults


def load_faults(path: Path | str) -> list[Fault]:
    """Faults from a JSON file; FaultError says what is wrong where."""
    try:
        return read_faults(json.loads(Path(path).read_text("utf-8-sig")))
    except OSError as error:
        raise FaultError(f"{path}: cannot be read: {error.strerror}") from None
    except FaultError as error:
        raise FaultError(f"{path}: {error}") from None
    except ValueError as error:
        raise FaultError(f"{path}: is not JSON: {error}") from None


@attrs.define
class _Rule:
    fault: Fault
    number: int
    seen: int = 0
    fired: int = 0


class Faults:
    """The live rules of a simulator with these endpoints."""

    def __init__(self, seed: int, faults: Iterable[Fault], endpoints: Collection[str]) -> None:
        self._seed = seed
        self._endpoints = endpoints
        self._rules: list[_Rule] = []
        self._added = 0
        self._by_endpoint: dict[str, list[_Rule]] = {}
        self._targets: Counter[str] = Counter()
        self._draws = False
        for fault in faults:
            self.append(fault)

    def append(self, fault: Fault) -> None:
        """Add a rule behind those there are; its counting begins now. FaultError as `check`."""
        self.check(fault)
        self._rules.append(_Rule(fault, self._added))
        self._added += 1
        self._by_endpoint.clear()
        self._draws = self._draws or fault.probability is not None

    def check(self, fault: Fault) -> None:
        """FaultError if a fault names no endpoint there is: it would never fire."""
        if not any(fnmatchcase(name, fault.endpoint) for name in self._endpoints):
            near = did_you_mean(fault.endpoint, self._endpoints)
            raise FaultError(f"there is no endpoint {fault.endpoint!r}{near}")

    def clear(self) -> None:
        """Drop all rules."""
        self._rules.clear()
        self._by_endpoint.clear()
        self._targets.clear()
        self._draws = False

    def __len__(self) -> int:
        return len(self._rules)

    def __iter__(self) -> Iterator[Fault]:
        return iter([rule.fault for rule in self._rules])

    def __getitem__(self, index: int) -> Fault:
        return self._rules[index].fault

    def choose(self, endpoint: str, target: str) -> Fault | None:
        """The fault for this call, if any; counts the call."""
        if not self._rules:
            return None
        rules = self._by_endpoint.get(endpoint)
        if rules is None:
            rules = [rule for rule in self._rules if fnmatchcase(endpoint, rule.fault.endpoint)]
            self._by_endpoint[endpoint] = rules
        number = 0
        if self._draws:
            number = self._targets[target] = self._targets[target] + 1
        chosen: _Rule | None = None
        for rule in rules:
            rule.seen += 1
            if chosen is None and self._fires(rule, target, number):
                chosen = rule
        if chosen is None:
            return None
        chosen.fired += 1
        return chosen.fault

    def _fires(self, rule: _Rule, target: str, number: int) -> bool:
        fault = rule.fault
        if fault.times is not None and rule.fired >= fault.times:
            return False
        if fault.nth:
            return rule.seen in fault.nth
        if fault.every is not None:
            return rule.seen % fault.every == 0
        if fault.probability is not None:
            text = f"{self._seed}|{rule.number}|{target}|{number}"
            return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) < fault.probability * 2**64
        return True
