"""The keys of the ledger, which are digests stored forever.

The *key* of an export identifies its request: the same version, with the same options. Its *lineage* is the same for
all versions of a sheet, and for all options; by it a newer version finds the file that it replaces.
"""

import hashlib
import json
import re
from functools import lru_cache

from aps_async.downloads.filenames import safe_path, safe_stem
from aps_async.ids import version_number
from aps_async.lazy import regex
from aps_async.models import ExportKind, ExportRequest
from aps_async.text import folded
from aps_async.transport.converter import to_dict, to_json

__all__ = [
    "KeyedRequest",
    "digest",
    "is_named",
    "lineage_of",
    "lineage_of_version",
    "lineage_without_identity",
    "name_key",
    "title_of",
]
__dir__: object = __all__.copy

_VERSION = regex(r"\?version=\d+$")


_in_json = json.JSONEncoder(sort_keys=True).encode


def digest(*values: object) -> bytes:
    """16 bytes, which excludes collisions even among a million million values."""
    return hashlib.sha256(_in_json(values).encode()).digest()[:16]


def name_key(name: str) -> bytes:
    """A digest of a name, equal for two names that a file system may treat as one."""
    return digest(folded(name))


def title_of(request: ExportRequest) -> str:
    """The path for the file of a request, without suffix and number."""
    return safe_path(request.name or request.source_ids[0], request.subfolder)


def is_named(name: str, title: str, before: str | None = None) -> bool:
    """Whether a name is a title, or that title with a number that distinguishes it from another.

    Args:
        name: the name.
        title: the title.
        before: the title that the name was given for, whose own end may look like such a number; None: not known.
    """
    if name in (title, before):
        return name == title
    return re.fullmatch(re.escape(title) + r" \(\d+\)", name) is not None


def lineage_of(request: ExportRequest) -> bytes:
    """The lineage of a request: the same for all versions of a sheet, and for all options."""
    if request.identity is not None and request.kind is ExportKind.SHEETS and len(request.source_ids) == 1:
        identity = request.identity
        parts = [identity.collection_id, identity.number]
        if identity.distinction is not None:  # without it, the digest stays what it has always been
            parts.append(identity.distinction)
        return digest(request.kind, request.project_id, parts, "identity")
    if request.kind is ExportKind.BIM360 and len(request.source_ids) == 1:
        return lineage_of_version(request.project_id, request.source_ids[0])
    return lineage_without_identity(request)


def lineage_without_identity(request: ExportRequest) -> bytes:
    """The lineage as older versions of this library wrote it, which identified ACC sheets by their file names."""
    bases = sorted(_VERSION.sub("", subject) for subject in request.source_ids)
    if request.kind is ExportKind.SHEETS and len(bases) == 1 and request.name:
        bases = [safe_stem(request.name)]  # not the id, which another revision does not share
    cost = request.cost and [request.cost.association_type, request.cost.template_id]
    return digest(request.kind, request.project_id, bases, cost)


@lru_cache(1000)  # a run asks for most of them several times in a row
def lineage_of_version(project_id: str, urn: str) -> bytes:
    """BIM 360: the lineage of the sheet that a version belongs to."""
    return digest(ExportKind.BIM360, project_id, [_VERSION.sub("", urn)], None)


class KeyedRequest:
    """A request, with its key, lineage and stored form."""

    def __init__(self, request: ExportRequest, export_id: str | None) -> None:
        self.request = request
        self.export_id = export_id
        """The job's id, if it is started already."""
        self.plain: dict[str, object] = to_dict(request)
        # A Cost document may be one of several that exist for the same request.
        document = export_id if request.kind is ExportKind.COST else None
        # Without the name, and without fields that older versions did not write, so that requests keep their keys.
        known = {name: value for name, value in self.plain.items() if name not in ("identity", "subfolder")}
        self._key = digest({**known, "name": None}, document)

    def key(self, repeat: int) -> bytes:
        """The unique key of the request; `repeat` counts equal requests within one run."""
        return digest(self._key.hex(), repeat) if repeat else self._key

    def lineage(self) -> bytes:
        """See `lineage_of`."""
        return lineage_of(self.request)

    def former_lineage(self) -> bytes | None:
        """The lineage that older versions wrote for this sheet; None if they cannot have exported it.

        They identified ACC sheets by their file names, and did not export sheets of collections.
        """
        identity = self.request.identity
        if identity is None or identity.collection_id is not None:
            return None
        return lineage_without_identity(self.request)

    def stored(self) -> str:
        """The request as the ledger stores it, as JSON."""
        return to_json(self.plain)

    @property
    def title(self) -> str:
        """The path for its file, without suffix."""
        return title_of(self.request)

    @property
    def version(self) -> str | None:
        """The number of the version; None if there is none."""
        number = version_number(self.request.source_ids[0]) if len(self.request.source_ids) == 1 else None
        return None if number is None else str(number)
