"""The command line with its wall clock ahead: `python -m benchmarks.shifted_clock HOURS WORDS...`."""

import datetime as dt
import sys
import time
from typing import Any, Self


def shift(hours: float) -> None:
    """Moves what Python programs read as the time of day; the event loop's clock stays."""
    seconds, real, real_ns = hours * 3600, time.time, time.time_ns

    class Ahead(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(real() + seconds, tz)

        @classmethod
        def utcnow(cls) -> Self:
            return cls.now(dt.UTC).replace(tzinfo=None)

    place: Any = dt
    place.datetime = Ahead
    time.time = lambda: real() + seconds
    time.time_ns = lambda: real_ns() + int(seconds * 1e9)


if __name__ == "__main__":
    shift(float(sys.argv[1]))
    from aps_async.cli import main

    sys.exit(main(sys.argv[2:]))
