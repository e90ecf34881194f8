"""Tokens, sign-in and quotas: what their documentation leaves open."""

from collections.abc import Mapping
from typing import Literal, cast

import attrs

from .switches import switch


def _read_quotas(value: object) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise TypeError("it is not an object")
    quotas = cast("Mapping[object, object]", value)
    for name, calls in quotas.items():
        if not isinstance(name, str) or not isinstance(calls, int) or isinstance(calls, bool) or calls < 0:
            raise ValueError(f"{name!r} needs a whole number of calls a minute")
    return cast("dict[str, int]", dict(quotas))


@attrs.frozen(kw_only=True, slots=False)
class AccountSwitches:
    """A part of `Behaviour`."""

    token_life: float = switch(
        3599.0, "Life of an access token in seconds.", documented="60 minutes; 3599 in responses"
    )
    refresh_token_life: float = switch(15 * 86400.0, "Life of a refresh token in seconds.", documented="15 days")
    refresh_reuse: Literal["revoke", "refuse"] = switch(
        "revoke",
        "What a refresh token that is used twice does: end the whole login, or only be refused.",
        documented="single use; not what a second use does to the login",
    )
    refresh_grace: float = switch(0.0, "Seconds for which a used refresh token is still taken.")
    code_life: float = switch(300.0, "Life of an authorization code in seconds.", documented="5 minutes")
    remembers_consent: bool = switch(
        False, "Whether a user's consent is remembered, so that it is asked for only once."
    )
    unauthorized: Literal["rotate", "json", "empty"] = switch(
        "rotate",
        "Body of a 401: the gateway's AUTH-006 document, none but a header, or both in turn.",
        documented="both occur",
    )
    missing_scope: Literal["rotate", "json", "text"] = switch(
        "rotate",
        "Body of a 403 for a missing scope: the AUTH-010 document, plain text, or both in turn.",
        documented="both occur",
    )
    quotas: bool = switch(True, "Whether the published quotas are enforced.", documented="enforced")
    quota_overrides: Mapping[str, int] = switch(
        dict,
        "Calls a minute by endpoint name, instead of the published ones; `GET /simulator/counts` shows the names.",
        instrument=True,
        read=_read_quotas,
        form="an object of endpoint names and calls a minute",
    )
    quota_window: Literal["fixed", "rolling"] = switch(
        "fixed", "Whether a quota counts fixed windows of 60 s from the simulator's start, or the last 60 s."
    )
    quota_phase: float = switch(0.0, "Seconds by which fixed windows are shifted against the simulator's start.")
    quota_seconds: float = switch(60.0, "Length of a quota window in seconds.", documented="a minute", least=0.001)
    retry_after_on_429: bool = switch(
        True, "Whether a 429 says how long to wait.", documented="the sample has a Retry-After; not that all have"
    )
    code_reuse: Literal["revoke", "refuse"] = switch(
        "revoke", "What an authorization code that is used twice does: end its login, or only be refused."
    )
    revoke_ends_access: bool = switch(True, "Whether revoking a refresh token ends its access tokens too.")
    service_accounts_invited: bool = switch(
        True,
        "Whether new service accounts see every project, as if they had been invited; otherwise none.",
        documented="they have to be invited to a project by their address",
    )
    quota_counts_refused: bool = switch(False, "Whether a call that is refused with 429 takes a place in the quota.")
    quota_counts_faults: bool = switch(True, "Whether a call that a fault answers takes a place in the quota.")
