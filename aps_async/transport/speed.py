"""The speed of a simulator on this machine, which states it in every response."""

from collections.abc import Mapping

from yarl import URL

from aps_async.settings import Settings
from aps_async.text import finite_number
from aps_async.transport.addresses import is_loopback

__all__ = ["SPEED_HEADER", "SimulatorSpeed"]
__dir__: object = __all__.copy

SPEED_HEADER = "X-Simulator-Speed"


class SimulatorSpeed:
    """Learns a simulator's speed from the first response; services on other machines always have speed 1."""

    def __init__(self, base_url: str) -> None:
        self.is_known: bool = not is_loopback(URL(base_url, encoded=True).raw_host or "")

    def learn(self, headers: Mapping[str, str], settings: Settings) -> Settings | None:
        """Returns the settings scaled to the speed in these headers; None if nothing changes."""
        if self.is_known:
            return None
        self.is_known = True
        speed = finite_number(headers.get(SPEED_HEADER))
        if speed is None or speed <= 0 or speed == 1 or settings.time_scale != 1.0:
            return None
        return settings.scaled(speed)
