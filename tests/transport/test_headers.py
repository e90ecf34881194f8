"""Values that become headers: stripped, and refused before anything is sent when a header cannot hold them."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from aps_async import APSError, AuthError, InputError, Session, Settings, SignedUrl, StaticToken, TwoLegged
from aps_async.auth import AccessToken, AppCredentials, FileStore, ServiceAccount, ThreeLegged, TokenClient
from aps_async.transport.headers import bearer, checked_headers, header_value
from aps_async.transport.quotas import Endpoint, Quotas
from tests.support import served

ANY = Endpoint("any", 1_000_000)
ONCE = Settings(max_attempts=1)
CANARY = "canary"
BAD = [
    "", " ", "\r\n", f"{CANARY}\r\nX-Evil: 1",
    *(f"{CANARY}{each}x" for each in "\n\r\t\x00\x1b\x7f\x85\u2028\u00a0\u200b\u20ac\udcff\U0001f600"),
    f"\ufeff{CANARY}",
]  # fmt: skip
PADDED = ["{}", "{}\n", "{}\r\n", " {}\t", "\n\n{} ", "\u00a0{}\u2003"]


class Provider:
    """A third party's, which hands out what it has read somewhere."""

    two_legged = True

    def __init__(self, given: Any) -> None:
        self.given = given

    async def token(self, client: TokenClient, rejected: AccessToken | None = None) -> Any:  # noqa: ARG002
        return self.given


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({name.lower(): value for name, value in request.headers.items()})


async def call(tokens: Any, *, count: list[int] | None = None, user: str | None = None, **more: Any) -> dict[str, str]:
    """The headers that a call arrives with."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if count is not None:
            count.append(1)
        return await echo(request)

    async with (
        served(handler) as url,
        Session(tokens, base_url=url, settings=ONCE, user_id=user, quotas=Quotas()) as session,
    ):
        return await session.request(ANY, "GET", "/x", into=dict[str, str], **more)


def user_of_the_session(value: Any) -> Any:
    return call(Provider(AccessToken("t")), user=value)


def user_of_the_call(value: Any) -> Any:
    return call(Provider(AccessToken("t")), user_id=value)


def header_of_the_call(value: Any) -> Any:
    return call(Provider(AccessToken("t")), headers={"region": value})


def token_of_a_provider(value: Any) -> Any:
    return call(Provider(AccessToken(value)))


CALLS: dict[str, tuple[Callable[[Any], Any], type[APSError]]] = {
    "x-user-id": (user_of_the_session, InputError),
    "x-user-id of the call": (user_of_the_call, InputError),
    "region": (header_of_the_call, InputError),
    "authorization": (token_of_a_provider, AuthError),
}


def clean(problem: BaseException) -> bool:
    return CANARY not in f"{problem} {problem!r} {problem.__cause__!r} {problem.__context__!r}"


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("value", [*BAD, 7, b"canary"])
async def test_what_a_header_cannot_hold_is_our_error_and_is_not_shown(name: str, value: Any) -> None:
    send, kind = CALLS[name]
    with pytest.raises(kind) as caught:
        await send(value)
    assert clean(caught.value)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("form", PADDED)
async def test_white_space_around_a_value_is_removed(name: str, form: str) -> None:
    send, _ = CALLS[name]
    assert (await send(form.format("abc")))[name.split()[0]].removeprefix("Bearer ") == "abc"


@pytest.mark.parametrize("given", [None, "text", object(), AccessToken("two words"), AccessToken("Bearer abc")])
async def test_what_is_not_an_access_token_is_an_auth_error_and_nothing_is_sent(given: Any) -> None:
    sent = list[int]()
    with pytest.raises(AuthError, match="access token"):
        await call(Provider(given), count=sent)
    assert sent == []


@pytest.mark.parametrize("value", [each for each in BAD if each.strip()])
@pytest.mark.parametrize(
    "make",
    [
        lambda value: TwoLegged(value, "secret"),
        lambda value: TwoLegged("id", value),
        lambda value: TwoLegged.from_env({"APS_CLIENT_ID": "id", "APS_CLIENT_SECRET": value}),
        lambda value: AppCredentials(value),
        lambda value: AppCredentials("id", value),
        lambda value: ThreeLegged(value, store=FileStore("x")),
        lambda value: ThreeLegged("id", client_secret=value, store=FileStore("x")),
        lambda value: ServiceAccount("id", value, account_id="a", key_id="k", private_key="p"),
        lambda value: StaticToken(value),
    ],
)
def test_credentials_are_checked_where_they_are_given(make: Callable[[str], Any], value: str) -> None:
    with pytest.raises(InputError) as caught:
        make(value)
    assert clean(caught.value)


@pytest.mark.parametrize("blank", ["", " ", "\r\n"])
@pytest.mark.parametrize(
    "make",
    [lambda blank: TwoLegged(blank, "s"), lambda blank: TwoLegged("i", blank), lambda blank: AppCredentials(blank),
     lambda blank: ThreeLegged(blank, store=FileStore("x")), StaticToken],
)  # fmt: skip
def test_credentials_of_spaces_are_refused(make: Callable[[str], Any], blank: str) -> None:
    with pytest.raises(InputError):
        make(blank)


@pytest.mark.parametrize("form", PADDED)
def test_credentials_are_stripped(form: str) -> None:
    assert AppCredentials(form.format("id"), form.format("s")) == AppCredentials("id", "s")
    assert TwoLegged(form.format("id"), "s").client_id == "id"
    assert ThreeLegged(form.format("id"), store=FileStore("x")).client_id == "id"
    assert AppCredentials("id", "").client_secret is None


async def test_the_headers_of_a_form_and_of_a_link_are_checked_too() -> None:
    async with served(echo) as url, Session(StaticToken("x"), base_url=url, settings=ONCE) as session:
        answer = await session.post_form("/x", {"a": "b"}, headers={"x-mine": " 1\n"})
        assert answer["x-mine"] == "1"
        for headers in ({"x": f"{CANARY}\r\n1"}, {"x\r\ny": "1"}, {"": "1"}, {"x y": "1"}):
            with pytest.raises(InputError):
                await session.post_form("/x", {}, headers=headers)
            with pytest.raises(InputError):
                async with session.open_link(SignedUrl(f"{url}/x"), headers):
                    pass
            with pytest.raises(InputError):
                async with session.open_with_token(ANY, "/x", headers):
                    pass
        with pytest.raises(InputError) as caught:
            async with session.open_link(SignedUrl(f"{url}/x", cookie=f"a={CANARY}\udcff")):
                pass
        assert clean(caught.value)


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(max_size=20), st.text(alphabet="ab \t\r\n\x00\u00e4\ud83d", max_size=8)))
def test_a_checked_value_can_be_sent(text: str) -> None:
    checks: list[tuple[Callable[[], str], type[APSError]]] = [
        (lambda: header_value("it", text), InputError),
        (lambda: bearer(AccessToken(text)), AuthError),
        (lambda: checked_headers({"x": text})["x"], InputError),
    ]
    for check, kind in checks:
        try:
            value = check()
        except kind:
            continue
        assert value.encode("latin-1")
        assert value.isprintable()
        assert value == value.strip() != ""
