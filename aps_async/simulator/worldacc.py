"""Reading the version sets and sheets of an ACC project from JSON."""

from typing import Any

import attrs

from .nodes import Node
from .parts import BuildSheet, Project, VersionSet
from .urns import derived_uuid

_TITLES = ("General Arrangement", "Roof Plan", "Facade Section", "Stair Details", "Core Plan", "Door Schedule Plan")


@attrs.define
class SheetReader:
    """Reads `versionSets` and `sheets` of one project."""

    seed: int
    project: Project
    _sets: dict[str, VersionSet] = attrs.field(factory=dict[str, VersionSet])

    def read(self, node: Node) -> None:
        """Fill the project in."""
        for child in node.nodes("versionSets"):
            name = child.text("name", f"Version set {len(self._sets) + 1}")
            self._version_set(name, child.text("issuanceDate"), child.text("id"))
            child.done()
        if isinstance(node.values.get("sheets"), list):
            children = node.nodes("sheets")
        else:
            children = [
                Node({"number": f"B-{1001 + i}", "title": _TITLES[i % len(_TITLES)]}, f"{node.place}.sheets[{i}]")
                for i in range(node.number("sheets", 0))
            ]
        for child in children:
            self.project.sheets.append(self._sheet(child))
        self.project.version_sets.extend(self._sets.values())

    def _version_set(self, name: str, date: str = "", identity: str = "") -> VersionSet:
        found = self._sets.get(name)
        if found is None:
            identity = identity or derived_uuid(self.seed, "version set", self.project.id, name)
            month = 1 + len(self._sets) % 12
            found = self._sets[name] = VersionSet(identity, name, date or f"2024-{month:02d}-15")
        return found

    def _sheet(self, node: Node) -> BuildSheet:
        order = len(self.project.sheets)
        number = node.text("number", f"B-{1001 + order}")
        version_set = self._version_set(node.text("versionSet") or next(iter(self._sets), "Issued for Construction"))
        sheet = BuildSheet(
            id=node.text("id") or derived_uuid(self.seed, "sheet", self.project.id, version_set.name, number, order),
            number=number,
            title=node.text("title", f"Sheet {number}"),
            project=self.project,
            version_set=version_set,
            order=order,
            page=node.number("page", order + 1, least=1) - 1,
            tags=node.texts("tags"),
            published=node.flag("published", default=True),
            current=node.flag("current", default=True),
            deleted=node.flag("deleted"),
            upload_file_name=node.text("uploadFileName", f"{version_set.name}.pdf"),
            collection=node.text("collection"),
            fails=node.flag("fails"),
            never=node.flag("never"),
        )
        node.done()
        return sheet


def summary(project: Project) -> dict[str, Any]:
    """The sheets in short."""
    return {
        "versionSets": [{"id": one.id, "name": one.name} for one in project.version_sets],
        "sheets": [
            {"id": one.id, "number": one.number, "title": one.title, "versionSet": one.version_set.name}
            for one in project.sheets
        ],
    }
