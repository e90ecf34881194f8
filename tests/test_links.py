"""Signed links: unchanged to the byte, expired in time, and never shown."""

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aps_async.links import SignedUrl, redact
from aps_async.transport.response import Receipt

NOW = 1_659_666_869.0  # 2022-08-05T02:34:29Z, as the reference's sample
SIGNED = (
    "https://storage.example/dXJu/output/a%2Fb.pdf?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20220805T023429Z"
    "&X-Amz-Expires=300&X-Amz-Security-Token=canary%2F%2B&X-Amz-Signature=cafe"
)


@pytest.mark.parametrize(
    ("raw", "lifetime", "ends"),
    [
        (SIGNED, None, NOW + 300),
        (SIGNED, 120.0, NOW + 120),  # the reference's promise is shorter than its sample
        (SIGNED, 900.0, NOW + 300),
        (SIGNED.replace("X-Amz-", "x-amz-"), None, NOW + 300),
        (f"https://cdn.example/x?Expires={NOW + 60:.0f}&Signature=s&Key-Pair-Id=k", None, NOW + 60),
        ("https://cdn.example/x?AWSAccessKeyId=k&expires=1659666900&Signature=s", 120.0, 1_659_666_900),
        ("https://cdn.example/x", None, None),
        ("https://cdn.example/x", 120.0, NOW + 120),
        ("https://cdn.example/x?Expires=soon", 120.0, NOW + 120),
        (SIGNED.replace("20220805T023429Z", "yesterday"), 120.0, NOW + 120),
        (SIGNED.replace("X-Amz-Expires=300&", ""), None, None),
    ],
)
def test_the_expiry_is_read_off_the_query(raw: str, lifetime: float | None, ends: float | None) -> None:
    assert SignedUrl.parse(raw, received_at=NOW, lifetime=lifetime).expires_at == ends


SIGNED_AT = "Fri, 05 Aug 2022 02:34:29 GMT"
LATER = "Fri, 05 Aug 2022 02:35:29 GMT"  # 60 s
CLOUDFRONT = f"https://cdn.example/x?Expires={NOW + 60:.0f}&Signature=s"


@pytest.mark.parametrize(
    ("raw", "lifetime", "date", "left"),
    [
        (SIGNED, None, SIGNED_AT, 300),
        (SIGNED, 120.0, SIGNED_AT, 120),
        (SIGNED, None, LATER, 240),
        (SIGNED, None, None, 300),
        (SIGNED, 120.0, None, 120),
        (SIGNED, None, "Fri, 05 Aug 2022 02:30:29 GMT", 300),  # signed in the future: never more than it was signed for
        (SIGNED, None, "Fri, 05 Aug 2022 12:00:00 GMT", 300),  # signed long ago: it has just arrived, so it is good
        (SIGNED, 120.0, "Fri, 05 Aug 2022 12:00:00 GMT", 120),
        (SIGNED, None, "yesterday", 300),
        (SIGNED, None, "", 300),
        (SIGNED, None, "Mon, 01 Jan 99999999 00:00:00 GMT", 300),
        (CLOUDFRONT, None, SIGNED_AT, 60),
        (CLOUDFRONT, 120.0, SIGNED_AT, 60),
        (CLOUDFRONT, 120.0, LATER, 120),
        (CLOUDFRONT, None, LATER, None),
        ("https://cdn.example/x?Expires=nan", None, SIGNED_AT, None),
        ("https://cdn.example/x?Expires=1e999", 120.0, SIGNED_AT, 120),
        ("https://cdn.example/x?Expires=-1", 120.0, SIGNED_AT, 120),
        (SIGNED.replace("=300", "=-300"), None, SIGNED_AT, None),
        (SIGNED.replace("=300", "=0"), 120.0, SIGNED_AT, 120),
    ],
)
@pytest.mark.parametrize("wrong_by", [0, 130, -130, 3700, -86_400, 315_360_000])
def test_a_life_counts_from_the_receipt_whatever_our_clock_says(
    raw: str, lifetime: float | None, date: str | None, left: float | None, wrong_by: float
) -> None:
    receipt = Receipt(lambda: NOW + wrong_by)
    receipt.note({} if date is None else {"Date": date})
    link = receipt.link(raw, "link", lifetime)
    assert link.expires_at == (None if left is None else NOW + wrong_by + left)


@pytest.mark.parametrize(("wrong_by", "left"), [(0, 60), (50, 10), (-100, 120), (61, 120), (10**9, 120)])
def test_without_a_date_our_clock_has_to_do(wrong_by: float, left: float) -> None:
    link = SignedUrl.parse(CLOUDFRONT, received_at=NOW + wrong_by, lifetime=120.0)
    assert link.expires_at == NOW + wrong_by + left


