"""Identifiers: whatever form users paste, the service gets the form that it expects."""

import base64
import re
import uuid
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aps_async.errors import InputError
from aps_async.ids import (
    address_part,
    bare_id,
    check_project,
    check_whole,
    decoded_urn,
    dm_id,
    id_list,
    is_folder_urn,
    is_item_urn,
    is_version_urn,
    is_web_address,
    path_part,
    region_of,
    version_urn,
)
from aps_async.models import ExportRequest
from aps_async.resources import bim360, files, sheets
from aps_async.resources.storage import checked_urn

PROJECT = "c0337487-5b66-422b-a284-c273b424af54"
tails = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=22)
environments = st.sampled_from(["wipprod", "wipemea", "wipqa", "wipaus", "wip2"])
versions = st.builds("urn:adsk.{}:fs.file:vf.{}?version={}".format, environments, tails, st.integers(1, 9999))
items = st.builds("urn:adsk.{}:dm.lineage:{}".format, environments, tails)
folders = st.builds("urn:adsk.{}:fs.folder:co.{}".format, environments, tails)


def encoded(urn: str) -> str:
    return quote(urn, safe="")


def half_encoded(urn: str) -> str:
    return quote(urn, safe=":=")


def recased(urn: str, case: Callable[[str], str]) -> str:
    """With the parts in another case that have none of their own."""
    head, dot, tail = re.fullmatch(r"(.*:(?:vf\.|co\.|dm\.lineage:|os\.object:)?)()(.*)", urn).groups()  # type: ignore[union-attr]
    return case(head) + dot + re.sub("version=", lambda found: case(found[0]), tail)


def as_base64(urn: str) -> str:
    return base64.urlsafe_b64encode(urn.encode()).decode().rstrip("=")


FORMS = {
    "raw": str,
    "encoded": encoded,
    "encoded in small letters": lambda urn: encoded(urn).replace("%3A", "%3a").replace("%3F", "%3f"),
    "encoded twice": lambda urn: encoded(encoded(urn)),
    "half encoded": half_encoded,
    "base64": as_base64,
    "in capitals": lambda urn: recased(urn, str.upper),
    "encoded, in capitals": lambda urn: encoded(recased(urn, str.upper)),
    "base64 of the standard alphabet": lambda urn: base64.b64encode(urn.encode()).decode(),
    "encoded three times": lambda urn: encoded(encoded(encoded(urn))),
    "in quotes": lambda urn: f'"{urn}",',
    "with tabs, newlines and a byte order mark around": lambda urn: f"\ufeff\t{urn}\r\n",
    "base64 with padding": lambda urn: base64.urlsafe_b64encode(urn.encode()).decode(),
    "with spaces around": lambda urn: f"  {urn}\n",
    "base64, encoded": lambda urn: encoded(base64.b64encode(urn.encode()).decode()),
    "base64, as viewers take it": lambda urn: f"urn:{as_base64(urn)}",
    "base64, as viewers take it, encoded": lambda urn: encoded(f"urn:{base64.b64encode(urn.encode()).decode()}"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@settings(deadline=None, max_examples=40)
@given(urn=st.one_of(versions, items, folders))
def test_every_form_of_a_urn_comes_down_to_the_raw_one(form: Callable[[str], str], urn: str) -> None:
    assert decoded_urn(form(urn)) == urn
    assert decoded_urn(decoded_urn(form(urn))) == urn


@settings(deadline=None, max_examples=60)
@given(version=versions, item=items, folder=folders)
def test_kinds_of_urns_are_distinguished(version: str, item: str, folder: str) -> None:
    tests = (is_version_urn, is_item_urn, is_folder_urn)
    assert [[test(urn) for test in tests] for urn in (version, item, folder)] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_version_urn_is_taken_in_every_form(form: Callable[[str], str]) -> None:
    urn = "urn:adsk.wipqa:fs.file:vf.pf3frU0gTZaOotKXg2h1Fw?version=1"
    assert version_urn(form(urn)) == urn


def test_the_base64_of_the_reference_decodes_to_what_it_says() -> None:
    text = "dXJuOmFkc2sud2lwcHJvZDpmcy5maWxlOnZmLkJCQkI_dmVyc2lvbj0x"
    assert decoded_urn(text) == "urn:adsk.wipprod:fs.file:vf.BBBB?version=1"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("urn:adsk.wipprod:fs.file:vf.ABC", "lacks its version"),
        ("urn:adsk.wipprod:dm.lineage:ABC", "not a version URN"),
        ("A-101", "list_sheets"),
        ("", "not a version URN"),
        (f"https://acc.autodesk.com/docs/projects/{PROJECT}?u=urn:adsk.wipprod:dm.lineage:A", "names no version"),
        ("dXJu\udcff", "base64"),
        ("dXJuOmFkc2suw_", "base64"),
        ("urn:adsk.wipprod:fs.file:vf.ABC?version=1/exports", "lacks its version"),
    ],
)
def test_anything_but_a_version_urn_is_refused_with_words_that_help(wrong: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        version_urn(wrong)


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=60))
def test_no_text_whatever_breaks_the_reading_of_a_urn(text: str) -> None:
    try:
        urn = version_urn(text)
    except InputError:
        return
    assert is_version_urn(urn)


