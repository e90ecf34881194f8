"""The docx that Cost Management generates, and the hidden folder it lies in."""

import random

from .docx import Letter, make_docx
from .parts import FILE, Association, CostDocument, Folder, Item, Project, Version
from .urns import derived_uuid, environment, token22

_LINES = ("Labour", "Material", "Equipment", "Subcontract", "Permits and fees", "Contingency")


def cost_folder(project: Project) -> Folder:
    """The hidden folder of a project's generated documents; made if it does not exist."""
    name = f"COST Root Folder {project.id}"
    for folder in project.folders:
        if folder.name == name:
            return folder
    urn = f"urn:adsk.{environment(project.hub.region)}:fs.folder:co.{token22('cost folder', project.id)}"
    folder = Folder(urn, name, project, folder_type="CONTAINER_VIRTUAL", hidden=True)
    project.folders.append(folder)
    return folder


def publish(document: CostDocument) -> Item:
    """Put the finished document into the hidden folder."""
    if document.item is not None:
        return document.item
    association = document.association
    folder = cost_folder(association.project)
    env, tail = environment(folder.project.hub.region), token22("cost document", document.id)
    name = f"{association.code or association.kind} {association.name} - {document.template}.docx".replace("/", "-")
    lineage = f"urn:adsk.{env}:dm.lineage:{tail}"
    for other in folder.items:  # another simulator of the same world was asked for the same
        if other.id == lineage:
            document.item = other
            return other
    item = Item(lineage, FILE, name, folder, source_file_name=name)
    item.document = document
    item.size = len(docx_of(document))
    storage = f"urn:adsk.objects:os.object:{bucket(folder.project.hub.region)}/{derived_uuid('cost', document.id)}.docx"
    item.versions.append(Version(f"urn:adsk.{env}:fs.file:vf.{tail}?version=1", 1, item, storage))
    folder.items.append(item)
    document.item = item
    return item


def bucket(region: str) -> str:
    """The bucket that Data Management keeps a region's files in."""
    return "wip.dm.prod" if region == "US" else f"wip.dm.{region.lower()}.2"


def plain_docx(name: str, revision: int = 0) -> bytes:
    """A Word file as a user uploads it."""
    rows = (("Item", "State"), ("Rooms and areas", "agreed"), ("Programme", "draft"), ("Budget", "agreed"))
    text = "What the building has to do, in the words of its future users."
    again = (f"Replaced {revision} times.",) if revision else ()
    return make_docx(Letter(name.rpartition(".")[0] or name, "Northlight", (text, *again), "Overview", rows))


def docx_of(document: CostDocument, revision: int = 0) -> bytes:
    """The document as a file."""
    association = document.association
    return make_docx(
        Letter(
            title=document.template,
            author="Cost Management",
            paragraphs=(
                f"Project: {association.project.name}",
                f"{association.kind}: {association.code} {association.name}".strip(),
                f"Document no. {document.number}" + (f", replaced {revision} times" if revision else ""),
            ),
            heading="Summary of values",
            rows=_rows(association),
        )
    )


def _rows(association: Association) -> tuple[tuple[str, ...], ...]:
    """Lines that add up to the association's amount."""
    dice = random.Random(f"cost|{association.id}")  # noqa: S311 - the same figures every time
    cents, left = round(association.amount * 100), round(association.amount * 100)
    rows: list[tuple[str, ...]] = [("Code", "Description", "Quantity", "Unit price", "Amount")]
    for number, line in enumerate(_LINES, 1):
        share = left if number == len(_LINES) else round(cents * dice.uniform(0.05, 0.18))
        left -= share
        quantity = dice.randint(2, 40)
        code = f"{association.code}.{number:02d}" if association.code else f"{number:02d}"
        rows.append((code, line, str(quantity), f"{share / quantity / 100:,.2f}", f"{share / 100:,.2f}"))
    rows.append(("", "Total", "", "", f"{cents / 100:,.2f}"))
    return tuple(rows)
