"""The workers' database as an option of commands."""

import os

from aps_async.cli.exit_codes import UsageProblem
from aps_async.errors import InputError
from aps_async.workers import engine
from aps_async.workers.database import check_address, driver

PATIENCE = 3.0
"""Seconds for which a command waits for a database that is restarting."""
_VARIABLE = "APS_DATABASE_URL"
_NEEDED = f"no database is given: use --database URL or set {_VARIABLE}, such as postgresql://user@host/name"


def database_url(given: str | None) -> str:
    """The database's address.

    Raises:
        UsageProblem: no address is given, it is not a PostgreSQL address, or the extra `workers` is not installed.
    """
    variable = os.environ.get(_VARIABLE, "")
    given = given or variable
    if not given.strip():
        raise UsageProblem(_NEEDED)
    place = _VARIABLE if given == variable else "--database"
    try:
        check_address(given)
    except InputError as problem:
        raise UsageProblem(f"{place}: {problem}") from None
    try:
        driver()
        engine.installed()
    except InputError as problem:
        raise UsageProblem(str(problem)) from None
    return given.strip()
