"""JSON to values: strict about known fields, tolerant of new ones, with clear errors."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from aps_async import DecodeError, ExportOptions, ExportRef, ExportRequest, InputError
from aps_async.models import ExportKind
from aps_async.resources import acc
from aps_async.resources.bim360 import ExportAnswer, ExportResult
from aps_async.resources.derivatives import SignedCookies
from aps_async.resources.jsonapi import Attributes, Document, Page
from aps_async.resources.sheet_pages import CollectionPage, SetPage, SheetPage
from aps_async.resources.storage import SignedDownload
from aps_async.transport import decoding
from aps_async.transport.converter import Unread, lenient, ref_from_json, ref_to_json, structure

GOOD: dict[str, Any] = {"id": "x", "status": "completed", "data": {"signedUrl": "https://h/x", "resourceId": "urn"}}


def test_names_change_their_style_and_unknown_fields_are_left() -> None:
    found = structure({**GOOD, "newField": {"deep": [1]}, "data": {**GOOD["data"], "another": 7}}, ExportAnswer)
    assert found == ExportAnswer("x", "completed", ExportResult(resource_id="urn", signed_url="https://h/x"))


def test_a_status_word_that_is_new_is_kept() -> None:
    assert structure({"id": "x", "status": "quantum"}, ExportAnswer).status == "quantum"


def test_null_is_the_same_as_absent() -> None:
    assert structure({"id": "x", "status": "s", "data": None}, ExportAnswer).data is None
    found = structure({"data": [], "included": None, "links": None, "meta": None}, Page)
    assert found == Page(data=())
    assert structure({"extension": None, "hidden": None}, Attributes) == Attributes()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"status": "s"}, "required field missing @ $.id"),
        ({"id": None, "status": "s"}, "required field missing @ $.id"),
        ({"id": 7, "status": "s"}, "expected a text, got int @ $.id"),
        ({"id": "x", "status": "completed", "data": {"signedUrl": 7}}, "expected a text, got int @ $.data.signedUrl"),
        ({"id": "x", "status": "completed", "data": []}, "expected an object, got list @ $.data"),
        ([], "expected an object, got list @ $"),
        ("text", "expected an object, got str @ $"),
        (None, "expected an object, got NoneType @ $"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(body: object, problem: str) -> None:
    with pytest.raises(DecodeError) as caught:
        structure(body, ExportAnswer)
    assert caught.value.problems == (problem,)
    assert problem in str(caught.value)
    assert not caught.value.garbled


RESPONSES: dict[type[Any], tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]] = {
    # a good body; fields without which it is of no use; fields that may be odd
    Page: ({"data": [], "links": {}}, ("data", "links"), ("included", "meta")),
    SheetPage: ({"results": []}, ("results",), ("pagination",)),
    SetPage: ({"results": []}, ("results",), ("pagination",)),
    CollectionPage: ({"results": []}, ("results",), ("pagination",)),
    SignedDownload: (
        {"status": "complete", "url": "https://h/x"},
        ("status", "url", "urls"),
        ("size", "sha1", "params"),
    ),
    SignedCookies: ({"url": "https://h/x"}, ("url",), ("size", "etag", "expiration")),
    acc.Result: ({"output": {}}, ("output", "signedUrl"), ("error", "failedFiles")),
    acc.Output: ({"signedUrl": "https://h/x"}, ("signedUrl",), ("failedFiles",)),
}


@pytest.mark.parametrize("kind", RESPONSES)
@pytest.mark.parametrize("odd", [7.5, True, -1.5])
def test_an_odd_value_costs_a_response_only_where_it_is_needed(kind: type[Any], odd: object) -> None:
    body, needed, others = RESPONSES[kind]
    for name in needed:
        with pytest.raises(DecodeError, match=name):
            structure({**body, name: odd}, kind)
    for name in others:
        found = list[Unread]()
        assert structure({**body, name: odd}, kind, found.append) == structure(body, kind)
        assert [name in each.reason for each in found] == [True]


@pytest.mark.parametrize("body", [{}, {"data": None}, {"jsonapi": {"version": "1.0"}}, {"errors": []}])
def test_a_page_without_its_list_is_not_an_empty_list(body: dict[str, Any]) -> None:
    with pytest.raises(DecodeError, match=r"required field missing @ \$\.data"):
        structure(body, Page)


def test_of_many_problems_the_first_three_are_shown_and_all_are_kept() -> None:
    with pytest.raises(DecodeError, match="and 6 more") as caught:
        structure({"data": [7] * 9}, Page)
    assert len(caught.value.problems) == 9


@pytest.mark.parametrize(
    "body", [{"data": "text"}, {"data": {"id": "x"}}, {"data": 7}, {"links": []}, {"included": [{}]}]
)
def test_a_page_of_another_shape_is_a_decode_error(body: object) -> None:
    with pytest.raises(DecodeError):
        structure(body, Page)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2019-06-18T23:29:21.0000000Z", datetime(2019, 6, 18, 23, 29, 21, tzinfo=UTC)),
        ("2019-06-18T23:29:21.1234567Z", datetime(2019, 6, 18, 23, 29, 21, 123456, tzinfo=UTC)),
        ("2019-06-18T23:29:21.123Z", datetime(2019, 6, 18, 23, 29, 21, 123000, tzinfo=UTC)),
        ("2019-06-18T23:29:21+00:00", datetime(2019, 6, 18, 23, 29, 21, tzinfo=UTC)),
        ("yesterday", None),
        (7, None),
        (None, None),
    ],
)
def test_times_with_any_number_of_digits(text: object, moment: datetime | None) -> None:
    body = {"data": {"type": "versions", "id": "v", "attributes": {"createTime": text}}}
    assert structure(body, Document).data.attributes.create_time == moment


# --------------------------------------------------------------- references

texts = st.text(max_size=12)
references = st.builds(
    ExportRef,
    request=st.builds(
        ExportRequest,
        kind=st.sampled_from(ExportKind),
        project_id=texts,
        source_ids=st.lists(texts, max_size=3).map(tuple),
        options=st.builds(ExportOptions, markups=st.booleans(), hyperlinks=st.booleans()),
        user_id=st.none() | texts,
        name=st.none() | texts,
    ),
    export_id=texts,
)


@settings(deadline=None, max_examples=150)
@given(references)
def test_a_reference_goes_to_json_and_back(ref: ExportRef) -> None:
    text = ref_to_json(ref)
    assert ref_from_json(text) == ref
    assert ref_from_json(text.encode()) == ref
    assert ref_from_json(json.dumps({**json.loads(text), "later": 1})) == ref


REF = ExportRef(
    request=ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=("urn:x",), user_id="u", name="A-101"),
    export_id="e",
)


def test_the_stored_form_stays_as_it_is() -> None:
    """Queues hold these texts over updates of the library."""
    stored = (
        '{"request":{"kind":"bim360","projectId":"p","subjects":["urn:x"],"userId":"u","name":"A-101"},"exportId":"e"}'
    )
    spelled_out = stored.replace(',"userId"', ',"options":{"markups":false,"hyperlinks":false},"userId"')
    assert ref_from_json(spelled_out) == REF
    assert ref_to_json(REF) == stored
    assert ref_from_json('{"request":{"kind":"bim360","projectId":"p","subjects":["urn:x"]},"exportId":"e"}') == evolve(
        REF, request=evolve(REF.request, user_id=None, name=None)
    )


@pytest.mark.parametrize(
    "text",
    ["", "not json", "[]", "7", "{}", '{"exportId":"e"}', ref_to_json(REF).replace("bim360", "fax"),
     ref_to_json(REF).replace('["urn:x"]', '"urn:x"'), ref_to_json(REF).replace('"e"}', "7}"), b"\xff", "[" * 200_000],
)  # fmt: skip
def test_a_text_that_is_not_a_reference_is_an_input_error(text: str | bytes) -> None:
    with pytest.raises(InputError, match="not a valid export reference"):
        ref_from_json(text)


@frozen
class Numbers:
    whole: int
    fraction: float


def test_a_whole_number_may_be_written_as_a_fraction_and_the_reverse() -> None:
    found = structure({"whole": 1.0, "fraction": 2}, Numbers)
    assert found == Numbers(1, 2.0)
    assert (type(found.whole), type(found.fraction)) == (int, float)
    with pytest.raises(DecodeError, match="expected a whole number, got float"):
        structure({"whole": 1.5, "fraction": 2}, Numbers)


@lenient
@frozen
class Item:
    id: str
    size: int = 0


@frozen
class Items:
    items: tuple[Item, ...]


MIXED = {"items": [{"id": "a", "size": "x"}, {"size": 1}, {"id": "c", "size": 3}]}


def test_an_unreadable_value_costs_its_field_and_a_missing_id_the_item() -> None:
    unread: list[Unread] = []
    assert structure(MIXED, Items, unread.append) == Items((Item("a"), Item("c", 3)))
    assert [(each.id, each.left_out) for each in unread] == [("a", False), ("item 2", True)]


def test_without_a_listener_unread_values_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert structure(MIXED, Items) == Items((Item("a"), Item("c", 3)))
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "a lacks a value",
        "item 2 was left out",
    ]


def test_a_strict_reader_accepts_no_unreadable_value() -> None:
    with pytest.raises(DecodeError, match="expected a whole number, got str") as caught:
        structure(MIXED, Items, strict=True)
    assert len(caught.value.problems) == 2


def test_a_list_without_a_readable_item_is_an_error_unless_there_is_a_listener() -> None:
    nothing = {"items": [{"size": 1}] * 2}
    with pytest.raises(DecodeError, match="required field missing"):
        structure(nothing, Items)
    unread: list[Unread] = []
    assert structure(nothing, Items, unread.append) == Items(())
    assert len(unread) == 2


def test_a_response_with_thousands_of_unreadable_items_is_an_error() -> None:
    with pytest.raises(DecodeError, match="parts cannot be read, such as item 1"):
        structure({"items": [{"size": 1}] * 20_000}, Items)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, 2.5, -3]", [1, 2.5, -3]),
        ("[1e400, -1e400]", [None, None]),
        ("[123456789012345678901234567890]", [1.2345678901234568e29]),
        (f"[{2**64}, {-(2**63)}]", [float(2**64), -(2**63)]),
        (f"[{'9' * 400}]", [None]),
        ('{"a": {"b": [true, null]}}', {"a": {"b": [True, None]}}),
    ],
)
@pytest.mark.parametrize("reader", [decoding.loads, decoding._loads])
def test_numbers_are_read_alike_with_and_without_the_extra(reader: Callable[[str], Any], text: str, value: Any) -> None:
    assert reader(text) == value


@pytest.mark.parametrize("reader", [decoding.loads, decoding._loads])
@pytest.mark.parametrize("depth", [1, decoding.DEPTH_LIMIT + 1, 500, 1_000, 100_000])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}"), ('[0, {"a":', "}]")])
def test_json_nested_too_deeply_is_refused(reader: Callable[[str], Any], depth: int, opened: str, closed: str) -> None:
    levels = opened.count("[") + opened.count("{")

    def nested(depth: int) -> str:
        times = depth // levels
        return opened * times + ("[]" if depth % levels else "1") + closed * times

    reader(nested(min(depth, decoding.DEPTH_LIMIT)))
    if depth > decoding.DEPTH_LIMIT:
        with pytest.raises(ValueError, match=r"nested too deeply|recursion|depth"):
            reader(nested(depth))