@pytest.mark.parametrize("form", [PROJECT, f"b.{PROJECT}", f"  b.{PROJECT} ", f"b%2E{PROJECT}"])
def test_project_ids_with_and_without_their_prefix(form: str) -> None:
    assert bare_id(form) == PROJECT
    assert dm_id(form) == f"b.{PROJECT}"


def test_hub_ids_of_other_kinds_keep_their_prefix() -> None:
    assert dm_id("a.YnVzaW5lc3M6YXV0b2Rlc2s", "hub") == "a.YnVzaW5lc3M6YXV0b2Rlc2s"


@pytest.mark.parametrize(
    "wrong", ["", "b.", "Riverside Clinic", "../admin", "a/b", "x?y=1", "b.x#y", "..", "b...", "."]
)
def test_anything_but_an_id_is_refused_and_cannot_climb_in_the_path(wrong: str) -> None:
    with pytest.raises(InputError, match="not a valid hub id"):
        bare_id(wrong, "hub")


def test_a_segment_that_comes_again_is_not_encoded_again() -> None:
    urn = "urn:adsk.wipprod:fs.file:vf.polled-again-and-again?version=1"
    first, hits = path_part(urn), path_part.cache_info().hits
    assert path_part(urn) is first
    assert path_part.cache_info().hits == hits + 1


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=40).filter(lambda text: "\udc00" not in text and text.isprintable()))
def test_one_part_of_a_path_stays_one_part(text: str) -> None:
    part = path_part(text)
    assert not set(part) & set("/?#:= ")
    assert unquote(part) == text


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ("wipprod", None), ("wipbimprod", None), ("wipemea", "EMEA"), ("wipbimemea", "EMEA"), ("wipemeastg", "EMEA"),
        ("wipbimemeastg", "EMEA"), ("wipemeaqa", "EMEA"), ("wipbimemeaqa", "EMEA"), ("wipemeadev2", "EMEA"),
        ("wipaus", "AUS"), ("wipcan", "CAN"), ("wipausstg", None), ("wipbimaus", None), ("wipstg", None),
        ("objects", None),
    ],
)  # fmt: skip
def test_the_environment_of_a_urn_names_its_region(environment: str, region: str | None) -> None:
    urn = f"urn:adsk.{environment}:fs.file:vf.VFlOMhozRMac61hJ1JB_Nw?version=1"
    assert region_of(urn) == region
    assert region_of(base64.urlsafe_b64encode(urn.encode()).decode().rstrip("=")) == region


P, Q = "5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18", "9689b6da-9a9e-534d-aef9-aff44867669b"
WEB_VERSION = "urn:adsk.wipemea:fs.file:vf.PqW3mKfTSZ2aL9xNcVbE7g?version=3"
WEB_ITEM = "urn:adsk.wipemea:dm.lineage:PqW3mKfTSZ2aL9xNcVbE7g"
WEB_FOLDER = "urn:adsk.wipemea:fs.folder:co.jKLqcHo2NbBomEmiMgoAZg"
HOSTS = [
    "acc.autodesk.com", "acc.autodesk.eu", "acc.can.autodesk.com", "acc.gbr.autodesk.com", "acc.deu.autodesk.com",
    "acc.ind.autodesk.com", "acc.jpn.autodesk.com", "acc.aus.autodesk.com", "docs.b360.autodesk.com",
    "docs.b360.autodesk.eu",
]  # fmt: skip
SCHEMES = ["https://", "http://", "HTTPS://", "", "//"]
PLACES = {
    "path": "/docs/files/projects/{project}/folders/{urn}/detail",
    "query": "/docs/files/projects/{project}?entityId={urn}&viewModel=detail",
    "end of the query": "/build/files/projects/b.{project}?viewModel=detail&entityId={urn}",
    "fragment": "/projects/{project}#/viewer?urn={urn}",
    "address within": "/login?to=https%3A%2F%2Facc.autodesk.com%2Fprojects%2F{project}%3Fu%3D{urn}",
    "twice": "/projects/{project}/x?back=/projects/{project}&a={urn}&b={urn}",
    "in capitals": "/DOCS/PROJECTS/{project}/FOLDERS?URN={urn}",
}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "encoded": encoded,
    "encoded twice": lambda urn: encoded(encoded(urn)),
    "half encoded": half_encoded,
    "in capitals": lambda urn: encoded(recased(urn, str.upper)),
    "base64": as_base64,
    "base64, standard, encoded": lambda urn: encoded(base64.b64encode(urn.encode()).decode()),
    "base64, padded": lambda urn: base64.urlsafe_b64encode(urn.encode()).decode(),
}
AROUND: dict[str, Callable[[str], str]] = {
    "nothing": str,
    "spaces, tabs and newlines": lambda address: f" \t{address}\r\n ",
    "angle brackets": lambda address: f"<{address}>",
    "quotes": lambda address: f"'{address}'",
    "words after it": lambda address: f"{address} (the one we spoke of)",
    "encoded as a whole": encoded,
    "encoded twice as a whole": lambda address: encoded(encoded(address)),
}


