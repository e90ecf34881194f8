"""Converts identifiers from any form in which people paste them to the one that each service requires.

https://aps.autodesk.com/en/docs/data/v2/developers_guide/basics/
"""

import base64
import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Literal
from urllib.parse import quote, unquote

from aps_async.errors import InputError
from aps_async.lazy import regex
from aps_async.links import redact
from aps_async.narrowing import is_really

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

__all__ = [
    "UUID",
    "address_part",
    "bare_id",
    "check_project",
    "check_whole",
    "checked_folder_path",
    "decoded_urn",
    "dm_id",
    "id_list",
    "is_folder_urn",
    "is_item_urn",
    "is_version_urn",
    "is_web_address",
    "path_part",
    "region_of",
    "shown",
    "version_number",
    "version_urn",
]
__dir__: object = __all__.copy

_PLAIN = regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_TAIL = "[A-Za-z0-9_-]+"
_URNS = {
    "version": regex(rf"urn:adsk\.[a-z0-9]+:fs\.file:vf\.{_TAIL}\?version=[0-9]+"),
    "item": regex(rf"urn:adsk\.[a-z0-9]+:dm\.lineage:{_TAIL}"),
    "folder": regex(rf"urn:adsk\.[a-z0-9]+:fs\.folder:co\.{_TAIL}"),
}
_HEAD = r"(?i)urn:adsk\.[a-z0-9]+:[a-z]+\.[a-z]+:(?:vf\.|co\.)?"
"""The part of a URN that is in lower case; the rest keeps its case."""
_VERSION_NUMBER = regex(r"\?version=(?=[0-9]+$)", re.IGNORECASE)
_ANY_URN = regex(r"(?i)urn:adsk\.|dXJuOmFkc2su")
_BASE64_URN = regex(rf"dXJuOmFkc2su{_TAIL}(?:/dmVyc2lvbj{_TAIL})?")
"""The base64 of a URN. In the standard alphabet, a slash can only be its `?`, before the base64 of `version`."""

_ENVIRONMENT = regex(r"urn:adsk\.wip([a-z]+):")
_EMEA = regex(r"urn:adsk\.wip(?:bim)?emea[a-z0-9]*:")  # also the environments of tests: wipbimemeastg
_REGIONS = frozenset({"EMEA", "AUS", "CAN", "DEU", "IND", "JPN", "GBR"})

_AROUND = " \t\r\n\v\f\xa0\u200b\u2060\ufeff<>()[]{}\"',;"
"""Characters around an id or address that are often copied with it."""
_WEB_ADDRESS = r"(?i)https?://|(?://)?(?:[a-z0-9-]+\.)*autodesk\.[a-z]{2,}(?::\d+)?[/?#]"
_WEB_PROJECT = rf"(?i)/projects?/+(?:b\.)?({UUID.pattern})(?![\w-])"
_NEXT_ID = regex(r"(?i),\s*(?=https?[:%]|urn[:%]|dXJu)")  # other commas are part of an address
_MOST_ENCODINGS = 5  # an address within an address is encoded twice
_MOST_SHOWN = 80

_NUMBER = regex(r"\?version=(\d{1,9})$")


def is_web_address(value: str) -> bool:
    """Whether this is the address of a page, such as a project's, a folder's or a file's on acc.autodesk.com."""
    return re.match(_WEB_ADDRESS, _pasted(value)) is not None


def shown(value: str) -> str:
    """An argument for a message: quoted, shortened, and without the query of a link."""
    text = re.sub(r"(?s)[?#](?!version=[0-9]*$).*", "?…", redact(_unquoted(value.strip())))
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…")


def bare_id(value: str, what: str = "project") -> str:
    """A project or hub id without its `b.` prefix, as BIM 360, ACC and Cost require it.

    A project's id may also be given as the web address of the project, or of anything in it.

    Raises:
        InputError: it is not an id, or the address contains no project or several ones.
    """
    text = _pasted(value)
    if re.match(_WEB_ADDRESS, text):
        if what not in ("project", "container"):
            raise InputError(f"a {what} id cannot be read from a web address ({shown(text)}): give the id itself")
        return _project_in(text)
    text = _unquoted(text)
    text = text[2:] if text[:2] == "b." or (text[:2] == "B." and UUID.fullmatch(text[2:])) else text
    if not _PLAIN.fullmatch(text):
        raise InputError(f"{shown(value)} is not a valid {what} id: expected a UUID, with or without the prefix 'b.'")
    return text


def dm_id(value: str, what: str = "project") -> str:
    """The same id with the `b.` prefix, as Data Management requires it; `a.` ids of other hubs are unchanged."""
    text = bare_id(value, what)
    return text if text.startswith("a.") else f"b.{text}"


