"""Identifiers in all the forms that people paste them, and the one form that each service takes.

https://aps.autodesk.com/en/docs/data/v2/developers_guide/basics/
"""

import base64
import re
from functools import lru_cache
from urllib.parse import quote, unquote

from aps_async.errors import InputError

__all__ = [
    "UUID",
    "bare_id",
    "decoded_urn",
    "dm_id",
    "is_folder_urn",
    "is_item_urn",
    "is_version_urn",
    "is_web_address",
    "path_part",
    "region_of",
    "version_urn",
]
__dir__: object = __all__.copy

_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"urn:adsk\.[a-z0-9]+:fs\.file:vf\.[\w-]+\?version=[0-9]+")
_ITEM = re.compile(r"urn:adsk\.[a-z0-9]+:dm\.lineage:[\w-]+")
_FOLDER = re.compile(r"urn:adsk\.[a-z0-9]+:fs\.folder:co\.[\w-]+")

_ENVIRONMENT = re.compile(r"urn:adsk\.wip([a-z]+):")
_EMEA = re.compile(r"urn:adsk\.wip(?:bim)?emea[a-z0-9]*:")  # also the environments of tests: wipbimemeastg
_REGIONS = frozenset({"EMEA", "AUS", "CAN", "DEU", "IND", "JPN", "GBR"})

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_WEB_PROJECT = re.compile(rf"(?i)/projects?/(?:b\.)?({UUID.pattern})(?![\w-])")
_WEB_URNS = {
    "version": re.compile(_VERSION.pattern + r"(?![\w-])"),
    "item": _ITEM,
    "folder": _FOLDER,
}


def is_web_address(value: str) -> bool:
    """Whether this is the address of a page, such as a project's, a folder's or a file's on acc.autodesk.com."""
    return re.match(r"(?i)\s*https?://", value) is not None


def _in_address(value: str, what: str, pattern: "re.Pattern[str]") -> str | None:
    """The one id of a kind in a web address, by its content: the forms of these addresses are not documented.

    Raises:
        InputError: two of them contradict each other.
    """
    text = value
    for _ in range(3):  # an address within an address is encoded twice
        text = unquote(text)
    found = {each.lower() if what == "project" else each: None for each in pattern.findall(text)}
    if len(found) > 1:
        raise InputError(f"the address names {len(found)} different {what}s ({', '.join(found)}): give the id of one")
    return next(iter(found), None)


def bare_id(value: str, what: str = "project") -> str:
    """A project or hub id without its `b.` prefix, as BIM 360, ACC and Cost take it.

    A project's id may also be given as the web address of the project, or of anything in it.

    Raises:
        InputError: it is not an id, or the address names no project or several.
    """
    if what in ("project", "container") and is_web_address(value):
        found = _in_address(value, "project", _WEB_PROJECT)
        if found is None:
            raise InputError("the address names no project: open the project in a browser and copy its address")
        return found
    text = unquote(value.strip()).removeprefix("b.")
    if not _PLAIN.fullmatch(text):
        raise InputError(f"{value!r} is no {what} id: expected a UUID, with or without the prefix 'b.'")
    return text


def dm_id(value: str, what: str = "project") -> str:
    """The same id with the `b.` prefix, as Data Management takes it (`a.` ids of other hubs stay as they are)."""
    text = bare_id(value, what)
    return text if text.startswith("a.") else f"b.{text}"


def decoded_urn(value: str, *kinds: str) -> str:
    """A URN as the services write it in JSON, from raw, percent-encoded (even twice) or base64 form.

    Args:
        value: the URN, or the web address of a page that names it.
        kinds: what to look for in a web address, in this order; by default `version`, `item`, `folder`.

    Raises:
        InputError: it cannot be decoded, or the address names none or several.
    """
    text = value.strip()
    if is_web_address(text):
        for kind in kinds or _WEB_URNS:
            if found := _in_address(text, kind, _WEB_URNS[kind]):
                return found
        raise InputError(
            f"the address names no {' or '.join(kinds or _WEB_URNS)}: open it in Docs and copy its address"
        )
    for _ in range(2):
        if not text.lower().startswith("urn%"):
            break
        text = unquote(text)
    if text.startswith("dXJu"):
        try:
            text = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        except ValueError:  # of the decoding, or of signs that base64 does not have
            raise InputError(f"{value!r} looks like a base64 URN but does not decode to one") from None
    return re.sub(r"%3a|%3f|%3d", lambda found: unquote(found[0]), text, flags=re.IGNORECASE)


def is_version_urn(urn: str) -> bool:
    """Whether a decoded URN names one version."""
    return _VERSION.fullmatch(urn) is not None


def is_item_urn(urn: str) -> bool:
    """Whether a decoded URN names an item with all its versions."""
    return _ITEM.fullmatch(urn) is not None


def is_folder_urn(urn: str) -> bool:
    """Whether a decoded URN names a folder."""
    return _FOLDER.fullmatch(urn) is not None


def region_of(urn: str) -> str | None:
    """The region that a URN's environment names (`wipemea`, `wipbimemea`: EMEA); None for the US and unknown words."""
    urn = decoded_urn(urn)
    if _EMEA.match(urn):
        return "EMEA"
    found = _ENVIRONMENT.match(urn)
    region = found[1].upper() if found else ""
    return region if region in _REGIONS else None


def version_urn(value: str) -> str:
    """A version URN in raw form.

    Raises:
        InputError: it is another kind of id; the message says where to find the right one.
    """
    urn = decoded_urn(value)
    if is_version_urn(urn):
        return urn
    if urn.startswith("urn:") and ":fs.file:vf." in urn:
        raise InputError(f"{value!r} lacks its version: a version URN ends in '?version=1' or another number")
    raise InputError(
        f"{value!r} is no version URN: expected urn:adsk.wipprod:fs.file:vf.….?version=n, as list_sheets() yields it"
    )


@lru_cache(maxsize=4096)  # a poll repeats the same three segments, and quoting them costs a tenth of its CPU
def path_part(value: str) -> str:
    """One segment of a path, with everything encoded: `:`, `?`, `=` and `/` too, as the reference writes it."""
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise InputError(f"{value!r} contains half a surrogate pair, which cannot be sent") from None
