"""Responses: every shape of error of the services becomes one error with the service's own words."""

import json
import re
import ssl
from datetime import UTC, datetime
from email.utils import format_datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from aps_async.errors import (
    APSError,
    AuthError,
    DecodeError,
    InterceptedError,
    NotAllowedError,
    NotFoundError,
    RateLimitedError,
    ResponseError,
    ServerError,
    UnauthorizedError,
)
from aps_async.transport.response import (
    Answer,
    describe,
    error_of,
    forget_secrets,
    json_of,
    read_answer,
    retry_after,
    transport_error,
    xml_error,
)
from tests.support import served

NOW = 1_800_000_000.0
SIGNED = "X-Amz-Signature=canary"


def answer(status: int, body: object = b"", **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, CIMultiDictProxy(CIMultiDict(named)), data)


def refusal(status: int, body: object = b"", **headers: str) -> ResponseError:
    return error_of("GET", "/data/v1/x", answer(status, body, **headers), NOW)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ResponseError), (401, UnauthorizedError), (403, NotAllowedError), (404, NotFoundError),
        (429, RateLimitedError), (500, ServerError), (503, ServerError), (418, ResponseError), (307, ResponseError),
    ],
)  # fmt: skip
def test_each_status_has_its_class(status: int, kind: type[ResponseError]) -> None:
    problem = refusal(status)
    assert type(problem) is kind
    assert (problem.status, problem.method, problem.path) == (status, "GET", "/data/v1/x")
    assert problem.says(399, status)
    assert not problem.says(399)
    assert str(problem).startswith(f"GET /data/v1/x: {status} ")
    assert len(str(problem)) > len(f"GET /data/v1/x: {status} ")


PAGE = b"<!DOCTYPE html>\n<html><head><title>Blocked by ACME</title></head></html>"
XHTML = b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><title>Blocked by ACME</title></html>'
S3 = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'
INTERCEPTED: list[tuple[int, bytes, dict[str, str], str]] = [
    *((status, PAGE, {}, r"an HTML page \(Blocked by ACME\)") for status in (400, 401, 403, 404, 405, 407, 451)),
    (403, XHTML, {}, r"an HTML page|Blocked|an XML error"),
    (404, PAGE.decode().encode("utf-16"), {}, r"an HTML page \(Blocked by ACME\)"),
    (403, b"\xef\xbb\xbf\n  <HTML><BODY>No entry</BODY></HTML>", {}, r"an HTML page \(No entry\)"),
    (403, b"<!-- v2 --><h1>No entry</h1>", {}, "an HTML page"),
    (511, b"", {}, "an empty body"),
    (511, PAGE, {}, r"an HTML page \(Blocked by ACME\)"),
    (302, b"", {"Location": "https://user:canary@login.corp.example:8443/in?u=canary"}, "to login.corp.example:8443$"),
    (307, b"", {"Location": "//portal.example"}, "to portal.example$"),
    (303, PAGE, {"Location": "/sign-in?next=canary"}, "a redirect$"),
]


@pytest.mark.parametrize(("status", "body", "headers", "words"), INTERCEPTED)
def test_a_page_that_is_not_the_services_says_nothing_about_access_or_existence(
    status: int, body: bytes, headers: dict[str, str], words: str
) -> None:
    problem = refusal(status, body, **headers)
    assert type(problem) is InterceptedError
    assert problem.status == status
    assert not problem.says(status)
    assert re.search(words, str(problem)), problem
    assert "a web filter or proxy" in str(problem)
    assert "canary" not in str(problem)
    assert "Custom Integrations" not in str(problem)


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (403, b"", {}), (403, S3, {}), (403, b"Forbidden", {"Content-Type": "text/html"}), (403, b"{}", {}),
        (404, b'{"detail": "<html>"}', {}), (304, b"", {}), (302, b"", {}), (429, PAGE, {}), (408, PAGE, {}),
        (502, PAGE, {}), (503, PAGE, {}), (500, b"", {"Location": "https://x.example"}),
        (307, S3.replace(b"AccessDenied", b"TemporaryRedirect"), {"Location": "https://s3.example/x"}),
    ],
)  # fmt: skip
def test_what_may_be_the_services_own_word_keeps_its_class(status: int, body: bytes, headers: dict[str, str]) -> None:
    assert not isinstance(refusal(status, body, **headers), InterceptedError)


