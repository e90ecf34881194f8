"""Signed links in the three shapes that are met: SigV4, the older SigV2 and CloudFront's."""

import base64
import hashlib
import hmac
import math
import random
import re
from datetime import UTC, datetime
from urllib.parse import quote

import attrs

_V4 = "&X-Amz-Signature="
_V4_END = re.compile(r"[?&]X-Amz-Date=([0-9]{8}T[0-9]{6}Z)(?=&).*[?&]X-Amz-Expires=([0-9]{1,9})(?:&|$)")
_V2 = re.compile(r"&Signature=([^&]*)")
_V2_END = re.compile(r"[?&]Expires=([0-9]{1,11})(?:&|$)")


@attrs.frozen
class Term:
    """Until when a link is good."""

    end: float
    """Clock time."""
    life: str = ""
    """What `X-Amz-Expires` says, if it does."""


class Signer:
    """Makes and checks signed links. The signature covers the request target byte for byte."""

    def __init__(self, seed: int) -> None:
        # Reproducible links for reproducible runs; they guard nothing but loopback.
        dice = random.Random(f"signer|{seed}")  # noqa: S311
        self._key = dice.randbytes(32)
        self._dice = dice
        session = base64.b64encode(b"\x09*\xc7origin_ec\x10Y\x1a\x09us-east-1" + dice.randbytes(740)).decode()
        self._session = quote(session + "/+", safe="")  # a slash and a plus in every token, as clients trip over them
        self._access_key = "ASIA" + base64.b32encode(dice.randbytes(10)).decode()[:16]

    def link(self, path: str, now: float, life: float, more: str = "") -> str:
        """The SigV4 target of `path`, good for `life` seconds in whole seconds; `more` is query that is signed too."""
        moment = datetime.fromtimestamp(now, UTC)
        tail = quote(base64.b64encode(self._dice.randbytes(24)).decode(), safe="")
        query = (
            f"X-Amz-Security-Token={self._session}{tail}&X-Amz-Algorithm=AWS4-HMAC-SHA256"
            f"&X-Amz-Date={moment:%Y%m%dT%H%M%SZ}&X-Amz-SignedHeaders=host&X-Amz-Expires={max(1, math.ceil(life))}"
            f"&X-Amz-Credential={self._access_key}%2F{moment:%Y%m%d}%2Fus-east-1%2Fs3%2Faws4_request"
        )
        query += f"&{more}" if more else ""
        return f"{path}?{query}{_V4}{self._sign('GET', path, query)}"

    def link_v2(self, path: str, end: float, more: str = "", *, key: str = "AWSAccessKeyId") -> str:
        """The SigV2 target of `path`, good until the second `end`; with `Key-Pair-Id` as key it is CloudFront's."""
        tail = f"&{more}" if more else ""
        if key == "AWSAccessKeyId":
            tail += f"&x-amz-security-token={self._session}"
        first = f"{key}={self._access_key}"
        text = f"{first}&Expires={math.ceil(end)}{tail}"
        return f"{path}?{first}&Signature={self._sign_v2('GET', path, text)}&Expires={math.ceil(end)}{tail}"

    def term(self, query: str) -> Term | None:
        """The term of a signed query; None when nothing is signed."""
        asked = f"?{query}"
        found = _V4_END.search(asked)
        if found is not None and _V4 in query:
            try:
                begin = datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
            except ValueError:
                return None
            return Term(begin + int(found[2]), found[2])
        found = _V2_END.search(asked)
        return Term(float(found[1])) if found is not None and _V2.search(asked) else None

    def is_signed(self, method: str, path: str, query: str) -> bool:
        """Whether this request is the one that was signed, in the very same spelling."""
        text, found, signature = query.rpartition(_V4)
        if found:
            return hmac.compare_digest(signature.encode(), self._sign(method, path, text).encode())
        older = _V2.search(query)
        if older is None:
            return False
        text = _V2.sub("", query)
        return hmac.compare_digest(older[1].encode(), self._sign_v2(method, path, text).encode())

    def sign_policy(self, policy: str) -> str:
        """The signature of a cookie's policy."""
        return cookie_safe(hmac.new(self._key, policy.encode(), hashlib.sha256).digest())

    @property
    def key_pair(self) -> str:
        """The id of CloudFront's key."""
        return "K" + self._access_key[4:17]

    def _sign(self, method: str, path: str, query: str) -> str:
        return hmac.new(self._key, f"{method}\n{path}\n{query}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def _sign_v2(self, method: str, path: str, query: str) -> str:
        text = f"{method}\n\n\n{path}\n{query}".encode("utf-8", "replace")
        return quote(base64.b64encode(hmac.new(self._key, text, hashlib.sha1).digest()).decode(), safe="")


def cookie_safe(data: bytes) -> str:
    """Base64 in the letters that CloudFront uses in cookies."""
    return base64.b64encode(data).decode().translate(str.maketrans("+=/", "-_~"))
