"""What the documentation leaves open, as switches, and how long a job takes."""

# ruff: noqa: RUF009 - switch() makes an attrs field

import json
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, cast

import attrs

from .accountswitches import AccountSwitches
from .accswitches import AccSwitches
from .bim360switches import Bim360Switches
from .costswitches import CostSwitches
from .dataswitches import DataSwitches
from .switches import BehaviourError, Switch, read_settings, switch, switches_of

_Z95 = 1.6448536269514722  # the standard normal's 95th percentile


@attrs.frozen(kw_only=True)
class JobTime:
    """Job durations in seconds: log-normal with this median and 95th percentile, cut at `maximum`."""

    median: float = 20.0
    p95: float = 60.0
    maximum: float = 600.0

    def __attrs_post_init__(self) -> None:
        if not all(math.isfinite(value) and value >= 0 for value in (self.median, self.p95, self.maximum)):
            raise ValueError(f"JobTime wants finite seconds of at least 0, got {self}")
        if self.p95 < self.median:
            raise ValueError(f"JobTime wants 0 <= median <= p95, got median={self.median}, p95={self.p95}")

    @classmethod
    def fixed(cls, seconds: float) -> Self:
        """Every job takes exactly this long."""
        return cls(median=seconds, p95=seconds, maximum=seconds)

    def draw(self, key: str) -> float:
        """The duration for `key`; the same key gives the same duration, in whatever order jobs start."""
        if self.p95 == self.median:
            return min(self.median, self.maximum)
        sigma = math.log(self.p95 / self.median) / _Z95
        # A simulation's dice, not a secret.
        return min(self.median * math.exp(sigma * random.Random(key).gauss(0.0, 1.0)), self.maximum)  # noqa: S311


@attrs.frozen
class JobPolls:
    """A job is finished when its status is asked for the n-th time; 0 means at once."""

    count: int = 3


def _read_job_time(value: object) -> JobTime | JobPolls:
    if isinstance(value, JobTime | JobPolls):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return JobTime.fixed(float(value))
    if not isinstance(value, Mapping):
        raise TypeError("it is neither a number nor an object")
    numbers = {str(name): number for name, number in cast("Mapping[object, Any]", value).items()}
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers.values()):
        raise TypeError("every value must be a number")
    if set(numbers) == {"polls"} and isinstance(numbers["polls"], int) and numbers["polls"] >= 0:
        return JobPolls(numbers["polls"])
    unknown = set(numbers) - {"median", "p95", "maximum"}
    if unknown:
        raise ValueError(f"{min(unknown)!r} does not fit")
    return JobTime(**numbers)


@attrs.frozen(kw_only=True, slots=False)
class Behaviour(AccountSwitches, DataSwitches, CostSwitches, AccSwitches, Bim360Switches):  # attrs begins with the last
    """How the simulated services decide what Autodesk's documentation does not. All durations are service seconds.

    `aps-async simulate --help-behaviour` lists every switch with its meaning, its values and what is documented.

    Raises:
        BehaviourError: A switch does not take the value given to it.
    """

    job_time: JobTime | JobPolls = switch(
        JobTime,
        "How long jobs take: a fixed time, a distribution, or a number of status calls.",
        instrument=True,
        read=_read_job_time,
        form='seconds, {"median": 20, "p95": 60, "maximum": 600} or {"polls": 3}',
    )

    def __attrs_post_init__(self) -> None:
        for name, one in SWITCHES.items():
            one.read(getattr(self, name))

    @classmethod
    def from_json(cls, document: object, base: "Behaviour | None" = None) -> "Behaviour":
        """Switches from a parsed JSON object; those it does not name are as in `base`, or have their defaults.

        Raises:
            BehaviourError: An unknown switch, or a value that one does not take.
        """
        return attrs.evolve(base or cls(), **read_settings(SWITCHES, document))

    def to_json(self) -> dict[str, Any]:
        """Every switch with its value, as `from_json` reads it."""
        return {name: _plain(getattr(self, name)) for name in SWITCHES}


SWITCHES: dict[str, Switch] = switches_of(Behaviour)


def _plain(value: object) -> object:
    if isinstance(value, JobPolls):
        return {"polls": value.count}
    if isinstance(value, JobTime):
        return attrs.asdict(value)
    return dict(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else value


def load_behaviour(path: Path | str, base: Behaviour | None = None) -> Behaviour:
    """Switches from a JSON file; BehaviourError says what is wrong."""
    try:
        return Behaviour.from_json(json.loads(Path(path).read_text("utf-8-sig")), base)
    except BehaviourError as error:
        raise BehaviourError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BehaviourError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except ValueError as error:
        raise BehaviourError(f"{path}: is not JSON: {error}") from None
