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
        "Status of an ACC export's status call by any other user than the one that started it.",
        documented="only the user that started a job can read it; the status for others is not given",
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
    acc_missing_user_status: int = switch(
        400,
        "Status of an ACC export's call with a two-legged token and without `x-user-id`.",
        documented="the header is required; one sample has a 400",
        choices=(400, 401, 403),
    )
    acc_unknown_user_status: int = switch(
        404,
        "Status of an ACC call with an unknown `x-user-id`.",
        documented="404 for a user that does not exist, of a status call",
        choices=(400, 403, 404),
    )
    acc_unknown_options: Literal["ignore", "refuse"] = switch(
        "ignore", "Whether unknown keys in the body of an ACC start are ignored, with a warning in the log, or refused."
    )
    acc_duplicates_refused: bool = switch(True, "Whether an ACC start that names something twice is refused with 400.")
    acc_slash_in_name_refused: bool = switch(
        True, "Whether a slash in `outputFileName` is refused with 400.", documented="at most 255 characters"
    )
    acc_asset_markups: Literal["two flags", "one flag"] = switch(
        "two flags",
        "Whether `assetMarkups` has the two flags of the other kinds, or `includeMarkups` alone.",
        documented="`assetMarkups` beside issue and photo markups, without the names of its flags",
    )
    acc_error_code: Literal["status", "title"] = switch(
        "status",
        "Whether the `code` of an ACC error body is the HTTP status as a text, or the `ERR_...` word.",
        documented="the status, in a failed job's `result.error`",
    )
    acc_url_from: Literal["end", "first look"] = switch(
        "end", "From when on an ACC export's one URL lives: the job's end, or the first status call after it."
    )
    acc_timeout_status: int = switch(
        200,
        "Status of the status call of an ACC job that ran for more than 30 minutes; its error is ERR_WORKFLOW_TIMEOUT.",
        documented="among the errors of a failed job, and among those of a 500",
        choices=(200, 500),
    )
    acc_failing_file: Literal["job", "file"] = switch(
        "job", "Whether one file that fails makes a whole ACC Files job fail, or is listed in `failedFiles`."
    )
    acc_zip_names: Literal["stem", "name"] = switch(
        "stem", "Whether entries of a ZIP are called `T-01.pdf` or `T-01.dwg.pdf` after the file `T-01.dwg`."
    )
    acc_unpublished_status: int = switch(
        400,
        "Status of an export of a sheet that is not published.",
        documented="only published sheets can be exported",
        choices=(400, 403, 404, 409, 422),
    )
    acc_deleted_sheet_status: int = switch(404, "Status of an export of a deleted sheet.", choices=(400, 403, 404))
    acc_unknown_collection_status: int = switch(
        200, "Status of a list of a collection that does not exist; 200: an empty list.", choices=(200, 400, 404)
    )
    acc_page_links: Literal["both", "absolute", "relative"] = switch(
        "both",
        "How `nextUrl` and `previousUrl` are written; both: in turn.",
        documented="the fields, not whether they begin with the host",
    )
    acc_current_within: Literal["collection", "project"] = switch(
        "collection",
        "Among which sheets of one number the newest is the current one.",
        documented="the newest issuance date of a number",
    )
    acc_fields_with_id: bool = switch(True, "Whether sheets carry their id although `fields` does not name it.")
    acc_batch_unknown_status: int = switch(
        200, "Status of sheets:batch-get with an unknown id; 200: it is left out.", choices=(200, 404)
    )
    acc_batch_max: int = switch(200, "Most ids of one sheets:batch-get.", least=1)
    acc_sets_max: int = switch(
        200,
        "Largest page, and the default, of version sets and of collections.",
        documented="200 by default for version sets",
        least=1,
    )
    acc_sheet_time: float = switch(
        0.25, "Seconds that each further sheet adds to a job of ACC Sheets, unless jobs are a matter of status calls."
    )
    acc_sheet_names: Literal["none", "labels", "bookmarks", "both", "as requested"] = switch(
        "none",
        "How the PDF of an export of several sheets names its pages besides their title blocks: by page labels, "
        "bookmarks or both; or by labels in the order of the request, whatever the pages are.",
        documented="one PDF for up to 1,000 sheets, and nothing about its pages",
    )
    acc_sheet_pages: Literal["in order", "shuffled", "one missing", "one twice"] = switch(
        "in order",
        "The pages of that PDF: in the order of the request or in any order; one of them missing; or one twice in "
        "place of another.",
        instrument=True,
    )