def test_a_link_dies_at_its_time_and_not_before() -> None:
    link = SignedUrl.parse(SIGNED, received_at=NOW)
    assert not link.expires_within(5, NOW + 295)
    assert link.expires_within(5, NOW + 295.1)
    assert link.expires_within(0, NOW + 301)
    assert not SignedUrl("https://cdn.example/x").expires_within(5, NOW + 10**9)


@pytest.mark.parametrize(
    "wrong", ["", "not a url", "/relative?X-Amz-Date=1", "ftp://host/x", "https://", "https://user:pw@host/x?a=b", "http://[::1"]
)  # fmt: skip
def test_what_is_no_link_is_refused_without_showing_it(wrong: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words differ, what must not be in them is the point
        SignedUrl.parse(wrong, received_at=NOW)
    assert "pw" not in str(caught.value)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=80), st.sampled_from(["https://h/p?", "https://h/?Expires=", "https://h/?X-Amz-Expires=", ""]))
def test_no_text_whatever_breaks_the_reading_and_a_good_one_is_kept_to_the_byte(text: str, before: str) -> None:
    raw = before + text
    try:
        link = SignedUrl.parse(raw, received_at=NOW, lifetime=120)
    except ValueError:
        return
    assert link.reveal() == raw


def test_neither_str_nor_repr_shows_the_query() -> None:
    link = SignedUrl.parse(SIGNED, received_at=NOW)
    for shown in (str(link), repr(link), f"{link}", f"{[link]}"):
        assert "storage.example/dXJu/output/a%2Fb.pdf" in shown
        assert "X-Amz" not in shown
        assert "canary" not in shown
    assert link.reveal() == SIGNED


def test_links_are_equal_when_their_bytes_are() -> None:
    assert SignedUrl("https://h/x?a", expires_at=1.0) == SignedUrl("https://h/x?a", expires_at=2.0)
    assert SignedUrl("https://h/x?a") != SignedUrl("https://h/x?b")


@pytest.mark.parametrize(
    "text",
    [
        "GET https://h/p?canary=1 failed",
        "see 'http://h/p?x=canary' and",
        "Authorization: Bearer canary.more-1~x",
        "bearer  canary",
        "Authorization: Basic Y2FuYXJ5OmNhbmFyeQ==",
        "x-amz-security-token=canary&b",
        "Signature=canary",
        "X-Amz-Credential=canary",
        "the token eyJhbGciOiJSUzI1NiJ9.eyJjYW5hcnkiOjF9.canary-x_y is not valid",
        "client_secret=canary&x",
        "access_token=canary",
        "code=canary&state=1",
        "{'Authorization': 'Basic canary'}",
        '{"access_token": "canary", "expires_in": 1}',
        "{'client_secret':'canary'}",
        "postgresql://user:canary@db/x is refused",
        "http://user:can/ary@canary@h:3128/p cannot be opened",
        "s3://AKIA:canary@bucket/prefix",
        "az://container/p?sv=1&sig=canary",
        "'https://canary@h'",
        "password=canary host=x",
        '"password": "canary"',
        "X-Goog-Signature=canary",
        "sig=canary&se=2026",
        "https%3A%2F%2Fh%2Fx%3Fa%3Dcanary",
        "https%253a%252f%252fh%252fx%253fa%253dcanary",
        "X-Amz-Signature%3Dcanary",
        r'{"url":"https:\/\/h\/x?a=canary"}',
        "x=https%3A%2F%2Fa,https://h/x?a=canary",
        "http://a/x,http://user:canary@h",
        "('Authorization', 'Basic Y2FuYXJ5OmNhbmFyeTpjYW5hcnk=')",
        "cut off: eyJhbGciOiJSUzI1NiJ9.canary",
        "code_verifier=canary",
    ],
)
def test_secrets_go_from_a_text_that_will_be_shown(text: str) -> None:
    assert "canary" not in redact(text)
    assert "Y2FuYXJ5" not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "GET /project/v1/hubs: 403 no permission",
        "a Basic plan of the Signature building",
        "code 17: bad",
        '"code": "ERR_BAD_INPUT"',
        "http://127.0.0.1:3128 runs; mail bim@example.com",
        "s3://bucket/plans/a@b.pdf and https://h/a@b:c",
        "urn:adsk.wipprod:fs.file:vf.A?version=2",
        "postgresql://user@host/name",
        "GET https://h/versions/urn%3Aadsk.wipprod%3Afs.file%3Avf.A%3Fversion%3D1/exports: 404",
    ],
)
def test_plain_words_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "part",
    ["a://b:", "a://b", "https://", "https://u@", "eyJ-", "x-amz-", "token=", "authorization: ", "bearer ", "basic ",
     "token" + " " * 50, "%3A%2F%2F", "?", "@", "a" * 50],
)  # fmt: skip
def test_a_long_text_takes_no_long_time(part: str) -> None:
    text = part * (200_000 // len(part))
    began = process_time()
    redact(text)
    assert process_time() - began < 5  # a minute or more, if each place is compared with all behind it
