"""The export jobs of ACC Files and ACC Sheets."""

import asyncio
from collections import Counter
from typing import Any, Literal

import attrs

from .marks import Options
from .parts import BuildSheet, Project, User, Version


@attrs.define(eq=False)
class AccJob:
    """One export job of either service."""

    id: str
    service: Literal["files", "sheets"]
    project: Project
    user: User
    """The user that started it, and the only one that may read it."""
    inputs: tuple[Version, ...] | tuple[BuildSheet, ...]
    options: Options
    started: float
    """Loop time."""
    started_at: float
    """Clock time."""
    seconds: float | None
    """Real seconds from start to end; None when it is a matter of polls."""
    limit: float
    """Real seconds after which the workflow is given up."""
    never: bool
    path: str
    failed_files: list[dict[str, str]] = attrs.field(factory=list[dict[str, str]])
    problem: tuple[str, str, str] | None = None
    """Code, title and detail when it fails."""
    polls: int = 0
    not_found_left: int = 0
    first_seen_completed: float | None = None
    link: str = ""
    making: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    @property
    def timed_out(self) -> bool:
        """Whether it is going to run longer than it may."""
        return self.never or (self.seconds is not None and self.seconds > self.limit)

    def is_over(self, now: float, polls_needed: int) -> bool:
        """Whether there is a final word."""
        if self.timed_out:
            return now >= self.started + self.limit
        return self.polls >= polls_needed if self.seconds is None else now >= self.started + self.seconds

    def summary(self) -> dict[str, Any]:
        """This job as the counters report it."""
        seconds = self.limit if self.timed_out else self.seconds
        return {
            "kind": f"acc_{self.service}",
            "inputs": len(self.inputs),
            "user": self.user.id,
            "started": self.started_at,
            "finishes": None if seconds is None else self.started_at + seconds,
            "polls": self.polls,
            "first_seen_completed": self.first_seen_completed,
        }


@attrs.define
class AccJobs:
    """All export jobs of ACC."""

    by_id: dict[str, AccJob] = attrs.field(factory=dict[str, AccJob])
    made: Counter[tuple[object, ...]] = attrs.field(factory=Counter[tuple[object, ...]])
    """How many jobs the same request had, so that ids do not depend on the order of starts."""
