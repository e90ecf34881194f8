"""Virtual time stands still while threads work: it must not depend on how busy the machine is.

looptime lets the time of a working thread pass, and at once as much as has passed since it looked at the clock before.
A disk or a processor that is slow then ends waits of the code under test, and moves every poll of a run.
"""

from typing import Any

from looptime._internal.loops import LoopTimeEventLoop

_SLICE = 0.01
_SLICES = 100
"""After that many, the time passes as looptime lets it: some tests keep a thread busy until a time limit has passed.

They are counted, since the clock also runs while the whole process is stopped.
"""


def stand_still_for_threads() -> None:
    """For all loops that are made from now on."""
    name = "_LoopTimeEventLoop__replaced_select"
    select = getattr(LoopTimeEventLoop, name)

    def patient(loop: Any, timeout: float | None) -> Any:
        if loop.looptime_on and timeout is not None and timeout > 0:
            futures, wait = loop._LoopTimeEventLoop__sync_futures, loop._LoopTimeEventLoop__original_select
            for _ in range(_SLICES):
                if all(each.done() for each in futures) or wait(_SLICE):
                    break  # what has come is found again by the next look
        return select(loop, timeout)

    setattr(LoopTimeEventLoop, name, patient)
