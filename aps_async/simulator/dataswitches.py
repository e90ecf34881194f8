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