@settings(deadline=None, max_examples=400)
@given(
    scheme=st.sampled_from(SCHEMES), host=st.sampled_from(HOSTS), place=st.sampled_from(sorted(PLACES)),
    spelling=st.sampled_from(sorted(SPELLINGS)), around=st.sampled_from(sorted(AROUND)),
    case=st.sampled_from([str.lower, str.upper]), urn=st.one_of(versions, items, folders),
)  # fmt: skip
def test_ids_are_found_wherever_an_address_has_them(
    scheme: str, host: str, place: str, spelling: str, around: str, case: Callable[[str], str], urn: str
) -> None:
    path = PLACES[place].format(project=case(P), urn=SPELLINGS[spelling](urn))
    address = AROUND[around](f"{scheme}{case(host)}{path}")
    assert is_web_address(address)
    assert bare_id(address) == P
    assert decoded_urn(address) == urn


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_hosts_of_every_region_are_known(scheme: str, host: str) -> None:
    address = f"{scheme}{host}/docs/files/projects/{P}?entityId={encoded(WEB_ITEM)}"
    assert (bare_id(address), dm_id(address), decoded_urn(address)) == (P, f"b.{P}", WEB_ITEM)


@pytest.mark.parametrize(
    "text", ["Plans/A.1/autodesk.com", "autodesk.com", "notautodesk.com/x", "Riverside/acc.autodesk.com/x", P, ""]
)
def test_other_texts_are_not_web_addresses(text: str) -> None:
    assert not is_web_address(text)


BASE = f"https://acc.autodesk.com/projects/{P}"
ADDRESSES = {
    "a project": (f"https://acc.autodesk.com/docs/files/projects/{P}", P, None),
    "capitals, a prefix, spaces": (f" HTTPS://docs.b360.autodesk.com/projects/b.{P.upper()}/folders \n", P, None),
    "a folder and a file": (f"{BASE}?folderUrn={encoded(WEB_FOLDER)}&entityId={encoded(WEB_ITEM)}", P, WEB_ITEM),
    "a version and its item": (f"{BASE}?v={encoded(WEB_VERSION)}&i={encoded(WEB_ITEM)}", P, WEB_VERSION),
    "the same, raw and in base64": (f"{BASE}?a={WEB_ITEM}&b={as_base64(WEB_ITEM)}", P, WEB_ITEM),
    "base64 of something else": (f"{BASE}?a={as_base64('urn:adsk.viewing:x')}&b={WEB_ITEM}", P, WEB_ITEM),
    "base64 that is cut": (f"{BASE}?a={as_base64(WEB_VERSION)[:-9]}", P, None),
    "a version without its number": (f"{BASE}?u={WEB_VERSION.partition('?')[0]}", P, None),
    "a version that runs on": (f"{BASE}?u={WEB_VERSION}0abc", P, None),
    "a version before another parameter": (f"{BASE}?u={WEB_VERSION}&x=1", P, WEB_VERSION),
    "a doubled slash": (BASE.replace("/projects/", "/projects//"), P, None),
    "no id": ("https://acc.autodesk.com/docs/files", None, None),
    "a longer number": (f"{BASE}0", None, None),
    "two projects": (f"{BASE}?from=/projects/{Q}", None, None),
    "two files": (f"{BASE}?a={WEB_ITEM}&b={WEB_ITEM}x", P, None),
    "two files, one in base64": (f"{BASE}?a={WEB_ITEM}&b={as_base64(WEB_ITEM + 'x')}", P, None),
    "two versions of a file": (f"{BASE}?a={WEB_VERSION}&b={WEB_VERSION}1", P, None),
    "a version of another item": (f"{BASE}?v={WEB_VERSION}&i={WEB_ITEM}x", P, None),
    "an item of another version": (f"{BASE}?i={encoded(WEB_ITEM + 'x')}&v={as_base64(WEB_VERSION)}", P, None),
    "an item of another region": (f"{BASE}?v={WEB_VERSION}&i={WEB_ITEM.replace('emea', 'prod')}", P, None),
}


