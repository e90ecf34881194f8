"""Reading a world from JSON.

Of the JSON everything is optional; what is missing gets a sensible value, and ids are derived
from the place in the tree, so the same file always gives the same ids. Unknown keys are refused.

::

    {
      "seed": 0,                        other ids for the same tree
      "apps": [{"id": "...", "secret": "...", "provisioned": true, "name": "...",
                "redirectUris": ["http://127.0.0.1:8765/callback"]}],       without a secret: a public client (PKCE)
      "users": [{"id": "BW9RM76WZBGL", "name": "Ada", "projects": ["Riverside Clinic"], "deniedFolders": ["MEP"],
                 "email": "ada@example.com", "password": "simulator"}],
      "warnings": [{"region": "APAC", "title": "...", "detail": "..."}],     meta.warnings of the list of hubs
      "behaviour": {"post_status": 200},     switches; `aps-async simulate --help-behaviour` lists them
      "hubs": [{
        "id": "b.<uuid>", "name": "Northlight Architects", "region": "US",
        "projects": [{
          "id": "<uuid>, b. or not", "name": "Riverside Clinic",
          "projectType": "BIM360",      or "ACC" or anything else
          "forbidden": false,           every call about it answers 403
          "collections": [{"id": "<uuid>", "name": "..."}],     of version sets and sheets; made when only named there
          "versionSets": [{"id": "<uuid>", "name": "Issued for Construction", "issuanceDate": "2024-06-03",
                           "collection": "<name>"}],            without a collection: ungrouped
          "sheets": 12,                 of ACC's Sheets tool; or a list:
          "sheets": [{"id": "<uuid>", "number": "T-101", "title": "...", "versionSet": "<name>", "tags": ["..."],
                      "published": true, "current": true, "deleted": false, "uploadFileName": "...",
                      "collection": "<name>", "page": 1, "fails": false, "never": false}],
          "cost": {                     Cost Management; gives the project its hidden Cost folder
            "container": "<uuid>",      default: the project id in ACC, another one in BIM 360
            "templates": [{"id": "<uuid>", "name": "Budget Summary"}],      beside those that documents name
            "budgets": [{"id": "<uuid>", "name": "...", "code": "03 30 00", "amount": 418000,
                         "documents": 2 or [{"id": "<uuid>", "template": "Budget Summary", "recipient": "...",
                             "status": "Completed",     or Failed, PendingSign, Signed; with Pending or Started it
                             "ends": "Completed",       runs from the simulator's start and ends like this
                             "never": false}]}],
            ...                         likewise contracts, costItems, formInstances, payments, mainContracts,
          },                            budgetPayments, expenses, ocos, scos
          "folders": [{                 the project's top folders
            "name": "Plans", "id": "urn:adsk.wipprod:fs.folder:co....",
            "actions": ["SPLIT"],       default: inherited; top folders "Plans" SPLIT and "Project Files" CONVERT
            "visibleTypes": ["items:autodesk.bim360:Document"], "folderType": "normal",
            "hidden": false, "deleted": false,
            "sheets": 12,               so many drawn sheets with the PDF they came from, beside `items`
            "folders": [...],           subfolders, `children` is another name for it
            "items": [{
              "type": "sheet",          or "file": an uploaded file with storage
              "number": "A-101", "title": "Ground Floor Plan", "name": "A-101",
              "titleless": false,       a sheet without title
              "id": "urn:adsk.wipprod:dm.lineage:...", "hidden": false, "deleted": false,
              "versions": 1,            a number, or a list of version URNs (oldest first)
              "page": 1,                page of the given PDF, from 1; default: counted through the world
              "sourceFileName": "plans.pdf", "processState": "PROCESSING_COMPLETE",
              "source": "plans.pdf",    name of the file item in this folder it was split from
              "storage": "urn:adsk.objects:os.object:wip.dm.prod/....pdf", "size": 220515,
              "bytes": 1073741824,      the export is padded to exactly this size
              "pages": 1,               of an uploaded PDF that no sheet was split from
              "noViews": false, "unprocessed": false,     a DWG or RVT that ACC cannot export
              "chunked": false,         its storage object was not merged from its parts
              "fails": false, "never": false      the export job fails, or never ends
            }]
          }]
        }]
      }]
    }
"""

import json
from collections.abc import Mapping
from typing import Any

import attrs

from .behaviour import Behaviour
from .costfiles import bucket, plain_docx
from .nodes import Node
from .parts import (
    DEFAULT_APPS,
    DEFAULT_USER,
    DOCUMENT,
    DONE,
    FILE,
    PASSWORD,
    App,
    Folder,
    Hub,
    Item,
    Project,
    User,
    Version,
    Warning_,
    WorldError,
)
from .switches import BehaviourError
from .urns import derived_uuid, environment, token22
from .worldacc import SheetReader
from .worldcost import CostReader

