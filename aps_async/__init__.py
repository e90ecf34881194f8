"""Exports sheets, files and cost documents of Autodesk BIM 360 and Autodesk Construction Cloud, as verified files.

    async with Session(TwoLegged.from_env()) as session:
        job = await bim360.start_export(session, project_id, version_urn, markups=True)
        pdf = await wait_for_export(session, job, "A-101.pdf")

These are the names that most programs need. Everything else is imported from its module: the other errors from
`aps_async.errors`, values from `aps_async.models`, logins from `aps_async.auth`, ledgers from `aps_async.ledger`.
"""

# Type checkers know the name. Python shows a traceback if Ctrl-C comes while `typing` is imported for a command.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from aps_async.auth import ServiceAccount, StaticToken, ThreeLegged, TwoLegged
    from aps_async.downloads.download import download, stream
    from aps_async.errors import (
        APSError,
        AuthError,
        DecodeError,
        DownloadError,
        ExportError,
        ExportFailedError,
        ExportTimeoutError,
        InputError,
        LedgerError,
        LinkExpiredError,
        NotAllowedError,
        NotFoundError,
        RateLimitedError,
        ResponseError,
        TransportError,
    )
    from aps_async.exports.bulk import export_many
    from aps_async.exports.kinds import start_export
    from aps_async.exports.project import export_project, list_sheets
    from aps_async.exports.wait import poll_many, wait_for_export
    from aps_async.links import SignedUrl
    from aps_async.models import (
        ExportJob,
        ExportOptions,
        ExportOutcome,
        ExportRef,
        ExportRequest,
        ExportStatus,
        Project,
    )
    from aps_async.polling import poll, poll_states
    from aps_async.resources import bim360, cost, files, projects, sheets, storage
    from aps_async.session import Session
    from aps_async.settings import Settings
    from aps_async.transport.converter import ref_from_json, ref_to_json

__version__ = "0.1.0"

__all__ = [
    "APSError",
    "AuthError",
    "DecodeError",
    "DownloadError",
    "ExportError",
    "ExportFailedError",
    "ExportJob",
    "ExportOptions",
    "ExportOutcome",
    "ExportRef",
    "ExportRequest",
    "ExportStatus",
    "ExportTimeoutError",
    "InputError",
    "LedgerError",
    "LinkExpiredError",
    "NotAllowedError",
    "NotFoundError",
    "Project",
    "RateLimitedError",
    "ResponseError",
    "ServiceAccount",
    "Session",
    "Settings",
    "SignedUrl",
    "StaticToken",
    "ThreeLegged",
    "TransportError",
    "TwoLegged",
    "__version__",
    "bim360",
    "cost",
    "download",
    "export_many",
    "export_project",
    "files",
    "list_sheets",
    "poll",
    "poll_many",
    "poll_states",
    "projects",
    "ref_from_json",
    "ref_to_json",
    "sheets",
    "start_export",
    "storage",
    "stream",
    "wait_for_export",
]

# The command line's --help, a worker that only downloads, or a test of one error does not pay for the rest.
_HOMES = {
    "aps_async.auth": "ServiceAccount StaticToken ThreeLegged TwoLegged",
    "aps_async.downloads.download": "download stream",
    "aps_async.errors": (
        "APSError AuthError DecodeError DownloadError ExportError ExportFailedError ExportTimeoutError InputError "
        "LedgerError LinkExpiredError NotAllowedError NotFoundError RateLimitedError ResponseError TransportError"
    ),
    "aps_async.exports.bulk": "export_many",
    "aps_async.exports.kinds": "start_export",
    "aps_async.exports.project": "export_project list_sheets",
    "aps_async.exports.wait": "poll_many wait_for_export",
    "aps_async.links": "SignedUrl",
    "aps_async.models": "ExportJob ExportOptions ExportOutcome ExportRef ExportRequest ExportStatus Project",
    "aps_async.polling": "poll poll_states",
    "aps_async.resources": "bim360 cost files projects sheets storage",
    "aps_async.session": "Session",
    "aps_async.settings": "Settings",
    "aps_async.transport.converter": "ref_from_json ref_to_json",
}
if not TYPE_CHECKING:  # which would accept any name

    def __getattr__(name: str) -> object:
        from aps_async.lazy import importer  # here, since pytest imports this package wherever it is installed

        return importer(__name__, _HOMES)(name)


def __dir__() -> list[str]:
    return __all__
