"""Reading the collections, version sets and sheets of an ACC project from JSON."""

from typing import Any

import attrs

from .nodes import Node
from .parts import BuildSheet, Collection, Project, VersionSet
from .urns import derived_uuid

_TITLES = ("General Arrangement", "Roof Plan", "Facade Section", "Stair Details", "Core Plan", "Door Schedule Plan")


@attrs.define
class SheetReader:
    """Reads `collections`, `versionSets` and `sheets` of one project.

    Version sets and sheets name their collection; one that is only named there is made. A version set belongs to one
    collection, so the same name in two collections makes two version sets.
    """

    seed: int
    project: Project
    _collections: dict[str, Collection] = attrs.field(factory=dict[str, Collection])
    _sets: dict[tuple[str, str], VersionSet] = attrs.field(factory=dict[tuple[str, str], VersionSet])

    def read(self, node: Node) -> None:
        """Fill the project in."""
        for child in node.nodes("collections"):
            self._collection(child.text("name", f"Collection {len(self._collections) + 1}"), child.text("id"))
            child.done()
        for child in node.nodes("versionSets"):
            name = child.text("name", f"Version set {len(self._sets) + 1}")
            self._version_set(name, child.text("collection"), child.text("issuanceDate"), child.text("id"))
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
        self.project.collections.extend(self._collections.values())
        self.project.version_sets.extend(self._sets.values())

    def _collection(self, name: str, identity: str = "") -> Collection:
        found = self._collections.get(name)
        if found is None:
            identity = identity or derived_uuid("collection", self.project.id, name)
            found = self._collections[name] = Collection(identity, name)
        return found

    def _version_set(self, name: str, collection: str, date: str = "", identity: str = "") -> VersionSet:
        found = self._sets.get((name, collection))
        if found is None:
            key = (name, collection) if collection else (name,)
            identity = identity or derived_uuid(self.seed, "version set", self.project.id, *key)
            same_name = next((each for each in self._sets.values() if each.name == name), None)
            month = 1 + len(self._sets) % 12
            date = date or (same_name.issuance_date if same_name else f"2024-{month:02d}-15")
            found = VersionSet(identity, name, date, self._collection(collection) if collection else None)
            self._sets[name, collection] = found
        return found

    def _default_set(self, collection: str) -> str:
        """The first version set of the collection, or else of all."""
        own = [name for name, where in self._sets if where == collection]
        return next(iter(own or [name for name, _ in self._sets]), "Issued for Construction")

    def _sheet(self, node: Node) -> BuildSheet:
        order = len(self.project.sheets)
        number = node.text("number", f"B-{1001 + order}")
        collection = node.text("collection")
        version_set = self._version_set(node.text("versionSet") or self._default_set(collection), collection)
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
            collection=version_set.collection,
            fails=node.flag("fails"),
            never=node.flag("never"),
        )
        node.done()
        return sheet


def summary(project: Project) -> dict[str, Any]:
    """The sheets in short."""
    return {
        "collections": [{"id": one.id, "name": one.name} for one in project.collections],
        "versionSets": [{"id": one.id, "name": one.name} for one in project.version_sets],
        "sheets": [
            {"id": one.id, "number": one.number, "title": one.title, "versionSet": one.version_set.name}
            for one in project.sheets
        ],
    }