_TITLES = ("Ground Floor Plan", "First Floor Plan", "Roof Plan", "Elevations", "Sections", "Details")
_SIZE = 220_515
_LEAST_PADDED = 1 << 16  # any drawn sheet is smaller
_KINDS = {"sheet": DOCUMENT, "document": DOCUMENT, "file": FILE}


def read_world(document: str | bytes | Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `World` that a JSON document describes."""
    if isinstance(document, str | bytes):
        try:
            document = json.loads(document)
        except ValueError as error:
            raise WorldError("world", f"is not JSON: {error}") from None
    top = Node(document, "world")
    reader = _Reader(top.number("seed", 0, least=-(2**63)))
    apps = [reader.app(node) for node in top.nodes("apps")] or list(DEFAULT_APPS)
    users = [reader.user(node) for node in top.nodes("users")]
    warnings = [reader.warning(node) for node in top.nodes("warnings")]
    hubs = [reader.hub(node) for node in top.nodes("hubs")]
    behaviour = _behaviour(top.get("behaviour", dict, {}))
    top.done()
    return {
        "behaviour": behaviour,
        "hubs": hubs,
        "apps": {app.client_id: app for app in apps},
        "users": {user.id: user for user in users or [DEFAULT_USER]},
        "warnings": warnings,
    }


def _behaviour(document: dict[str, Any]) -> Behaviour:
    try:
        return Behaviour.from_json(document)
    except BehaviourError as error:
        raise WorldError("world.behaviour", str(error)) from None


@attrs.define
class _Reader:
    seed: int
    pages: int = 0
    """Sheets read so far: the page of the next one that names none."""

    def app(self, node: Node) -> App:
        app = App(
            node.text("id"),
            node.text("secret"),
            node.flag("provisioned", default=True),
            redirect_uris=node.texts("redirectUris"),
            name=node.text("name"),
        )
        if not app.client_id or not (app.client_secret or app.redirect_uris):
            raise WorldError(node.place, "needs an id and a secret, or redirectUris as a public client")
        node.done()
        return app

    def user(self, node: Node) -> User:
        projects = frozenset(node.texts("projects")) if "projects" in node.values else None
        user = User(
            node.text("id"),
            node.text("name"),
            projects,
            frozenset(node.texts("deniedFolders")),
            email=node.text("email"),
            password=node.text("password", PASSWORD),
        )
        if not user.id:
            raise WorldError(node.place, "needs an id")
        if "projects" not in node.values:
            node.texts("projects")
        node.done()
        return user

    def warning(self, node: Node) -> Warning_:
        region = node.text("region", "APAC")
        title = node.text("title", f"Unable to get hubs from BIM360DM {region}.")
        detail = node.text("detail", "You don't have permission to access this API")
        node.done()
        return Warning_(region, title, detail)

    def hub(self, node: Node) -> Hub:
        name = node.text("name", "Hub")
        identity = node.text("id") or f"b.{derived_uuid(self.seed, node.place, name)}"
        if not identity.startswith(("b.", "a.")):
            identity = f"b.{identity}"
        hub = Hub(identity, name, node.text("region", "US"))
        hub.projects.extend(self.project(child, hub) for child in node.nodes("projects"))
        node.done()
        return hub

    def project(self, node: Node, hub: Hub) -> Project:
        name = node.text("name", "Project")
        identity = node.text("id").removeprefix("b.") or derived_uuid(self.seed, node.place, name)
        kind = node.text("projectType", "BIM360")
        project = Project(identity, name, kind, hub, forbidden=node.flag("forbidden"))
        project.cost.container = identity if kind == "ACC" else derived_uuid("cost", identity)
        project.root = self.folder_urn(hub, project.id, "root")
        project.folders.extend(self.folder(child, project, None) for child in node.nodes("folders"))
        SheetReader(self.seed, project).read(node)
        cost = node.get("cost", dict, None)
        if cost is not None:
            CostReader(self.seed, project).read(Node(cost, f"{node.place}.cost"))
        node.done()
        return project

    def folder_urn(self, hub: Hub, *key: object) -> str:
        return f"urn:adsk.{environment(hub.region)}:fs.folder:co.{token22(self.seed, 'folder', *key)}"

    def folder(self, node: Node, project: Project, parent: Folder | None) -> Folder:
        name = node.text("name", "Folder")
        actions, types, kind = _defaults(name, project, parent)
        folder = Folder(
            id=node.text("id") or self.folder_urn(project.hub, project.id, node.place, name),
            name=name,
            project=project,
            parent=parent,
            actions=node.texts("actions", actions),
            visible_types=node.texts("visibleTypes", types),
            folder_type=node.text("folderType", kind),
            hidden=node.flag("hidden"),
            deleted=node.flag("deleted"),
        )
        self.sheets(node, folder)
        for child in node.nodes("items"):
            folder.items.append(self.item(child, folder))
        children = node.nodes("folders") + node.nodes("children")
        folder.folders.extend(self.folder(child, project, folder) for child in children)
        node.done()
        return folder

    def sheets(self, node: Node, folder: Folder) -> None:
        """The short form `"sheets": 12`."""
        number = node.number("sheets", 0)
        if not number:
            return
        source = f"{folder.name}.pdf"
        size = max(_SIZE, 20_000 * number)
        file = Node({"type": "file", "name": source, "size": size}, f"{node.place}.sheets[file]")
        folder.items.append(self.item(file, folder))
        for i in range(number):
            values = {
                "number": f"A-{100 * (1 + i // 99) + 1 + i % 99}",
                "title": _TITLES[i % len(_TITLES)],
                "source": source,
            }
            folder.items.append(self.item(Node(values, f"{node.place}.sheets[{i}]"), folder))

    def item(self, node: Node, folder: Folder) -> Item:
        word = node.text("type", "sheet")
        if word not in _KINDS:
            raise WorldError(f"{node.place}.type", f"must be 'sheet' or 'file', not {word!r}")
        kind = _KINDS[word]
        name = (
            node.text("name")
            or node.text("number")
            or f"{'Sheet' if kind == DOCUMENT else 'File'} {len(folder.items) + 1}"
        )
        node.text("number")
        source = self.source(node, folder)
        tail = token22(self.seed, "item", folder.id, node.place, name)
        item = Item(
            id=node.text("id") or f"urn:adsk.{environment(folder.project.hub.region)}:dm.lineage:{tail}",
            kind=kind,
            name=name,
            folder=folder,
            title=self.title(node, kind, name),
            order=_order_after(folder.items),
            source_file_name=node.text("sourceFileName", source.name if source else _source_name(kind, name)),
            source=source,
            process_state=node.text("processState", DONE),
            hidden=node.flag("hidden"),
            deleted=node.flag("deleted"),
            fails=node.flag("fails"),
            never=node.flag("never"),
            size=0,
            padded_to=node.number("bytes", 0, least=_LEAST_PADDED) or None,
            pages=node.number("pages", 1, least=1),
            no_views=node.flag("noViews"),
            unprocessed=node.flag("unprocessed"),
            chunked=node.flag("chunked"),
        )
        item.size = node.number("size", item.padded_to or _SIZE, least=1)
        if kind == FILE and name.lower().endswith(".docx"):
            item.size = len(plain_docx(name))
        item.page = self.page(node, kind)
        item.versions.extend(self.versions(node, item, tail))
        node.done()
        return item

    def title(self, node: Node, kind: str, name: str) -> str:
        title = node.text("title")
        if node.flag("titleless"):
            return ""
        return title or ("" if kind == FILE else f"Sheet {name}")

    def source(self, node: Node, folder: Folder) -> Item | None:
        name = node.text("source")
        if not name:
            return None
        for item in folder.items:
            if item.kind == FILE and item.name == name:
                return item
        raise WorldError(f"{node.place}.source", f"no file {name!r} comes before it in this folder")

    def page(self, node: Node, kind: str) -> int:
        if kind == DOCUMENT:
            self.pages += 1
        return node.number("page", max(self.pages, 1), least=1) - 1

    def versions(self, node: Node, item: Item, tail: str) -> list[Version]:
        env = environment(item.folder.project.hub.region)
        given = node.values.get("versions", 1)
        if isinstance(given, list):
            urns = list(node.texts("versions"))
        else:
            urns = [
                f"urn:adsk.{env}:fs.file:vf.{tail}?version={n + 1}" for n in range(node.number("versions", 1, least=1))
            ]
        if not urns:
            raise WorldError(f"{node.place}.versions", "needs at least one version")
        given_storage = node.text("storage")
        versions: list[Version] = []
        for n, urn in enumerate(urns):
            storage = given_storage
            if item.kind == FILE and not storage:
                suffix = item.name.rpartition(".")[2] if "." in item.name else "bin"
                key = derived_uuid(self.seed, item.id, *([n] if n else []))
                storage = f"urn:adsk.objects:os.object:{bucket(item.folder.project.hub.region)}/{key}.{suffix}"
            versions.append(Version(urn, n + 1, item, storage or None))
        return versions


def _order_after(items: list[Item]) -> int:
    """How many sheets these are, of which each one knows how many come before it."""
    return items[-1].order + (items[-1].kind == DOCUMENT) if items else 0


def _source_name(kind: str, name: str) -> str:
    return name if kind == FILE else "plans.pdf"


def _defaults(name: str, project: Project, parent: Folder | None) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Actions, visible types and folder type of a folder that says nothing about them."""
    if parent is not None:
        return parent.actions, parent.visible_types, parent.folder_type
    if name == "Plans" and project.kind == "BIM360":
        return ("SPLIT",), ("items:autodesk.bim360:Document",), "normal"
    return ("CONVERT",), ("items:autodesk.bim360:File",), "normal"
