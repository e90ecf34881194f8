"""The values of this library: frozen attrs classes for projects, sheets, requests, jobs and outcomes."""

from typing import TYPE_CHECKING

from aps_async.lazy import importer

if TYPE_CHECKING:
    from aps_async.models.downloads import Downloaded, Received
    from aps_async.models.exports import (
        CostSource,
        Derivative,
        ExportJob,
        ExportKind,
        ExportOptions,
        ExportRef,
        ExportRequest,
        ExportStatus,
        FailedFile,
        SheetIdentity,
    )
    from aps_async.models.outcomes import (
        DeliveredExport,
        ExportOutcome,
        FailedExport,
        FinishedExport,
        StoredExport,
        StoredOutcome,
    )
    from aps_async.models.progress import Progress, Writable
    from aps_async.models.projects import (
        Collection,
        Folder,
        Hub,
        Hubs,
        Item,
        LeftOut,
        Project,
        ServiceWarning,
        Sheet,
        Version,
    )
    from aps_async.models.warnings import ItemWarning

__all__ = [
    "Collection",
    "CostSource",
    "DeliveredExport",
    "Derivative",
    "Downloaded",
    "ExportJob",
    "ExportKind",
    "ExportOptions",
    "ExportOutcome",
    "ExportRef",
    "ExportRequest",
    "ExportStatus",
    "FailedExport",
    "FailedFile",
    "FinishedExport",
    "Folder",
    "Hub",
    "Hubs",
    "Item",
    "ItemWarning",
    "LeftOut",
    "Progress",
    "Project",
    "Received",
    "ServiceWarning",
    "Sheet",
    "SheetIdentity",
    "StoredExport",
    "StoredOutcome",
    "Version",
    "Writable",
]
__dir__: object = __all__.copy

_HOMES = {
    "aps_async.models.downloads": "Downloaded Received",
    "aps_async.models.exports": (
        "CostSource Derivative ExportJob ExportKind ExportOptions ExportRef ExportRequest ExportStatus "
        "FailedFile SheetIdentity"
    ),
    "aps_async.models.outcomes": (
        "DeliveredExport ExportOutcome FailedExport FinishedExport StoredExport StoredOutcome"
    ),
    "aps_async.models.progress": "Progress Writable",
    "aps_async.models.projects": ("Collection Folder Hub Hubs Item LeftOut Project ServiceWarning Sheet Version"),
    "aps_async.models.warnings": "ItemWarning",
}
if not TYPE_CHECKING:  # which would accept any name
    __getattr__ = importer(__name__, _HOMES)
