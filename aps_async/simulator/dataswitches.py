"""Data Management, derivatives and object storage: what their documentation leaves open."""

from typing import Literal

import attrs

from .switches import switch


@attrs.frozen(kw_only=True, slots=False)
class DataSwitches:
    """A part of `Behaviour`."""

    page_limit_max: int = switch(
        200, "Largest page that Data Management gives; more is refused.", documented="200", least=1
    )
    require_user_id: bool = switch(
        False, "Whether two-legged calls without `x-user-id` are refused.", documented="the header is optional"
    )
    search_needs_user: bool = switch(
        False,
        "Whether a folder search without a user is refused.",
        documented="a user is optional; an older specification says required",
    )
    hidden_service_folders: bool = switch(True, "Whether the list of top folders includes hidden service folders.")
    region_needed: bool = switch(
        False,
        "Whether a derivative is found only with the `region` header (or `/regions/eu/`) of its hub.",
        documented="the header defaults to US",
    )
    oss_status: Literal["complete", "chunked", "fallback"] = switch(
        "complete", "What signeds3download answers for an object that the world does not call chunked.", instrument=True
    )
    oss_chunk: int = switch(
        5_242_880, "Size of a chunk in bytes; smaller objects have three chunks.", instrument=True, least=1
    )
    oss_cdn: bool = switch(False, "Whether signeds3download gives CDN links without being asked to.")
    dm_prefix_required: bool = switch(
        True,
        "Whether Data Management refuses a project id without `b.` with 400.",
        documented="ids have the prefix there; not what happens otherwise",
    )
    unknown_user_status: int = switch(
        403, "Status of a call of BIM 360 or Data Management with an unknown `x-user-id`.", choices=(400, 403, 404)
    )
    raw_brackets: bool = switch(
        True, "Whether brackets in a query may be sent unencoded; otherwise 400.", documented="written so in samples"
    )
    derivative_encoded_once: bool = switch(
        True,
        "Whether a derivative's URN with characters that are not percent-encoded is refused with 400.",
    )
    derivative_early_status: int = switch(
        202,
        "Status of a derivative through the API while its export runs.",
        documented="202 while it is processed",
        choices=(202, 404),
    )
    cookies_early_status: int = switch(404, "Status of signed cookies while the export runs.", choices=(202, 404))
    cdn_bearer_refused: bool = switch(True, "Whether the derivatives' CDN answers 403 to a bearer token.")
    oss_chunk_prefix: Literal["", "bytes="] = switch(
        "", "What precedes `first-last` in the keys of an object's chunks.", documented="byte ranges, without a sample"
    )
    oss_chunked_sha1: bool = switch(True, "Whether a chunked object comes with a `sha1`.", documented="optional")
    oss_fallback_expired_status: int = switch(
        403, "Status of an expired address of OSS itself.", choices=(400, 403, 404, 410)
    )
    oss_sha1_is_etag: bool = switch(True, "Whether `If-None-Match` may contain an object's sha1.")
    oss_cdn_signature: Literal["CloudFront", "SigV4"] = switch("CloudFront", "How links of `useCdn` are signed.")
    storage_reads_if_range: bool = switch(
        False,
        "Whether storage sends the whole object when `If-Range` names another ETag; otherwise it ignores the header.",
    )
