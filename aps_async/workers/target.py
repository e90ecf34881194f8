"""The storage of a worker. During an outage it keeps the verified files and waits, to avoid downloading them again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from attrs import define

from aps_async.downloads.storage import Storage, put_into, staged_in
from aps_async.errors import APSError, DiskFullError, TargetError
from aps_async.threads import stopped
from aps_async.workers.steps import NOT_WANTED, NotWantedError

__all__ = ["Target"]
__dir__: object = __all__.copy

_FIRST_WAIT, _LONGEST_WAIT = 5.0, 60.0
_PUTS = 5  # attempts, over 75 s, for a file that cannot be stored while others can

_log = logging.getLogger(__name__)


class Target:
    """Delivers the files of one worker to its storage.

    Args:
        storage: the storage.
        scale: returns the seconds here for each second of the service.
        on_change: called when the storage fails, and when it works again.
    """

    def __init__(self, storage: Storage, scale: Callable[[], float], on_change: Callable[[], object]) -> None:
        self.storage = storage
        self.problem: APSError | None = None
        """Why files cannot be stored at present."""
        self._scale = scale
        self._on_change = on_change
        self._works = asyncio.Event()
        self._works.set()
        self._wait = _FIRST_WAIT
        self._task: asyncio.Task[None] | None = None
        self._checking = asyncio.Lock()

    async def ready(self) -> None:
        """Waits while files cannot be stored."""
        await self._works.wait()

    async def failed(self, problem: TargetError) -> bool:
        """Whether an error comes from the storage and not from the one file. If so, deliveries are paused."""
        async with self._checking:
            if self.problem is not None:
                return True
            if not isinstance(problem, DiskFullError):
                try:
                    await self.storage.check()
                except APSError as found:
                    problem.__cause__ = found
                else:
                    return False
            self._pause(problem)
            return True

    def stored(self) -> None:
        """Records that a file was stored, so that the next pause is short again."""
        self._wait = _FIRST_WAIT

    def delivery(self, wanted: Callable[[], Awaitable[bool]]) -> Storage:
        """The storage for one delivery; `wanted` is awaited again after every pause."""
        return _Delivery(self, wanted)

    async def close(self) -> None:
        """Stops checking."""
        if self._task is not None:
            await stopped([self._task])

    def pause_after(self, failures: int) -> float:
        """Seconds before the next attempt for one file."""
        return _FIRST_WAIT * 2.0 ** (failures - 1) * self._scale()

    def _pause(self, problem: APSError) -> None:
        self.problem = problem
        self._works.clear()
        _log.warning("files cannot be stored, so deliveries wait until a test file can be: %s", problem)
        self._task = asyncio.create_task(self._check_until_it_works())
        self._on_change()

    async def _check_until_it_works(self) -> None:
        while True:
            await asyncio.sleep(self._wait * self._scale())
            self._wait = min(2 * self._wait, _LONGEST_WAIT)
            try:
                await self.storage.check()
            except APSError as problem:
                self.problem = problem
                continue
            break
        self.problem = None
        self._works.set()
        _log.warning("files can be stored again")
        self._on_change()


@define
class _Delivery(Storage):
    target: Target
    wanted: Callable[[], Awaitable[bool]]

    async def stage(self, stem: str) -> Path:
        return await staged_in(self.target.storage, stem)

    async def put(self, file: Path, name: str) -> str:
        failures = 0
        while True:
            try:
                location = await put_into(self.target.storage, file, name)
            except TargetError as problem:
                if not await self.target.failed(problem):
                    failures += 1
                    if failures == _PUTS:
                        raise
                    await asyncio.sleep(self.target.pause_after(failures))
                await self.target.ready()
                if not await self.wanted():
                    raise NotWantedError(f"{NOT_WANTED}: {name}") from problem
            else:
                self.target.stored()
                return location

    async def copy(self, name: str, to: str) -> bool:
        return await self.target.storage.copy(name, to)

    async def check(self) -> None:
        await self.target.storage.check()

    def discard(self, file: Path) -> None:
        self.target.storage.discard(file)
