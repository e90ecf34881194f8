"""Sheets, files and cost documents out of Autodesk BIM 360 and Autodesk Construction Cloud, as verified files.

async with Session(TwoLegged.from_env()) as session:
    job = await bim360.start_export(session, project_id, version_urn, markups=True)
    pdf = await wait_for_export(session, job, "A-101.pdf")
"""

from aps_async.auth import AccessToken, StaticToken, TokenClient, TokenProvider, TwoLegged
from aps_async.bulk import BulkProgress, export_many
from aps_async.convert import ref_from_json, ref_to_json
from aps_async.download import ANY, PDF, Expected, Signature, download, stream
from aps_async.errors import (
    APSError,
    AuthError,
    DecodeError,
    DownloadError,
    ExportError,
    ExportFailedError,
    ExportTimeoutError,
    IncompleteDownloadError,
    InputError,
    LinkExpiredError,
    NotAllowedError,
    NotExportableError,
    NotFoundError,
    NotFoundInProjectError,
    RateLimitedError,
    ResponseError,
    ServerError,
    TargetError,
    TransportError,
    UnauthorizedError,
)
from aps_async.exports import (
    PollPolicy,
    download_export,
    export_states,
    get_export,
    poll_export,
    start_export,
    stream_export,
    wait_for_export,
)
from aps_async.links import SignedUrl
from aps_async.models import (
    Downloaded,
    ExportJob,
    ExportKind,
    ExportOptions,
    ExportOutcome,
    ExportRef,
    ExportRequest,
    ExportStatus,
    Folder,
    Hub,
    Hubs,
    Item,
    Progress,
    Project,
    ServiceWarning,
    Sheet,
    Version,
)
from aps_async.quotas import Endpoint, Pacer, Quotas
from aps_async.resources import bim360, projects
from aps_async.resources.plans import get_sheet, list_sheets
from aps_async.resources.projects import find_project
from aps_async.session import Session
from aps_async.settings import Settings

__version__ = "0.1.0"

__all__ = [
    "ANY",
    "PDF",
    "APSError",
    "AccessToken",
    "AuthError",
    "BulkProgress",
    "DecodeError",
    "DownloadError",
    "Downloaded",
    "Endpoint",
    "Expected",
    "ExportError",
    "ExportFailedError",
    "ExportJob",
    "ExportKind",
    "ExportOptions",
    "ExportOutcome",
    "ExportRef",
    "ExportRequest",
    "ExportStatus",
    "ExportTimeoutError",
    "Folder",
    "Hub",
    "Hubs",
    "IncompleteDownloadError",
    "InputError",
    "Item",
    "LinkExpiredError",
    "NotAllowedError",
    "NotExportableError",
    "NotFoundError",
    "NotFoundInProjectError",
    "Pacer",
    "PollPolicy",
    "Progress",
    "Project",
    "Quotas",
    "RateLimitedError",
    "ResponseError",
    "ServerError",
    "ServiceWarning",
    "Session",
    "Settings",
    "Sheet",
    "Signature",
    "SignedUrl",
    "StaticToken",
    "TargetError",
    "TokenClient",
    "TokenProvider",
    "TransportError",
    "TwoLegged",
    "UnauthorizedError",
    "Version",
    "__version__",
    "bim360",
    "download",
    "download_export",
    "export_many",
    "export_states",
    "find_project",
    "get_export",
    "get_sheet",
    "list_sheets",
    "poll_export",
    "projects",
    "ref_from_json",
    "ref_to_json",
    "start_export",
    "stream",
    "stream_export",
    "wait_for_export",
]
