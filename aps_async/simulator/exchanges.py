"""What was asked and answered, in full."""

from collections.abc import Mapping

import attrs

from .replies import Refusal, Reply
from .requests import read_body
from .routing import Call


@attrs.frozen
class Exchange:
    """One request and its response, for tests that compare both with a specification."""

    endpoint: str
    method: str
    path: str
    """The template of the endpoint, such as `/project/v1/hubs/{hub}`."""
    params: Mapping[str, str]
    """The decoded parts of the path."""
    query: str
    """As it was sent."""
    request_headers: Mapping[str, str]
    request_body: bytes = attrs.field(repr=False)
    status: int
    response_headers: Mapping[str, str]
    response_body: bytes = attrs.field(repr=False)


async def exchange(call: Call, reply: Reply) -> Exchange:
    """The exchange of a call and its reply."""
    request = call.request
    try:
        body = await read_body(call)
    except Refusal:  # it was refused for this
        body = b""
    return Exchange(
        call.endpoint.name,
        request.method,
        call.endpoint.path,
        dict(call.params),
        call.raw_query,
        {name.lower(): value for name, value in request.headers.items()},
        body,
        reply.status,
        {name.lower(): value for name, value in reply.headers.items()},
        b"".join(reply.pieces()),
    )
