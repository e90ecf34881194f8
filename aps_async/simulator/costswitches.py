"""Cost Management: what its documentation leaves open."""

from typing import Literal

import attrs

from .switches import switch


@attrs.frozen(kw_only=True, slots=False)
class CostSwitches:
    """A part of `Behaviour`."""

    cost_two_legged_status: int = switch(
        403,
        "Status of a Cost call with a token without a user.",
        documented="a user is required; the status for others is not given",
        choices=(401, 403),
    )
    cost_container_ids: Literal["both", "project", "container"] = switch(
        "both",
        "Whether Cost takes project ids, BIM 360's old container ids, or both.",
        documented="project ids; container ids are not supported after 2026-07-30",
    )
    cost_single_object: bool = switch(
        False,
        "Whether Cost answers a list of one document with that object alone.",
        documented="a list; a tutorial shows one object",
    )
    cost_upper_case_ids: bool = switch(
        False, "Whether Cost answers `associationId` in upper case.", documented="upper case in the sample"
    )
    cost_region_routes: bool = switch(
        False,
        "Whether a `region` header other than that of the project's hub leads to 404.",
        documented="an optional hint; requests are routed by the id",
    )
    cost_conflict: bool = switch(False, "Whether Cost answers 409 to everything.", instrument=True)
    cost_error_info_on_completed: bool = switch(
        True,
        "Whether a completed Cost document carries an `errorInfo`.",
        documented="the text says only when it failed, the sample shows it on a completed document",
    )
    cost_pdf_urn: bool = switch(
        False,
        "Whether a finished Cost document carries a `pdfUrn`, the same as its `urn`; otherwise it is null.",
        documented="not relevant; the sample has the same value in both",
    )
    cost_job_id: Literal["number", "text"] = switch(
        "number", "The type of `jobId` in Cost documents.", documented="a number, and not relevant"
    )
    cost_folder_readable: bool = switch(
        True, "Whether the versions in the hidden Cost folder can be read; otherwise 403."
    )
    cost_unknown_association_status: int = switch(
        200, "Status of a list for an association that does not exist; 200: an empty list.", choices=(200, 404)
    )
    cost_all_documents: bool = switch(
        False,
        "Whether Cost lists every document of a template, and not the latest only.",
        documented="the latest is always returned",
    )
    cost_forms_find_change_orders: bool = switch(
        True,
        "Whether `FormInstance` finds the documents of change orders too.",
        documented="a tutorial, since removed, asked for them so",
    )
    cost_filter_signed: bool = switch(
        False, "Whether `filter[signed]=true` leaves out what is not signed.", documented="deprecated"
    )
    cost_null_fields: bool = switch(
        True, "Whether fields of a Cost document without a value, such as an early `urn`, are null; otherwise absent."
    )
    cost_unknown_region_status: int = switch(
        400,
        "Status of a Cost call with an unknown `region`; 200: it is ignored.",
        documented="an optional hint with a list of regions",
        choices=(200, 400, 404),
    )
    cost_unknown_template_status: int = switch(
        201, "Status of an attachment with an unknown template; 201: its document fails.", choices=(201, 400, 404)
    )
    cost_attachment_is_document: bool = switch(
        True, "Whether an attachment with a template and the document made for it have one id."
    )
    cost_file_delay: float = switch(
        0.0, "Seconds after its end for which a Cost document's version cannot be found in Data Management."
    )
