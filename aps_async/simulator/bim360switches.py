"""BIM 360 exports: what their documentation leaves open."""

# ruff: noqa: RUF009 - switch() makes an attrs field

import attrs

from .refusals import Shape
from .switches import switch


@attrs.frozen(kw_only=True, slots=False)
class Bim360Switches:
    """A part of `Behaviour`."""

    post_status: int = switch(
        202,
        "Status of the response that starts a BIM 360 export.",
        documented="202; an official Postman collection asserts 200",
        choices=(200, 201, 202),
    )
    link_present: bool = switch(
        True,
        "Whether a completed BIM 360 export still carries the deprecated `data.link`.",
        documented="deprecated, and missing from the newer page",
    )
    signed_url_present: bool = switch(
        True,
        "Whether a completed BIM 360 export carries `data.signedUrl`; without it only the older path leads to the PDF.",
        documented="present",
    )
    signed_url_refused: bool = switch(
        False, "Whether storage answers 403 to a BIM 360 export's signed URL although it is fresh.", instrument=True
    )
    fresh_url_on_every_get: bool = switch(
        True, "Whether every status call makes a new signed URL; otherwise only a repeated start does."
    )
    not_found_after_start: int = switch(0, "How many status calls of a new job answer 404 first.")
    not_found_seconds: float = switch(0.0, "Seconds after the start during which the status answers 404.")
    repeat_gives_same_job: bool = switch(
        True,
        "Whether a repeated BIM 360 start answers with the earlier job's id; otherwise it starts another job.",
        documented="the response has the form of a status response; the id is not mentioned",
    )
    options_make_another_job: bool = switch(
        True,
        "Whether other markup or hyperlink options make another job; otherwise the first job's result comes back.",
    )
    repeat_restarts_failed: bool = switch(False, "Whether a repeated start of a failed job starts it again.")
    status_checks_path: bool = switch(
        True, "Whether project, version and export id of a BIM 360 status call must belong together."
    )
    body_required: bool = switch(True, "Whether a BIM 360 start without any body is refused.")
    acc_status: int = switch(404, "Status of a BIM 360 export of an ACC project.", choices=(400, 403, 404))
    not_exportable_status: int = switch(
        400,
        "Status of an export of something that is not a sheet of a Plans folder.",
        choices=(400, 403, 404, 409, 422),
    )
    unprocessed_status: int = switch(
        400,
        "Status of an export of a sheet that is still being processed; 202 lets it through.",
        choices=(202, 400, 403, 404, 409, 422),
    )
    bim360_errors: Shape = switch("object", "Shape of the error bodies of BIM 360 exports.")
    source_version_first: bool = switch(
        True,
        "Whether `data.versionUrn` names the source file's version; otherwise the sheet's own.",
        documented="the text says the source file, the sample shows the sheet",
    )
    signed_url_life: float = switch(
        120.0, "Life of a BIM 360 signed URL in seconds.", documented="2 minutes; the sample URL says 300 s"
    )
    project_prefix_refused: bool = switch(
        True,
        "Whether BIM 360 refuses a project id with `b.` before it with 400.",
        documented="the prefix has to be removed; not what happens otherwise",
    )
    new_url_ends_old: bool = switch(
        False,
        "Whether a new signed URL of a BIM 360 export ends the earlier ones at once.",
        documented="the previous one stays usable for 2 more minutes",
    )
    failed_has_error: bool = switch(
        False, "Whether a failed BIM 360 export says why, in an `error` with `code` and `detail`."
    )
    jobs_forgotten_after: float = switch(
        0.0, "Seconds after its start for which an export of BIM 360 or ACC is remembered; 0: for ever."
    )