def test_a_401_is_an_auth_error_too() -> None:
    assert isinstance(refusal(401), AuthError)


GATEWAY = {
    "developerMessage": "The access token provided is invalid or has expired.",
    "userMessage": "",
    "errorCode": "AUTH-006",
    "more info": "http://developer.api.autodesk.com/documentation/v1/errors/AUTH-006",
}
JSONAPI = {
    "jsonapi": {"version": "1.0"},
    "errors": [{"id": "x", "status": "404", "code": "NOT_FOUND", "title": "Not Found", "detail": "The item is gone."}],
}


@pytest.mark.parametrize(
    ("status", "body", "code", "words"),
    [
        (401, GATEWAY, "AUTH-006", "The access token provided is invalid or has expired."),
        (404, JSONAPI, "NOT_FOUND", "Not Found: The item is gone."),
        (400, {"error": "invalid_scope", "error_description": "Unknown scope."}, "invalid_scope", "Unknown scope."),
        (429, {"developerMessage": "Quota limit exceeded."}, None, "Quota limit exceeded."),
        (400, {"code": "ERR_BAD_INPUT", "title": "Bad Request", "detail": "No."}, "ERR_BAD_INPUT", "Bad Request: No."),
        (400, {"reason": "Bucket name is wrong"}, None, "Bucket name is wrong"),
        (409, {"status": 409, "message": "busy", "errors": [{"code": "C", "detail": "d"}]}, "C", "d: busy"),
        (500, {"errors": [{"title": "only a title"}]}, None, "only a title"),
    ],
)
def test_the_services_words_and_code_are_found_wherever_they_are(
    status: int, body: object, code: str | None, words: str
) -> None:
    problem = refusal(status, body)
    assert problem.code == code
    assert words in str(problem)
    assert code is None or code in str(problem)


@pytest.mark.parametrize(
    "body",
    [[], "text", 7, None, {}, {"errors": []}, {"errors": "many"}, {"errors": [7]}, {"code": {}}, {"title": ["x"]},
     {"code": True}],
)  # fmt: skip
def test_json_of_any_other_shape_still_gives_a_message(body: object) -> None:
    problem = refusal(400, body)
    assert problem.code is None
    assert "body of" in str(problem)


def test_a_401_without_a_body_is_explained_by_its_header() -> None:
    problem = refusal(401, b"", x_ads_troubleshooting="The token has expired.")
    assert "The token has expired." in str(problem)


def test_a_missing_scope_as_plain_text_gets_advice() -> None:
    problem = refusal(403, b"Token does not have the privilege for this request.", Content_Type="text/plain")
    assert "does not have the privilege" in str(problem)
    assert "Custom Integrations" in str(problem)


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "credentials"), (403, "scopes"), (404, "may not see"), (429, "quota")]
)
def test_an_empty_refusal_says_what_to_look_at(status: int, advice: str) -> None:
    assert advice in str(refusal(status))


