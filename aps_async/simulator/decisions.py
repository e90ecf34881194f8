"""Everything that the simulator had to decide, as one list: the switches, and what has no switch."""

import json
import textwrap
from collections.abc import Iterable

from .behaviour import SWITCHES, Behaviour
from .switches import Switch

DECISIONS: dict[str, tuple[str, ...]] = {
    "BIM 360 exports": (
        "a project id with `b.` is refused with 400",
        "earlier links stay valid for their own life when a new one is made",
        "a failed job says nothing but `failed`, and jobs are never forgotten",
    ),
    "Data Management": (
        "project ids without `b.` are refused with 400",
        "an unknown `x-user-id` is refused with 403",
        "brackets in queries may be raw or encoded",
        "a sheet's name is its number; only versions:batch-get has its title",
        "no folder, item or version has links, and no version can be converted",
    ),
    "ACC exports": (
        "a two-legged call without `x-user-id` is refused with 400, with an unknown one with 404",
        "unknown options, ids given twice and file names with a slash are refused with 400",
        "error bodies have the status as `code`",
        "a job's one link lives from the job's end, not from the first look at it",
        "a job that would take longer than 30 minutes fails then, with ERR_WORKFLOW_TIMEOUT under a 200",
        "a file that fails makes the whole job fail",
        "entries of a ZIP are named after the files, `T-01 (2).pdf` when the name is taken",
    ),
    "ACC Sheets": ("exporting an unpublished sheet is refused with 400, a deleted one with 404",),
    "Cost Management": (
        "an unknown association has no documents; it is not a 404",
        "of each template, only the latest document is listed",
        "`FormInstance` finds change orders too",
        "`filter[latest]` and `filter[signed]` are read and have no effect",
        "`urn` is null until there is a file",
        "an unknown value of the `region` header is refused with 400",
        "POST attachments with a template starts a document of the same id; an unknown template makes it fail",
        "a document is in `COST Root Folder <project id>` as soon as it is finished",
    ),
    "Object storage and derivatives": (
        "chunks have keys `first-last` in the order of texts, and a `sha1` too",
        "an expired fallback address is refused with 403",
        "`useCdn` links are signed as CloudFront's",
        "`If-None-Match` may contain the sha1",
        "both ids of a derivative must be encoded once and completely; otherwise 400",
        "the proxied download answers 202 while the export runs, the signed cookies 404",
        "a bearer token on the CDN is refused with 403",
        "a range outside the object is 416, `If-Range` is ignored, and a link in any other spelling is refused",
    ),
    "Tokens and sign-in": (
        "a code that is used twice ends its login, and revoking a refresh token ends the access tokens too",
        "`response_type=id_token` is not supported; `/userinfo`, which has its own host in reality, is",
        "a service account sees every project, as if it had been invited to all of them",
    ),
    "Quotas": (
        "a refused call takes no place in the quota; a call that a fault answers does",
        "versions:batch-get has no quota",
    ),
}
"""What is documented nowhere and has no switch, by service."""

_WAYS = (
    "Set switches with --set NAME=VALUE (repeatable), with --behaviour FILE (a JSON object), as `behaviour` in a world "
    "file, or with POST /simulator/behaviour. The later of these wins, and a world file is the earliest."
)


def behaviour_help(width: int = 100) -> str:
    """Every switch with its meaning, its values and what is documented, then the decisions without a switch."""
    lines = [*_wrapped(_WAYS, width, "")]
    groups = (
        ("The documentation says something about these:", lambda one: bool(one.about.documented)),
        (
            "No documentation confirms these; the default is a decision of this simulator:",
            lambda one: not one.about.documented and not one.about.instrument,
        ),
        ("These are tools for tests:", lambda one: one.about.instrument),
    )
    for title, belongs in groups:
        lines += ["", title]
        for one in SWITCHES.values():
            if belongs(one):
                lines += ["", *_described(one, width)]
    lines += ["", "No documentation confirms these either, and they have no switch:"]
    for topic, decisions in DECISIONS.items():
        lines += ["", f"  {topic}"]
        for decision in decisions:
            lines += _wrapped(f"- {decision}", width, "    ", "      ")
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