@pytest.mark.parametrize("case", ADDRESSES)
def test_a_web_address_is_taken_for_the_ids_in_it(case: str) -> None:
    address, project, urn = ADDRESSES[case]
    for read, expected in ((bare_id, project), (decoded_urn, urn)):
        if expected is None:
            with pytest.raises(InputError, match="the address names"):
                read(address)
        else:
            assert read(address) == expected
    if project is not None:
        assert dm_id(address) == f"b.{project}"


def test_the_kind_of_urn_that_is_wanted_is_looked_for() -> None:
    address, _, _ = ADDRESSES["a folder and a file"]
    assert decoded_urn(address, "folder") == WEB_FOLDER
    assert decoded_urn(address, "item") == WEB_ITEM
    for read in (version_urn, lambda text: decoded_urn(text, "version")):
        with pytest.raises(InputError, match="names no version"):
            read(address)
    for case in ("a version of another item", "an item of another version", "an item of another region"):
        for kind in ("version", "item"):
            with pytest.raises(InputError, match="names 2 different files"):
                decoded_urn(ADDRESSES[case][0], kind)
    assert version_urn(ADDRESSES["a version and its item"][0]) == WEB_VERSION


def message_of(read: Callable[[str], str], given: str) -> str:
    """What is said about it; some of the functions pass it on as it is."""
    try:
        read(given)
    except InputError as problem:
        return str(problem)
    return ""


SIGNED = "https://storage.example/wip.dm.prod/a.pdf?X-Amz-Expires=120&X-Amz-Signature=c0ffee"


@pytest.mark.parametrize("given", [SIGNED, SIGNED.partition("//")[2], encoded(SIGNED), f"urn:{SIGNED}", "x" * 5000])
@pytest.mark.parametrize("spelling", [str, str.upper])
@pytest.mark.parametrize("read", [bare_id, lambda text: bare_id(text, "hub"), decoded_urn, version_urn, checked_urn])
def test_a_message_shows_no_signed_query_and_stays_short(
    read: Callable[[str], str], spelling: Callable[[str], str], given: str
) -> None:
    said = message_of(read, spelling(given))
    assert "c0ffee" not in said.lower()
    assert len(said) < 300


UUIDS = [P, Q]
URN_LIST = [WEB_VERSION, WEB_VERSION.replace("vf.P", "vf.Q")]
IN_A_LIST: dict[str, Callable[[list[str]], str | Iterable[str]]] = {
    "a list": list,
    "a generator": iter,
    "one text": ",".join,
    "one text with spaces": lambda ids: f" {' , '.join(ids)}, ",
    "a list of such texts": lambda ids: [",".join(ids)],
}
ID_LISTS: dict[str, tuple[list[str], Callable[[str | Iterable[str]], list[ExportRequest]]]] = {
    "files": (URN_LIST, lambda ids: files.make_requests(P, ids)),
    "sheets": (UUIDS, lambda ids: sheets.make_requests(P, ids)),
}


@pytest.mark.parametrize("form", IN_A_LIST.values(), ids=IN_A_LIST)
@pytest.mark.parametrize("service", ID_LISTS)
def test_ids_are_taken_as_a_list_or_in_one_text_with_commas(service: str, form: Any) -> None:
    ids, make = ID_LISTS[service]
    [request] = make(form(ids))
    assert request.source_ids == tuple(ids)


def test_commas_within_a_web_address_do_not_separate_ids() -> None:
    addresses = [f"https://acc.autodesk.com/projects/{P}?view=1,2&u={encoded(urn)}" for urn in URN_LIST]
    for form in IN_A_LIST.values():
        assert [version_urn(each) for each in id_list(form([*addresses, WEB_VERSION]))] == [*URN_LIST, WEB_VERSION]
    assert id_list(", ,") == []


