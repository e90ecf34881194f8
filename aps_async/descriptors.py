"""How many files and connections this process may have open at once; macOS allows 256 unless it is asked for more."""

import errno
import sys

__all__ = ["TOO_MANY", "TOO_MANY_ADVICE", "connection_limit", "raise_limit"]
__dir__: object = __all__.copy

TOO_MANY = (errno.EMFILE, errno.ENFILE)
TOO_MANY_ADVICE = "too many files and connections are open at once; raise the limit (ulimit -n) or use fewer"
_FOR_THE_REST = 40
"""Files that are neither connections of a session nor their downloads: the ledger, modules, sockets of the program."""
_MOST = 10_240  # macOS refuses more, even if it says that there is no limit


def connection_limit(wanted: int) -> int:
    """Returns `wanted`, or what the limit of open files leaves: a third for the API, for links and for their files.

    Without this, status calls take all that there are, and then no download can open its file.
    """
    if sys.platform == "win32":  # which has no such limit
        return wanted
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if most == resource.RLIM_INFINITY else min(wanted, max(2, (most - _FOR_THE_REST) // 3))


def raise_limit() -> None:
    """Raises the limit as far as the system allows without rights. For programs, whose limit is their own."""
    if sys.platform == "win32":
        return
    import resource

    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST if most == resource.RLIM_INFINITY else min(most, _MOST)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
