"""Sheets, files and cost documents out of Autodesk BIM 360 and Autodesk Construction Cloud, as verified files.

async with Session(TwoLegged.from_env()) as session:
    job = await bim360.start_export(session, project_id, version_urn, markups=True)
    pdf = await wait_for_export(session, job, "A-101.pdf")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aps_async.auth import AccessToken, StaticToken, TokenClient, TokenProvider, TwoLegged
    from aps_async.downloads.archives import ArchiveLimits, unpack_archive, verify_archive
    from aps_async.downloads.content import ANY, DOCX, PDF, ZIP, Expected, Signature
    from aps_async.downloads.download import download, stream
    from aps_async.errors import (
        APSError,
        AuthError,
        CallTimeoutError,
        DatabaseError,
        DecodeError,
        DiskFullError,
        DownloadError,
        ExportError,
        ExportFailedError,
        ExportTimeoutError,
        FolderInUseError,
        IncompleteDownloadError,
        InputError,
        LedgerError,
        LinkExpiredError,
        NotAllowedError,
        NotExportableError,
        NotFoundError,
        NotFoundInProjectError,
        PollTimeoutError,
        RateLimitedError,
        ResponseError,
        ServerError,
        TargetError,
        TransportError,
        UnauthorizedError,
    )
    from aps_async.exports.bulk import BulkProgress, export_many
    from aps_async.exports.kinds import get_export, start_export
    from aps_async.exports.project import export_project, get_sheet, list_collections, list_sheets, project_requests
    from aps_async.exports.uploads import download_link, download_urn
    from aps_async.exports.wait import (
        download_export,
        export_states,
        poll_export,
        poll_many,
        stream_export,
        wait_for_export,
    )
    from aps_async.ledger import Ledger, LedgerStatus, ledger_status
    from aps_async.links import Part, SignedUrl, Source
    from aps_async.models import (
        Collection,
        CostSource,
        Derivative,
        Downloaded,
        ExportJob,
        ExportKind,
        ExportOptions,
        ExportOutcome,
        ExportRef,
        ExportRequest,
        ExportStatus,
        FailedFile,
        Folder,
        Hub,
        Hubs,
        Item,
        ItemWarning,
        Progress,
        Project,
        ServiceWarning,
        Sheet,
        SheetIdentity,
        Version,
    )
    from aps_async.polling import (
        Poller,
        PollPolicy,
        PollRules,
        PollStatus,
        poll,
        poll_states,
    )
    from aps_async.resources import bim360, cost, derivatives, files, projects, sheets, storage
    from aps_async.resources.projects import find_project
    from aps_async.session import Session
    from aps_async.settings import Settings
    from aps_async.transport.converter import ref_from_json, ref_to_json, request_from_json, request_to_json
    from aps_async.transport.quotas import Endpoint, LocalRateLimiter, Quotas

__version__ = "0.1.0"

__all__ = [
    "ANY",
    "DOCX",
    "PDF",
    "ZIP",
    "APSError",
    "AccessToken",
    "ArchiveLimits",
    "AuthError",
    "BulkProgress",
    "CallTimeoutError",
    "Collection",
    "CostSource",
    "DatabaseError",
    "DecodeError",
    "Derivative",
    "DiskFullError",
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
    "FailedFile",
    "Folder",
    "FolderInUseError",
    "Hub",
    "Hubs",
    "IncompleteDownloadError",
    "InputError",
    "Item",
    "ItemWarning",
    "Ledger",
    "LedgerError",
    "LedgerStatus",
    "LinkExpiredError",
    "LocalRateLimiter",
    "NotAllowedError",
    "NotExportableError",
    "NotFoundError",
    "NotFoundInProjectError",
    "Part",
    "PollPolicy",
    "PollRules",
    "PollStatus",
    "PollTimeoutError",
    "Poller",
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
    "SheetIdentity",
    "Signature",
    "SignedUrl",
    "Source",
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
    "cost",
    "derivatives",
    "download",
    "download_export",
    "download_link",
    "download_urn",
    "export_many",
    "export_project",
    "export_states",
    "files",
    "find_project",
    "get_export",
    "get_sheet",
    "ledger_status",
    "list_collections",
    "list_sheets",
    "poll",
    "poll_export",
    "poll_many",
    "poll_states",
    "project_requests",
    "projects",
    "ref_from_json",
    "ref_to_json",
    "request_from_json",
    "request_to_json",
    "sheets",
    "start_export",
    "storage",
    "stream",
    "stream_export",
    "unpack_archive",
    "verify_archive",
    "wait_for_export",
]

# Where each name comes from, imported when it is first asked for: the command line's --help, a worker that only
# downloads, or a test of one error does not pay for the rest.
_HOMES = {
    "aps_async.downloads.archives": "ArchiveLimits unpack_archive verify_archive",
    "aps_async.auth": "AccessToken StaticToken TokenClient TokenProvider TwoLegged",
    "aps_async.exports.bulk": "BulkProgress export_many",
    "aps_async.transport.converter": "ref_from_json ref_to_json request_from_json request_to_json",
    "aps_async.exports.project": "export_project get_sheet list_collections list_sheets project_requests",
    "aps_async.downloads.download": "download stream",
    "aps_async.errors": (
        "APSError AuthError CallTimeoutError DatabaseError DecodeError DiskFullError DownloadError ExportError "
        "ExportFailedError ExportTimeoutError FolderInUseError IncompleteDownloadError InputError LedgerError "
        "LinkExpiredError NotAllowedError NotExportableError NotFoundError NotFoundInProjectError PollTimeoutError "
        "RateLimitedError ResponseError ServerError TargetError TransportError UnauthorizedError"
    ),
    "aps_async.exports.wait": "download_export export_states poll_export poll_many stream_export wait_for_export",
    "aps_async.exports.kinds": "get_export start_export",
    "aps_async.ledger": "Ledger LedgerStatus ledger_status",
    "aps_async.links": "Part SignedUrl Source",
    "aps_async.models": (
        "Collection CostSource Derivative Downloaded ExportJob ExportKind ExportOptions ExportOutcome ExportRef "
        "ExportRequest ExportStatus FailedFile Folder Hub Hubs Item ItemWarning Progress Project ServiceWarning "
        "Sheet SheetIdentity Version"
    ),
    "aps_async.polling": "PollPolicy PollRules PollStatus Poller poll poll_states",
    "aps_async.transport.quotas": "Endpoint LocalRateLimiter Quotas",
    "aps_async.resources": "bim360 cost derivatives files projects sheets storage",
    "aps_async.resources.projects": "find_project",
    "aps_async.session": "Session",
    "aps_async.settings": "Settings",
    "aps_async.downloads.content": "ANY DOCX PDF ZIP Expected Signature",
    "aps_async.exports.uploads": "download_link download_urn",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use; from then on it is an attribute like any other."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(home)
    found = import_module(f"{home}.{name}") if home == "aps_async.resources" else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