OTHER = "11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize(
    ("address", "is_refused"),
    [
        (f"https://acc.autodesk.com/docs/files/projects/{OTHER}?folderUrn=urn:adsk.wipprod:fs.folder:co.A", True),
        (f"https%3A%2F%2Facc.autodesk.eu%2Fprojects%2F{OTHER.upper()}", True),
        (f"<https://docs.b360.autodesk.com/projects/{OTHER}/x>", True),
        (f"https://acc.autodesk.com/docs/files/projects/{P.upper()}?x=1", False),
        ("https://acc.autodesk.com/docs/files?u=urn:adsk.wipprod:dm.lineage:A", False),
        (f"projects/{OTHER}", False),
        ("urn:adsk.wipprod:dm.lineage:A", False),
    ],
)
@pytest.mark.parametrize("project", [P, f"b.{P}", P.upper()])
def test_an_address_of_another_project_is_refused(address: str, is_refused: bool, project: str) -> None:
    with pytest.raises(InputError, match=f"project {OTHER}, not in") if is_refused else nullcontext():
        check_project(address, project)


def test_a_request_for_a_version_in_another_project_is_refused() -> None:
    address = f"https://acc.autodesk.com/projects/{OTHER}?u=urn:adsk.wipprod:fs.file:vf.A%3Fversion=1"
    for make in (bim360.make_request, files.make_requests):
        make(OTHER, address)
        with pytest.raises(InputError, match="not in"):
            make(P, address)


@pytest.mark.parametrize("value", [None, 5, b"x", ["x"], uuid.UUID(P)], ids=repr)
def test_another_type_is_an_input_error(value: Any) -> None:
    readers: tuple[Callable[[Any], object], ...] = (
        *(bare_id, dm_id, decoded_urn, version_urn, region_of, is_web_address),
        lambda one: id_list([one]),
    )
    for read in readers:
        with pytest.raises(InputError, match=f"must be a text, not {type(value).__name__}"):
            read(value)


PARTS = {
    "a project": (f"https://acc.autodesk.com/docs/files/projects/{P}?viewModel=detail", None),
    "a project's tool": (f"https://acc.autodesk.com/build/sheets/projects/{P}/sheets", None),
    "an account before it": (f"https://admin.b360.autodesk.com/admin/{Q}/projects/{P}/overview", None),
    "not an address": (WEB_FOLDER, None),
    "a name": ("Riverside", None),
    "a folder": (f"https://docs.b360.autodesk.com/projects/{P}/folders/{WEB_FOLDER}", ("folder", WEB_FOLDER)),
    "a folder, encoded": (f"<{BASE}/folders/{encoded(WEB_FOLDER)}/detail>", ("folder", WEB_FOLDER)),
    "a folder of ACC": (f"{BASE}?folderUrn={encoded(WEB_FOLDER)}&viewModel=detail", ("folder", WEB_FOLDER)),
    "a file of ACC": (f"{BASE}?folderUrn={encoded(WEB_FOLDER)}&entityId={encoded(WEB_ITEM)}", ("file", WEB_ITEM)),
    "a file in the viewer": (f"{BASE}/folders/{WEB_FOLDER}/detail/viewer/items/{WEB_ITEM}", ("file", WEB_ITEM)),
    "a version": (f"{BASE}/folders/{WEB_FOLDER}/detail/viewer/items/{WEB_VERSION}", ("file", WEB_VERSION)),
    "base64": (f"{BASE}?entityId={as_base64(WEB_VERSION)}", ("file", WEB_VERSION)),
    "two folders": (f"{BASE}?a={WEB_FOLDER}&b={WEB_FOLDER}x", InputError),
    "another kind": (f"{BASE}?folderUrn=urn:adsk.wipprod:dm.folder:hC6k4hndRWaeIVhIjvHu8w", InputError),
    "another kind in base64": (f"{BASE}?u={as_base64('urn:adsk.viewing:fs.file:x')}", InputError),
    "a sheet of ACC": (f"https://acc.autodesk.com/build/sheets/projects/{P}/sheets/{Q}", InputError),
    "no project": (f"https://acc.autodesk.com/docs?folderUrn={WEB_FOLDER}", InputError),
}


@pytest.mark.parametrize("case", PARTS)
def test_what_of_a_project_an_address_shows(case: str) -> None:
    value, part = PARTS[case]
    if part is InputError:
        with pytest.raises(InputError, match=r"address"):
            address_part(value)
    else:
        assert address_part(value) == part


@pytest.mark.parametrize("case", [case for case, (_, part) in PARTS.items() if part is not None])
def test_a_part_is_not_taken_for_the_whole_project(case: str) -> None:
    value, _ = PARTS[case]
    check_whole(value, WEB_FOLDER)
    with pytest.raises(InputError, match=r"address"):
        check_whole(value)


@pytest.mark.parametrize("case", [case for case, (_, part) in PARTS.items() if part is None])
def test_a_whole_project_is_taken(case: str) -> None:
    check_whole(PARTS[case][0])
