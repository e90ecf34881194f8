"""The key of the simulated authorization server, and the verification of clients' signatures."""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

KEY_ID = "simulator_RS256"
_REGISTRY = jws.JWSRegistry(algorithms=["RS256"], strict_check_header=False)  # Autodesk's carries `pi.atm`


@cache
def begin_key() -> "Future[RSAKey]":
    """Begins to make the server's key in a thread, which takes up to 0.1 s; there is one for the whole process."""
    thread = ThreadPoolExecutor(1)
    made = thread.submit(RSAKey.generate_key, 2048, {"kid": KEY_ID, "use": "sig", "alg": "RS256"})
    thread.shutdown(wait=False)
    return made


def _key() -> RSAKey:
    return begin_key().result()


def sign(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A JWT of the authorization server's."""
    return jwt.encode(header, claims, _key(), registry=_REGISTRY)


def public_key() -> dict[str, Any]:
    """The server's own key as its JWKS lists it."""
    return dict(_key().as_dict(private=False))


def new_key_pair() -> tuple[str, RSAKey]:
    """A private key as PEM and the public half that stays here."""
    pair = RSAKey.generate_key(2048)
    return pair.as_pem(private=True).decode(), RSAKey.import_key(pair.as_pem(private=False))


def verified_claims(text: str, key: RSAKey) -> dict[str, Any] | None:
    """The claims of a JWT that this public key verifies; None when it does not."""
    try:
        return dict(jwt.decode(text, key, algorithms=["RS256"]).claims)
    except (JoseError, ValueError):
        return None


def unverified_header(text: str) -> dict[str, Any]:
    """A JWT's header, to find the key by; empty when it cannot be read."""
    try:
        return dict(jws.extract_compact(text.encode()).headers())
    except (JoseError, ValueError):
        return {}
