"""Identifiers: whatever form users paste, the service gets the form that it expects."""

import base64
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aps_async.errors import InputError
from aps_async.ids import (
    bare_id,
    decoded_urn,
    dm_id,
    is_folder_urn,
    is_item_urn,
    is_version_urn,
    path_part,
    region_of,
    version_urn,
)

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


def as_base64(urn: str) -> str:
    return base64.urlsafe_b64encode(urn.encode()).decode().rstrip("=")


FORMS = {
    "raw": str,
    "encoded": encoded,
    "encoded in small letters": lambda urn: encoded(urn).replace("%3A", "%3a").replace("%3F", "%3f"),
    "encoded twice": lambda urn: encoded(encoded(urn)),
    "half encoded": half_encoded,
    "base64": as_base64,
    "base64 with padding": lambda urn: base64.urlsafe_b64encode(urn.encode()).decode(),
    "with blanks around": lambda urn: f"  {urn}\n",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@settings(deadline=None, max_examples=40)
@given(urn=st.one_of(versions, items, folders))
def test_every_form_of_a_urn_comes_down_to_the_raw_one(form, urn: str) -> None:
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
def test_a_version_urn_is_taken_in_every_form(form) -> None:
    urn = "urn:adsk.wipqa:fs.file:vf.pf3frU0gTZaOotKXg2h1Fw?version=1"
    assert version_urn(form(urn)) == urn


def test_the_base64_of_the_reference_decodes_to_what_it_says() -> None:
    text = "dXJuOmFkc2sud2lwcHJvZDpmcy5maWxlOnZmLkJCQkI_dmVyc2lvbj0x"
    assert decoded_urn(text) == "urn:adsk.wipprod:fs.file:vf.BBBB?version=1"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("urn:adsk.wipprod:fs.file:vf.ABC", "lacks its version"),
        ("urn:adsk.wipprod:dm.lineage:ABC", "no version URN"),
        ("A-101", "list_sheets"),
        ("", "no version URN"),
        ("dXJu\udcff", "base64"),
        ("dXJuOmFkc2suw_", "base64"),
        ("urn:adsk.wipprod:fs.file:vf.ABC?version=1/exports", "lacks its version"),
    ],
)
def test_what_is_no_version_urn_is_refused_with_words_that_help(wrong: str, says: str) -> None:
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
def test_what_is_no_id_is_refused_and_cannot_climb_in_the_path(wrong: str) -> None:
    with pytest.raises(InputError, match="no hub id"):
        bare_id(wrong, "hub")


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
ADDRESSES = {
    "a project": (f"https://acc.autodesk.com/docs/files/projects/{P}", P, None),
    "Europe": (f"https://acc.autodesk.eu/build/sheets/projects/{P}/sheets", P, None),
    "Canada": (f"https://acc.can.autodesk.com/docs/files/projects/{P}", P, None),
    "capitals, a prefix, spaces": (f" HTTPS://docs.b360.autodesk.com/projects/b.{P.upper()}/folders \n", P, None),
    "a folder": (f"https://docs.b360.autodesk.com/projects/{P}/folders/{WEB_FOLDER}/detail", P, WEB_FOLDER),
    "a folder and a file": (
        f"https://acc.autodesk.eu/docs/files/projects/{P}?folderUrn={quote(WEB_FOLDER, safe='')}"
        f"&entityId={quote(WEB_ITEM, safe='')}&viewModel=detail",
        P,
        WEB_ITEM,
    ),
    "a version, encoded": (
        f"https://acc.autodesk.com/docs/projects/{P}?u={quote(WEB_VERSION, safe='')}",
        P,
        WEB_VERSION,
    ),
    "a version, encoded twice": (
        f"https://acc.autodesk.com/x?to={quote(quote(f'/projects/{P}?u={quote(WEB_VERSION)}', safe=''), safe='')}",
        P,
        WEB_VERSION,
    ),
    "in the fragment": (f"https://docs.b360.autodesk.com/projects/{P}#/viewer?urn={WEB_ITEM}", P, WEB_ITEM),
    "the same twice": (
        f"https://acc.autodesk.com/projects/{P}?back=/projects/{P}&a={WEB_ITEM}&b={WEB_ITEM}",
        P,
        WEB_ITEM,
    ),
    "a version that runs on": (f"https://acc.autodesk.com/projects/{P}?u={WEB_VERSION}0abc", P, None),
    "a version before another parameter": (
        f"https://acc.autodesk.com/projects/{P}?u={WEB_VERSION}&x=1",
        P,
        WEB_VERSION,
    ),
    "no id": ("https://acc.autodesk.com/docs/files", None, None),
    "a longer number": (f"https://acc.autodesk.com/projects/{P}0", None, None),
    "two projects": (f"https://acc.autodesk.com/projects/{P}?from=/projects/{Q}", None, None),
    "two files": (f"https://acc.autodesk.com/projects/{P}?a={WEB_ITEM}&b={WEB_ITEM}x", P, None),
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
    with pytest.raises(InputError, match="names no version"):
        decoded_urn(address, "version")
