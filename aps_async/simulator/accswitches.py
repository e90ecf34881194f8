"""ACC exports and ACC Sheets: what their documentation leaves open."""

# ruff: noqa: RUF009 - switch() makes an attrs field

from typing import Literal

import attrs

from .archives import Kind as ZipKind
from .refusals import Shape
from .switches import switch


@attrs.frozen(kw_only=True, slots=False)
class AccSwitches:
    """A part of `Behaviour`."""

    acc_errors: Shape = switch(
        "object",
        "Shape of the error bodies of ACC Files and ACC Sheets.",
        documented="the fields `code`, `title` and `detail`, not their place",
    )
    not_acc_status: int = switch(
        404, "Status of an ACC export of a project that is not an ACC project.", choices=(400, 403, 404)
    )
    acc_initiator_status: int = switch(
        403,
        "Status of an ACC export's status call by anybody but the user who started it.",
        documented="only the user who started a job can read it; not with which status others are refused",
        choices=(403, 404),
    )
    acc_result_place: Literal["output", "result"] = switch(
        "output",
        "Whether `signedUrl` and `failedFiles` are in `result.output` or directly in `result`.",
        documented="`result.output` in the schema; one example shows `result`",
    )
    acc_url_life: float = switch(
        3600.0,
        "Life of an ACC export's URL in seconds, from the end of the job.",
        documented="one hour, without a start",
    )
    acc_zip: ZipKind = switch(
        "good",
        "The ZIPs that ACC Files delivers: good ones, ones with an entry `../../x`, a wrong CRC or an entry of "
        "Deflate64, 42 kB that unpack to 14 GB (bzip2), or 1.3 MB that unpack to 1.3 GB (deflate).",
        instrument=True,
    )
