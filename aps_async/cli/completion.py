"""Completion of names in a shell: projects that earlier commands have listed, profiles, jobs, guides.

Nothing here asks the service. The names of projects are kept in a file of the user's cache, and nothing else of them.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from aps_async.narrowing import as_list, as_object

_MOST = 5000


def _file() -> Path | None:
    """The file of names; None for a user without a home."""
    from aps_async.user_folders import find_user_folder

    found = find_user_folder("cache", "cli", "completion")
    return found and found / "projects.json"


def _known() -> dict[str, list[str]]:
    """The names of projects by the address of their service."""
    if (file := _file()) is None:
        return {}
    try:
        plain = as_object(json.loads(file.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return {}
    return {address: [str(name) for name in as_list(names)] for address, names in plain.items()}


def remember_projects(base_url: str, names: Iterable[str], *, are_all: bool = False) -> None:
    """Keeps names for completion, those of the latest command first. A cache that cannot be written is left as it is.

    Args:
        base_url: of the service.
        names: of projects.
        are_all: the service has no others.
    """
    from aps_async.filesystem import replacing

    known = _known()
    before = known.get(base_url, [])
    now = list(dict.fromkeys([*names, *(() if are_all else before)]))[:_MOST]
    if now == before or (file := _file()) is None:
        return
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(file, 0o600) as opened:
            opened.write(json.dumps(known | {base_url: now}).encode())
    except OSError:
        return


def complete_project(incomplete: str) -> list[str]:
    """Projects, by how their names begin."""
    from aps_async.cli.exit_codes import UsageProblem
    from aps_async.cli.identity import credentials_layer, service_address, sources
    from aps_async.errors import APSError
    from aps_async.transport.request import checked_base

    try:
        asked = sources(os.environ)
        address = checked_base(service_address(asked, credentials_layer(asked)).value)
    except (APSError, UsageProblem):  # which the command itself reports
        return []
    return fitting(_known().get(address, ()), incomplete)


def complete_profile(incomplete: str) -> list[str]:
    """Profiles."""
    from aps_async.cli import profiles

    return fitting(profiles.names(), incomplete)


def complete_job(incomplete: str) -> list[str]:
    """Jobs of the file in the current folder."""
    from aps_async.cli.exit_codes import UsageProblem
    from aps_async.cli.jobs import FILE, read_jobs

    try:
        return fitting(list(read_jobs(Path(FILE))), incomplete)
    except UsageProblem:
        return []


class _Found(str):
    """Typer drops what does not begin with what was typed; this does, but for escapes and case."""

    __slots__ = ()

    def startswith(self, *_: object) -> bool:
        return True


def fitting(names: Sequence[str], incomplete: str) -> list[str]:
    """The names that begin as what was typed, as the shell takes them."""
    found = [name for name in names if name.casefold().startswith(incomplete.casefold()) and name.isprintable()]
    return [_Found(_escaped(name) if _is_unquoted_bash() else name) for name in found]


def _is_unquoted_bash() -> bool:
    """Whether the shell puts names into the line as they are, outside of quotation marks; the others escape them."""
    is_bash = os.environ.get("_APS_ASYNC_COMPLETE") == "complete_bash"
    words = os.environ.get("COMP_WORDS", "").splitlines()
    current = os.environ.get("COMP_CWORD", "")
    last = words[int(current)] if current.isdigit() and int(current) < len(words) else ""
    return is_bash and not last.startswith(("'", '"'))


def _escaped(name: str) -> str:
    return "".join(char if char.isalnum() or char in "@%+=:,./_-" else f"\\{char}" for char in name)
