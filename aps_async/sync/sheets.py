"""`ProjectSheet`: one view of BIM 360 and ACC sheets, for selections and file names."""

import json
import unicodedata
from datetime import UTC, date, datetime

from attrs import frozen

from aps_async.ids import is_version_urn
from aps_async.lazy import regex
from aps_async.models import Project, Sheet

__all__ = ["ProjectSheet"]
__dir__: object = __all__.copy

_DISCIPLINE = regex(r"[^\W\d_]*")
_DATE = regex(r"\d{4}-\d{2}-\d{2}")


@frozen(kw_only=True)
class ProjectSheet:
    """A `Sheet` and the project that it belongs to: `ProjectSheet(sheet=sheet, project=project)` for either kind.

    Numbers, titles and names are as the service delivers them.
    """

    sheet: Sheet
    project: Project

    @property
    def key(self) -> str:
        """Identifies the sheet through all of its revisions, as a text to store and compare.

        BIM 360: the project and the item, which keeps its id when its number, title or folder changes. ACC: the
        project, the collection and the number, because every revision has an id of its own.
        """
        sheet = self.sheet
        if self.project.is_acc:
            parts = [sheet.project_id, sheet.collection.id if sheet.collection else None, sheet.number]
            return json.dumps([*parts, sheet.distinction] if sheet.distinction is not None else parts)
        return json.dumps([sheet.project_id, sheet.item_id or _lineage(sheet.id)])

    @property
    def id(self) -> str:
        """The id to export. BIM 360: the version URN. ACC: the UUID of this revision."""
        return self.sheet.id

    @property
    def number(self) -> str:
        """Such as `A-101`."""
        return self.sheet.number

    @property
    def title(self) -> str:
        """Empty if it has none."""
        return self.sheet.title

    @property
    def discipline(self) -> str:
        """The letters in front of the number: `A` of `A-101`; empty if it begins with something else."""
        found = _DISCIPLINE.match(unicodedata.normalize("NFC", self.number).strip())
        return found[0] if found else ""

    @property
    def set_name(self) -> str:
        """ACC: the version set. Empty in BIM 360, which has none."""
        return self.sheet.folder_path if self.project.is_acc else ""

    @property
    def folders(self) -> tuple[str, ...]:
        """The names of its folders, from the top down. ACC: its collection, if any, and its version set."""
        if not self.project.is_acc:
            return tuple(name for name in self.sheet.folder_path.split("/") if name)
        collection = self.sheet.collection.name if self.sheet.collection else ""
        return tuple(name for name in (collection, self.set_name) if name)

    @property
    def date(self) -> date | None:
        """BIM 360: when the version was created, in UTC. ACC: when its version set was issued, or its last update."""
        if issued := _DATE.match(self.sheet.issuance_date or ""):
            try:
                return date.fromisoformat(issued[0])
            except ValueError:  # for example a 13th month
                pass
        return self.changed_at.date() if self.changed_at else None

    @property
    def changed_at(self) -> datetime | None:
        """In UTC. BIM 360: when the version was created. ACC: when the sheet was last updated."""
        at = self.sheet.changed_at
        if at is None:
            return None
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _lineage(version: str) -> str:
    return version.partition("?version=")[0] if is_version_urn(version) else version