def test_the_request_id_is_kept_for_a_support_case() -> None:
    assert refusal(500, X_Request_ID="abc").request_id == "abc"
    assert refusal(500, x_ads_request_id="def").request_id == "def"
    assert refusal(500).request_id is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "an empty body"),
        (b"  \n", "an empty body"),
        (b"<html><head><title>502 Bad\n Gateway</title></head></html>", "an HTML page (502 Bad Gateway)"),
        (b"<!DOCTYPE html><p>", "an HTML page"),
        (b"upstream connect error", "a body of 22 bytes that begins 'upstream connect error'"),
        (b'{"id": "x", "sta', "a body of 16 bytes"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
         "an XML error (AccessDenied: Request has expired)"),
        (b"<Error>", "an XML error (unreadable)"),
        (b"\xff\xfe\x00", "a body of 3 bytes"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_json_is_described(body: bytes, words: str) -> None:
    assert words in describe(body)
    with pytest.raises(DecodeError) as caught:
        json_of("GET", "/data/v1/x", answer(200, body))
    assert caught.value.garbled
    assert str(caught.value).startswith("GET /data/v1/x: 200 with ")
    assert words in str(caught.value)


def test_good_json_is_given_back() -> None:
    assert json_of("GET", "/", answer(200, {"a": [1, None, "é"]})) == {"a": [1, None, "é"]}


def test_json_nested_without_end_is_a_broken_answer_like_any_other() -> None:
    with pytest.raises(DecodeError):
        json_of("GET", "/", answer(200, b"[" * 200_000))
    assert refusal(400, b"[" * 200_000).code is None


def test_storage_errors_keep_code_and_message_and_drop_what_repeats_the_signature() -> None:
    body = (
        b"<Error><Code>SignatureDoesNotMatch</Code><Message>We differ.</Message><AWSAccessKeyId>canary</AWSAccessKeyId>"
        b"<StringToSign>canary</StringToSign></Error>"
    )
    assert xml_error(body) == "SignatureDoesNotMatch: We differ."
    assert "canary" not in describe(b"<?xml?>" + body)


@settings(deadline=None, max_examples=200)
@given(status=st.integers(300, 599), body=st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["errors", "code", "title", "error", "reason", "x"]), inner, max_size=3),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_refusal_whatever_breaks_the_making_of_its_error(status: int, body: bytes) -> None:
    problem = refusal(status, body, Content_Type="text/plain; charset=utf-8")
    assert problem.status == status
    assert len(str(problem)) < 1000


# ------------------------------------------------------------- Retry-After


def http_date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("25", 25.0), ("0", 0.0), (" 7 ", 7.0), ("1.5", 1.5), ("-3", 0.0), ("nan", None), (None, None), ("", None),
        ("soon", None), (http_date(NOW + 30), 30.0), (http_date(NOW - 30), 0.0), ("Wed, 21 Oct", None),
        ("1e400", None), ("inf", None), ("9" * 400, None), ("9" * 20, 1e20), ("0x10", None), ("1_0", None),
        ("\uff15", None),
        ("120, 120", None), ("+7", 7.0), ("3.", 3.0), ("Mon, 20 Nov 9999999999 12:00:00 +0000", None),
        ("Mon, 20 Nov 2026 12:00:00 +99999999999", None), ("Mon, 20 Nov 0000 12:00:00 GMT", 0.0), ("\x00", None),
    ],
)  # fmt: skip
def test_retry_after_as_seconds_and_as_a_date(text: str | None, seconds: float | None) -> None:
    headers = {} if text is None else {"Retry-After": text}
    assert retry_after(CIMultiDict(headers), NOW) == seconds


def test_an_unreadable_date_of_the_answer_leaves_our_own_clock() -> None:
    headers = CIMultiDict({"Retry-After": http_date(NOW + 30), "Date": "Mon, 20 Nov 9999999999 12:00:00 +0000"})
    assert retry_after(headers, NOW) == 30.0


def test_a_date_counts_from_the_servers_own_clock() -> None:
    headers = CIMultiDict({"Retry-After": http_date(NOW + 30), "Date": http_date(NOW)})
    assert retry_after(headers, NOW + 86_400) == 30.0


@settings(deadline=None, max_examples=300)
@given(
    st.text(max_size=40)
    | st.builds("{}, {} {} {} {}:{}:{} {}".format, st.sampled_from(["Wed", "x", ""]), st.integers(-1, 40),
                st.sampled_from(["Oct", "Okt", "13"]), st.integers(-1, 99_999), st.integers(-1, 99),
                st.integers(-1, 99),
                st.integers(-1, 99), st.sampled_from(["GMT", "+9999", "-0000", "+99999999", ""]))
)  # fmt: skip
def test_no_retry_after_whatever_breaks_the_reading(text: str) -> None:
    seconds = retry_after(CIMultiDict({"Retry-After": text, "Date": text}), NOW)
    assert seconds is None or seconds >= 0


