"""The dependency `backoff`: two distributions install a package of this name, and may break each other."""

import logging
import os
from contextlib import suppress
from pathlib import Path

__all__ = ["BROKEN_BACKOFF", "warn_of_two_backoffs"]
__dir__: object = __all__.copy

_REPAIR = "pip uninstall -y backoff python-backoff, then pip install python-backoff"
BROKEN_BACKOFF = (
    "the package backoff is missing or incomplete. The distributions backoff and python-backoff install the same "
    f"files, so removing one of them breaks the other: {_REPAIR}"
)
_log = logging.getLogger(__name__)


def warn_of_two_backoffs(package: str | None) -> None:
    """Logs a warning if both distributions are installed, since removing either breaks the other.

    Args:
        package: the file of the package `backoff`.
    """
    if package is None:
        return
    found = set[str]()
    # Reads one folder only, and once: importlib.metadata would read every folder of the path.
    with suppress(OSError), os.scandir(Path(package).parents[1]) as beside:  # it may lie in a zip file
        found = {each.name.partition("-")[0] for each in beside if each.name.endswith(".dist-info")}
    if found >= {"backoff", "python_backoff"}:
        _log.warning(
            "the distributions backoff and python-backoff are both installed and overwrite each other: %s", _REPAIR
        )
