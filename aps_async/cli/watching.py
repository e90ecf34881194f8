"""`--watch`: repeats the work of a command in rounds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from aps_async.cli.exit_codes import exit_code, reason
from aps_async.cli.output import local_time, print_status

ONLY_THE_USER_CAN_SOLVE = (2, 3, 4, 5)
"""Exit codes of errors that end a watch in its first round; later, the account may be what changes."""


async def watch(
    work: Callable[[], Awaitable[int]],
    interval: float,
    *,
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> NoReturn:
    """Repeats the work until it is cancelled. Rounds never overlap: one that took longer is followed at once.

    Args:
        work: one round.
        interval: seconds from the beginning of one round to that of the next.
        sleep: waits.
        clock: seconds.

    Raises:
        Exception: of the first round, if only the user can solve it. Errors of other rounds are printed.
    """
    is_first = True
    while True:
        began = clock()
        try:
            await work()
        except Exception as problem:
            if is_first and exit_code(problem) in ONLY_THE_USER_CAN_SOLVE:
                raise
            pause = max(0.0, began + interval - clock())
            now = datetime.now(UTC).astimezone()
            again = f"{now + timedelta(seconds=pause):%H:%M:%S}"
            print_status(f"{local_time(now)} this round failed: {reason(problem)}. The next one begins at {again}")
        is_first = False
        await sleep(max(0.0, began + interval - clock()))