def test_every_error_of_an_answer_is_of_our_tree() -> None:
    assert all(isinstance(refusal(status), APSError) for status in range(300, 600))


def proxy_error(status: int, message: str) -> aiohttp.ClientHttpProxyError:
    url = URL("http://user:canary@proxy:3128")
    asked = aiohttp.RequestInfo(url, "CONNECT", CIMultiDictProxy(CIMultiDict[str]()), url)
    return aiohttp.ClientHttpProxyError(asked, (), status=status, message=message)


def test_an_error_of_aiohttp_forgets_its_request() -> None:
    problem = proxy_error(407, "no")
    forget_secrets(problem)
    assert "canary" not in f"{problem!r} {problem} {problem.args} {vars(problem)}"
    assert "proxy:3128" in repr(problem)


CONNECTION = ConnectionKey("h", 443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("problem", "sent", "obstacle", "words"),
    [
        (aiohttp.ConnectionTimeoutError(), False, "connection", "no connection in time"),
        (aiohttp.ServerTimeoutError(), True, None, "no answer in time"),
        (TimeoutError(), True, None, "no answer in time"),
        (aiohttp.InvalidURL(f"http://h/?{SIGNED}"), False, None, "the address cannot be used"),
        (aiohttp.ClientConnectorDNSError(CONNECTION, OSError(1, "no such host")), False, "host", "the address (x)"),
        (aiohttp.ClientConnectorError(CONNECTION, OSError(1, "refused")), False, "connection", "the address (x)"),
        (
            aiohttp.ClientConnectorError(CONNECTION, ConnectionResetError()),
            False, "connection", "the connection was closed at once",
        ),
        (
            aiohttp.ClientConnectorCertificateError(CONNECTION, ssl.SSLCertVerificationError("no")),
            False, "certificate", "APS_CA_FILE",
        ),
        (proxy_error(407, "Proxy Authentication Required"), False, "proxy", "407 Proxy Authentication Required"),
        (proxy_error(403, f"no http://h/x?{SIGNED}"), False, "proxy", "Check the proxy"),
        (proxy_error(502, "Bad Gateway"), False, "connection", "Check the address"),
        (aiohttp.ClientConnectorSSLError(CONNECTION, ssl.SSLError("no")), False, "tls", "does not speak TLS"),
        (aiohttp.ServerDisconnectedError(), True, None, "Server disconnected"),
        (ConnectionResetError(), True, None, "the connection was lost"),
        (aiohttp.ClientPayloadError(f"http://h/x?{SIGNED}"), True, None, "http://h/x?…"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_what_is_lost_on_the_way_becomes_one_error(
    problem: Exception, sent: bool, obstacle: str | None, words: str
) -> None:
    found = transport_error("GET /x", problem, "x")
    assert "the address (" not in str(transport_error("GET /x", problem))  # of a signed link, which nobody has set
    assert (found.sent, found.obstacle) == (sent, obstacle)
    assert str(found).startswith("GET /x: ")
    assert words in str(found)
    assert type(problem).__name__ in str(found)
    assert "canary" not in str(found)


async def test_a_response_is_read_up_to_the_limit_and_its_headers_are_made_readable() -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        reply = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-Note: caf\xe9\r\n\r\n0123456789"
        assert request.transport is not None
        request.transport.write(reply)
        request.transport.close()
        return web.Response()

    async with served(handler) as url, aiohttp.ClientSession() as client:
        found = await read_answer(await client.get(url), 10, "GET /x")
        assert (found.status, found.body, found.headers["X-Note"]) == (200, b"0123456789", "caf\ufffd")
        with pytest.raises(DecodeError, match="longer than 9 bytes"):
            await read_answer(await client.get(url), 9, "GET /x")


async def test_a_response_that_breaks_off_is_closed() -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")
        request.transport.close()
        return web.Response()

    async with served(handler) as url, aiohttp.ClientSession() as client:
        response = await client.get(url)
        with pytest.raises(aiohttp.ClientPayloadError):
            await read_answer(response, 10, "GET /x")
        assert response.closed
