"""The older way to an exported page: as a derivative, through signed cookies (Model Derivative).

https://aps.autodesk.com/en/docs/model-derivative/v2/reference/http/urn-manifest-derivativeUrn-signedcookies-GET/
"""

from urllib.parse import unquote

from attrs import field, frozen
from multidict import CIMultiDictProxy

from aps_async.errors import DecodeError
from aps_async.ids import path_part
from aps_async.links import Part, SignedUrl, Source, local_expiry
from aps_async.models import Derivative
from aps_async.session import Session
from aps_async.transport.converter import lenient
from aps_async.transport.quotas import Endpoint
from aps_async.transport.response import Receipt

__all__ = ["COOKIES", "SignedCookies", "get_source"]
__dir__: object = __all__.copy

# No quota is published for this call; this is that of the other download calls.
COOKIES = Endpoint("derivatives.signedcookies", 300)


@lenient
@frozen
class SignedCookies:
    """The body of `signedcookies`; the cookies themselves come as headers."""

    url: str = field(repr=False)
    size: int | None = None
    etag: str | None = None
    expiration: int | None = None
    """Milliseconds since the epoch."""


async def get_source(
    session: Session, derivative: Derivative, *, region: str | None = None, user_id: str | None = None
) -> Source:
    """A link with the cookies that open it (`GET …/signedcookies`; scope `data:read`), for six hours.

    The cookies' domain is that of the CDN, which a cookie jar may refuse, so they are sent explicitly, without a token.

    Args:
        session: the session.
        derivative: its location; both URNs are encoded here.
        region: `EMEA` and so on, if the file is not in the US.
        user_id: the acting user of a two-legged call.

    Raises:
        DecodeError: the response has no link or no cookies.
        APSError: as `Session.request`.
    """
    # The reference calls the derivative URN encoded, but shows it raw: either form is encoded once.
    raw = unquote(derivative.derivative_urn) if "/" not in derivative.derivative_urn else derivative.derivative_urn
    urn = path_part(derivative.urn.rstrip("="))
    path = f"/modelderivative/v2/designdata/{urn}/manifest/{path_part(raw)}/signedcookies"
    cookies: list[str] = []

    receipt = Receipt(session.now)

    def keep(headers: "CIMultiDictProxy[str]") -> None:
        receipt.note(headers)
        cookies.extend(each.split(";", 1)[0].strip() for each in headers.getall("Set-Cookie", []))

    answer = await session.request(
        COOKIES,
        "GET",
        path,
        into=SignedCookies,
        headers={"region": region} if region else None,
        user_id=user_id,
        on_headers=keep,
    )
    if not all(each.isascii() and each.isprintable() for each in cookies):
        raise DecodeError(f"GET {path}: a cookie contains characters that cannot be sent back")
    if not cookies:
        raise DecodeError(f"GET {path}: there are no cookies, so the derivative cannot be opened")
    end = answer.expiration / 1000 if answer.expiration else None
    expires_at = local_expiry(end, received_at=receipt.at, date=receipt.date)
    receipt.link(answer.url, f"GET {path}: url")  # checks it
    link = SignedUrl(answer.url, expires_at, "; ".join(cookies), receipt.at)
    return Source(parts=(Part(link),), size=answer.size)