def id_list(ids: str | Iterable[str]) -> list[str]:
    """Ids from a list or, as in the services' queries, from one text separated by commas."""
    texts = [ids] if isinstance(ids, str) else ids
    split = [_NEXT_ID.split(text) if is_web_address(text) else text.split(",") for text in texts]
    return [each for pieces in split for each in pieces if each.strip()]


def checked_folder_path(value: str) -> str:
    """A path of folders in a project, as people write it: `Plans/Architecture`, with one slash between two names.

    The services allow neither slash in a name, so both separate names. Slashes at the ends, doubled ones, spaces around
    names and `.` say nothing more.

    Raises:
        InputError: it names no folder, or leads upwards with `..`.
    """
    if not is_really(value, str):
        raise InputError(f"the path of a folder must be a text, not {type(value).__name__}")
    names = [name for name in map(str.strip, value.replace("\\", "/").split("/")) if name not in ("", ".")]
    if not names:
        raise InputError(f"{shown(value)} names no folder: give a path such as 'Plans/Architecture', or leave it out")
    if ".." in names:
        raise InputError(f"the path {shown(value)} contains '..': give the names from a top folder down")
    return "/".join(names)


def decoded_urn(value: str, *kinds: str) -> str:
    """A URN as the services write it in JSON, from raw, percent-encoded (even several times) or base64 form.

    Args:
        value: the URN, or the web address of a page that contains it.
        kinds: what to look for in a web address, in this order; by default `version`, `item`, `folder`.

    Raises:
        InputError: it cannot be decoded, or the address contains no URN or several.
    """
    text = _pasted(value)
    if re.match(_WEB_ADDRESS, text):
        return _urn_in(text, kinds or tuple(_URNS))
    text = re.sub(r"(?i)^urn(:|%3a)(?=dXJu)", "", text)  # as viewers take the base64 of a URN
    if re.match(r"(?i)urn%|dXJu", text):
        text = _unquoted(text)
    if text.startswith("dXJu"):
        try:
            text = _from_base64(text)
        except ValueError:  # not base64, or not text
            raise InputError(f"{shown(value)} looks like a base64 URN but does not decode to one") from None
    return _canonical(re.sub(r"(?i)%3a|%3f|%3d", lambda found: unquote(found[0]), text))


def is_version_urn(urn: str) -> bool:
    """Whether a decoded URN names one version."""
    return _URNS["version"].fullmatch(urn) is not None


def is_item_urn(urn: str) -> bool:
    """Whether a decoded URN names an item with all its versions."""
    return _URNS["item"].fullmatch(urn) is not None


def is_folder_urn(urn: str) -> bool:
    """Whether a decoded URN names a folder."""
    return _URNS["folder"].fullmatch(urn) is not None


def region_of(urn: str) -> str | None:
    """The region that a URN's environment names (`wipemea`, `wipbimemea`: EMEA); None for the US and unknown words."""
    urn = decoded_urn(urn)
    if _EMEA.match(urn):
        return "EMEA"
    found = _ENVIRONMENT.match(urn)
    region = found[1].upper() if found else ""
    return region if region in _REGIONS else None


def version_urn(value: str) -> str:
    """A version URN in raw form, also from the web address of a page that contains it.

    Raises:
        InputError: it is another kind of id; the message says where to find the right one.
    """
    urn = decoded_urn(value, "version")
    if is_version_urn(urn):
        return urn
    if urn.startswith("urn:") and ":fs.file:vf." in urn:
        raise InputError(f"{shown(urn)} lacks its version: a version URN ends in '?version=1' or another number")
    raise InputError(
        f"{shown(urn)} is not a version URN: expected urn:adsk.wipprod:fs.file:vf.….?version=n, as list_sheets() "
        "yields it"
    )


def check_project(value: str, project_id: str) -> None:
    """Checks that a web address does not belong to another project than the one given beside it.

    Raises:
        InputError: the address names another project.
    """
    text = _pasted(value)
    found = _projects_in(text) if re.match(_WEB_ADDRESS, text) else []
    if found and bare_id(project_id).lower() not in found:
        raise InputError(f"the address {shown(value)} is of something in project {found[0]}, not in {project_id}")


def address_part(value: str) -> tuple[Literal["folder", "file"], str] | None:
    """The folder or file that a web address shows, with its URN.

    None if it shows the project itself, or is not a web address.

    Raises:
        InputError: it shows something else in the project, or contains several folders or files.
    """
    text = _pasted(value)
    if not re.match(_WEB_ADDRESS, text):
        return None
    project, text = _project_in(text), _unquoted(text)
    if any(_urns_in(text, kind) for kind in ("version", "item")):
        return "file", _urn_in(text, ("version", "item"))
    if _urns_in(text, "folder"):
        return "folder", _urn_in(text, ("folder",))
    path = re.split(r"[?#]", text, maxsplit=1)[0]
    if _ANY_URN.search(text) or UUID.search(re.split(_WEB_PROJECT, path)[-1]):
        raise InputError(
            f"the address {shown(value)} is of something in the project that is neither a folder nor a file; for the "
            f"whole project, give its id: {project}"
        )
    return None


