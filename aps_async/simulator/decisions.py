"""Everything that the simulator had to decide, as one list that is made from the switches, and what it does not do."""

import json
import textwrap
from collections.abc import Callable, Iterable

from .behaviour import SWITCHES, Behaviour
from .switches import Switch

NOT_SIMULATED = (
    "No CORS: browsers that ask with OPTIONS, before a page of another origin may call, get a 404.",
    "Folders, items and versions without links to elsewhere, and versions that can be converted to no other format.",
    "Sheets of BIM 360 whose name in Data Management is their number; versions:batch-get has the title as well.",
    "No `response_type=id_token`; and `/userinfo`, which has a host of its own in reality, is served here.",
)
"""What the service has and the simulator has not: limits rather than decisions."""

_WAYS = (
    "Set switches with --set NAME=VALUE (repeatable), with --behaviour FILE (a JSON object), as `behaviour` in a world "
    "file, or with POST /simulator/behaviour. The later of these wins, and a world file is the earliest."
)
GROUPS: tuple[tuple[str, Callable[[Switch], bool]], ...] = (
    ("The documentation says something about these:", lambda one: bool(one.about.documented)),
    ("No documentation confirms these; the default is a decision of this simulator:", lambda one: one.is_unconfirmed),
    (
        "These are tools for tests:",
        lambda one: not one.about.documented and one.about.instrument,
    ),
)


def behaviour_help(width: int = 100) -> str:
    """Every switch with its meaning, its values and what is documented, then what is not simulated."""
    lines = [*_wrapped(_WAYS, width, "")]
    for title, belongs in GROUPS:
        lines += ["", title]
        for one in SWITCHES.values():
            if belongs(one):
                lines += ["", *_described(one, width)]
    lines += ["", "Not simulated:", ""]
    for limit in NOT_SIMULATED:
        lines += _wrapped(f"- {limit}", width, "  ", "    ")
    return "\n".join(lines)


def _described(one: Switch, width: int) -> Iterable[str]:
    default = Behaviour().to_json()[one.name]
    yield f"  {one.name} = {json.dumps(default)}"
    yield from _wrapped(one.about.meaning, width, "      ")
    yield from _wrapped(f"Values: {one.form}.", width, "      ")
    if one.about.documented:
        yield from _wrapped(f"Documented: {one.about.documented}.", width, "      ")


def _wrapped(text: str, width: int, indent: str, following: str | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent if following is None else following,
        break_on_hyphens=False,
    )
