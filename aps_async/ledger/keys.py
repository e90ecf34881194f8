"""Keys: which exports the ledger takes for the same, and which for versions of one sheet."""

import hashlib
import json
import re
from functools import lru_cache

from aps_async.downloads.filenames import safe_path, safe_stem
from aps_async.ids import version_number
from aps_async.models import ExportKind, ExportRequest
from aps_async.text import folded
from aps_async.transport.converter import to_dict, to_json

__all__ = ["Wanted", "digest", "lineage_of", "lineage_of_version", "lineage_without_identity", "name_key"]
__dir__: object = __all__.copy

_VERSION = re.compile(r"\?version=\d+$")


_in_json = json.JSONEncoder(sort_keys=True).encode


def digest(*values: object) -> bytes:
    """16 bytes, enough to exclude collisions even among a million million values."""
    return hashlib.sha256(_in_json(values).encode()).digest()[:16]


def name_key(name: str) -> bytes:
    """The same for two names that a file system may take for one."""
    return digest(folded(name))


def lineage_of(request: ExportRequest) -> bytes:
    """What it is a version of: the same for all versions of a sheet, and for all options."""
    if request.identity is not None and request.kind is ExportKind.SHEETS and len(request.source_ids) == 1:
        identity = request.identity
        parts = [identity.collection_id, identity.number]
        if identity.distinction is not None:  # others keep the digest that they always had
            parts.append(identity.distinction)
        return digest(request.kind, request.project_id, parts, "identity")
    if request.kind is ExportKind.BIM360 and len(request.source_ids) == 1:
        return lineage_of_version(request.project_id, request.source_ids[0])
    return lineage_without_identity(request)


def lineage_without_identity(request: ExportRequest) -> bytes:
    """The lineage that older versions wrote, which knew ACC sheets by the names of their files."""
    bases = sorted(_VERSION.sub("", subject) for subject in request.source_ids)
    if request.kind is ExportKind.SHEETS and len(bases) == 1 and request.name:
        bases = [safe_stem(request.name)]  # a revision has another id
    cost = request.cost and [request.cost.association_type, request.cost.template_id]
    return digest(request.kind, request.project_id, bases, cost)


@lru_cache(1000)  # a run asks for most of them several times in a row
def lineage_of_version(project_id: str, urn: str) -> bytes:
    """BIM 360: the lineage of the sheet that a version belongs to."""
    return digest(ExportKind.BIM360, project_id, [_VERSION.sub("", urn)], None)


class Wanted:
    """A request with the keys that the ledger derives from it."""

    def __init__(self, request: ExportRequest, export_id: str | None) -> None:
        self.request = request
        self.export_id = export_id
        """Of what was started already."""
        self.plain: dict[str, object] = to_dict(request)
        # Cost documents that are there already: several of one request may be.
        document = export_id if request.kind is ExportKind.COST else None
        # Without what older versions did not write and what only names the file: requests keep their keys.
        known = {name: value for name, value in self.plain.items() if name not in ("identity", "subfolder")}
        self._key = digest({**known, "name": None}, document)

    def key(self, repeat: int) -> bytes:
        """The unique key of the request; `repeat` counts equal requests within one run."""
        return digest(self._key.hex(), repeat) if repeat else self._key

    def lineage(self) -> bytes:
        """See `lineage_of`."""
        return lineage_of(self.request)

    def former_lineage(self) -> bytes | None:
        """The lineage that older versions wrote for it; None if they cannot have meant this sheet.

        They identified ACC sheets by their file names, and knew only ungrouped sheets.
        """
        identity = self.request.identity
        if identity is None or identity.collection_id is not None:
            return None
        return lineage_without_identity(self.request)

    def stored(self) -> str:
        """The request as the ledger keeps it."""
        return to_json(self.plain)

    @property
    def title(self) -> str:
        """What its file is to be called, with the folders that it goes to."""
        return safe_path(self.request.name or self.request.source_ids[0], self.request.subfolder)

    @property
    def version(self) -> str | None:
        """The number of the version, where there is one."""
        number = version_number(self.request.source_ids[0]) if len(self.request.source_ids) == 1 else None
        return None if number is None else str(number)
