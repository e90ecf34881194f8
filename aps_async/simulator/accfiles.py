"""ACC Files: exports of PDF, DWG and RVT files."""

from . import acc, access
from .parts import FILE, Project, Version
from .replies import Reply
from .routing import Call, Endpoint
from .sources import suffix_of

_MOST = 200
_LARGEST = 10 * 1024**3
_NOT_PROCESSABLE = "ERR_NO_PROCESSABLE_FILES"
_NO_SHEETS = "This file does not contain any 2d pdf files or still under processing."  # the service's own words
_SUFFIXES = ("pdf", "dwg", "rvt")


def _file(call: Call, project: Project, urn: str) -> Version:
    version = call.simulator.world.versions.get(urn)
    if version is None or version.item.hidden or version.item.deleted:
        raise acc.refuse(call, 404, "ERR_RESOURCE_NOT_EXIST", f"The file version {urn} does not exist.")
    access.check_item(call, version.item, project, acc.maker(call))
    if version.item.kind != FILE or suffix_of(version) not in _SUFFIXES:
        raise acc.refuse(call, 400, "ERR_BAD_INPUT", f"{version.item.name}: only PDF, DWG and RVT can be exported.")
    return version


def _failed(call: Call, version: Version) -> dict[str, str] | None:
    """Why nothing comes of a file, for the list in the result."""
    item = version.item
    if item.fails and call.simulator.behaviour.acc_failing_file == "file":
        return {"id": version.id, "reason": "ERR_INTERNAL_SERVER_ERROR", "detail": "The export could not be finished."}
    if suffix_of(version) == "pdf" or not (item.unprocessed or item.no_views):
        return None
    return {"id": version.id, "reason": _NOT_PROCESSABLE, "detail": _NO_SHEETS}


async def export_start(call: Call) -> Reply:
    """POST .../exports."""
    project = acc.find_project(call, needs_user=True)
    body = await acc.read_body(call)
    options = acc.read_options(call, body)
    versions = [_file(call, project, urn) for urn in acc.read_ids(call, body, "fileVersions", _MOST)]
    if sum(version.item.size for version in versions) > _LARGEST:
        raise acc.refuse(call, 422, "ERR_FILES_TOO_LARGE", "The files are larger than 10 GB together.")
    failed = {version.id: entry for version in versions if (entry := _failed(call, version)) is not None}
    single = len(versions) == 1 and suffix_of(versions[0]) == "pdf"
    kept = tuple(version for version in versions if version.id not in failed)
    job = acc.start(call, "files", project, tuple(versions), options, ".pdf" if single else ".zip")
    job.inputs, job.failed_files = kept, list(failed.values())
    if not kept and job.problem is None:
        job.problem = ("400", _NOT_PROCESSABLE, _NO_SHEETS)
    return await acc.started(call, job)


async def export_status(call: Call) -> Reply:
    """GET .../exports/{export}."""
    return await acc.status(call, "files")


_EXPORTS = "/construction/files/v1/projects/{project}/exports"

ENDPOINTS = (
    Endpoint("files_export_start", "POST", _EXPORTS, "data:write", 100, export_start),
    Endpoint("files_export_status", "GET", f"{_EXPORTS}/{{export}}", "data:read", 200, export_status),
)