def check_whole(project: object, *chosen: object) -> None:
    """Refuses the web address of a folder or file in place of a whole project, unless a part of it is chosen as well.

    Raises:
        InputError: all of the project would be taken.
    """
    if isinstance(project, str) and not any(chosen) and (part := address_part(project)):
        raise InputError(
            f"the address {shown(project)} is of a {part[0]}, not of a whole project: give the project's id, "
            f"{bare_id(project)}, and choose the {part[0]} by {part[1]}"
        )


def _pasted(value: str) -> str:
    """Removes what was copied along with an id, and decodes an address that was encoded as a whole."""
    if not is_really(value, str):
        raise InputError(f"an id must be a text, not {type(value).__name__}; where does it come from?")
    text = value.strip(_AROUND)
    decoded = _unquoted(text).strip(_AROUND)
    return decoded if re.match(_WEB_ADDRESS, decoded) and not re.match(_WEB_ADDRESS, text) else text


def _unquoted(text: str) -> str:
    for _ in range(_MOST_ENCODINGS):
        if "%" not in text:
            break
        text = unquote(text)
    return text


def _from_base64(text: str) -> str:
    """Decodes base64 in either alphabet, padded or not; raises ValueError if it is not valid."""
    text = text.rstrip("=").translate(str.maketrans("+/", "-_"))
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def _canonical(urn: str) -> str:
    """Puts those parts in lower case whose case has no meaning."""
    urn = re.sub(_HEAD, lambda found: found[0].lower(), urn, count=1) if re.match(_HEAD, urn) else urn
    return _VERSION_NUMBER.sub("?version=", urn)


def _projects_in(address: str) -> list[str]:
    return list(dict.fromkeys(each.lower() for each in re.findall(_WEB_PROJECT, _unquoted(address))))


def _project_in(address: str) -> str:
    """Finds the one project in a web address by its ids, since the forms of these addresses are not documented."""
    found = _projects_in(address)
    if not found:
        raise InputError("the address names no project: open the project in a browser and copy its address")
    _check_one(found, "project")
    return found[0]


def _urn_in(address: str, kinds: tuple[str, ...]) -> str:
    """Finds the URN of the first of these kinds in a web address.

    Raises:
        InputError: it contains none, or two that contradict each other: of one kind, or a version of another item.
    """
    text = _unquoted(address)
    found = {kind: _urns_in(text, kind) for kind in _URNS}
    kind = next((kind for kind in kinds if found[kind]), None)
    if kind is None:
        raise InputError(f"the address names no {' or '.join(kinds)}: open it in Docs and copy its address")
    _check_one(found[kind], kind)
    if kind != "folder":
        files = {_file_of(urn): urn for each in ("version", "item") for urn in found[each]}
        _check_one(files.values(), "file")
    return found[kind][0]


def _urns_in(text: str, kind: str) -> list[str]:
    """The URNs of a kind, each once, raw or in base64; a version's number is never cut short."""
    return list(dict.fromkeys(_all_urns_in(text, kind)))


def _all_urns_in(text: str, kind: str) -> Iterator[str]:
    for found in re.finditer(rf"(?i){_URNS[kind].pattern}(?![\w-])", text):
        yield _canonical(found[0])
    for found in _BASE64_URN.finditer(text):
        try:
            urn = _canonical(_from_base64(found[0]))
        except ValueError:
            continue
        if _URNS[kind].fullmatch(urn):
            yield urn


def _file_of(urn: str) -> str:
    """The part that a version and its item share: environment and id."""
    environment, _, rest = urn.partition("?")[0].removeprefix("urn:adsk.").partition(":")
    return f"{environment} {rest.removeprefix('fs.file:vf.').removeprefix('dm.lineage:')}"


def _check_one(found: Collection[str], what: str) -> None:
    if len(found) > 1:
        raise InputError(f"the address names {len(found)} different {what}s ({', '.join(found)}): give the id of one")


def version_number(urn: str) -> int | None:
    """The number of the version in a version URN; None if it has none."""
    found = _NUMBER.search(urn)
    return int(found[1]) if found else None


@lru_cache(maxsize=4096)  # a poll repeats the same three segments, and quoting them costs a tenth of its CPU
def path_part(value: str) -> str:
    """Encodes one segment of a path completely, including `:`, `?`, `=` and `/`, as in the reference."""
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise InputError(f"{value!r} contains half a surrogate pair, which cannot be sent") from None
