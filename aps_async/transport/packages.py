"""The dependency `backoff`: two distributions install a package of this name, and may break each other."""

import logging
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
    folder = Path(package).parents[1] if package else None
    # Looks into one folder only: importlib.metadata would read every folder of the path.
    if folder and all(any(folder.glob(f"{name}-*.dist-info")) for name in ("backoff", "python_backoff")):
        _log.warning(
            "the distributions backoff and python-backoff are both installed and overwrite each other: %s", _REPAIR
        )
