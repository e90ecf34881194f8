"""The number of the export that a task works on, which connects hook events of all kinds."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from itertools import count

__all__ = ["CURRENT", "next_number", "working_on"]
__dir__: object = __all__.copy

CURRENT: ContextVar[int | None] = ContextVar("aps_async_export_number", default=None)
_numbers = count(1)
_NO_CHANGE: AbstractContextManager[None] = nullcontext()


def next_number() -> int:
    """A new number, for an export that begins."""
    return next(_numbers)


def working_on(number: int | None) -> AbstractContextManager[None]:
    """Events of this block, and of tasks that it creates, get this export's number. None changes nothing."""
    return _NO_CHANGE if number is None else _marked(number)


@contextmanager
def _marked(number: int) -> Generator[None, None, None]:
    before = CURRENT.set(number)
    try:
        yield
    finally:
        CURRENT.reset(before)
