"""JSON to values: strict about what is known, indifferent to what is new, and clear about what is wrong."""

import json
from datetime import UTC, datetime

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from aps_async import DecodeError, ExportOptions, ExportRef, ExportRequest, InputError
from aps_async.models import ExportKind
from aps_async.resources.bim360 import ExportAnswer, ExportResult
from aps_async.resources.jsonapi import Attributes, Document, Page
from aps_async.transport.converter import ref_from_json, ref_to_json, structure

GOOD = {"id": "x", "status": "completed", "data": {"signedUrl": "https://h/x", "resourceId": "urn"}}


def test_names_change_their_style_and_unknown_fields_are_left() -> None:
    found = structure({**GOOD, "newField": {"deep": [1]}, "data": {**GOOD["data"], "another": 7}}, ExportAnswer)
    assert found == ExportAnswer("x", "completed", ExportResult(resource_id="urn", signed_url="https://h/x"))


def test_a_status_word_that_is_new_is_kept() -> None:
    assert structure({"id": "x", "status": "quantum"}, ExportAnswer).status == "quantum"


def test_null_is_the_same_as_absent() -> None:
    assert structure({"id": "x", "status": "s", "data": None}, ExportAnswer).data is None
    found = structure({"data": [], "included": None, "links": None, "meta": None}, Page)
    assert found == Page()
    assert structure({"extension": None, "hidden": None}, Attributes) == Attributes()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"status": "s"}, "required field missing @ $.id"),
        ({"id": None, "status": "s"}, "required field missing @ $.id"),
        ({"id": 7, "status": "s"}, "expected a text, got int @ $.id"),
        ({"id": "x", "status": "s", "data": {"signedUrl": 7}}, "expected a text, got int @ $.data.signedUrl"),
        ({"id": "x", "status": "s", "data": []}, "expected an object, got list @ $.data"),
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
