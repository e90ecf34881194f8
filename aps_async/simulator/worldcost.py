"""Reading what Cost Management keeps for a project from JSON."""

from typing import Any

import attrs

from .costfiles import cost_folder, publish
from .nodes import Node
from .parts import Association, CostDocument, Project, WorldError
from .urns import derived_uuid

KINDS = {
    "budgets": "Budget",
    "contracts": "Contract",
    "costItems": "CostItem",
    "formInstances": "FormInstance",
    "payments": "Payment",
    "mainContracts": "MainContract",
    "budgetPayments": "BudgetPayment",
    "expenses": "Expense",
    "ocos": "OCO",
    "scos": "SCO",
}
TEMPLATES = {
    "Budget": "Budget Summary",
    "Contract": "Subcontract Agreement",
    "SCO": "Supplier Change Order",
    "OCO": "Owner Change Order",
    "Payment": "Payment Certificate",
}
_RUNNING = ("Pending", "Started")
_ENDS = ("Completed", "Failed", "PendingSign", "Signed")


@attrs.define
class CostReader:
    """Reads the `cost` of one project."""

    seed: int
    project: Project

    def read(self, node: Node) -> None:
        """Fill the project in; documents that are there from the beginning lie in the hidden folder afterwards."""
        cost = self.project.cost
        cost.container = node.text("container") or cost.container
        cost_folder(self.project)
        for child in node.nodes("templates"):
            name = child.text("name", "Template")
            cost.templates[child.text("id") or self._template_id(name)] = name
            child.done()
        for key, kind in KINDS.items():
            for child in node.nodes(key):
                self._association(child, kind)
        node.done()

    def _template_id(self, name: str) -> str:
        return derived_uuid(self.seed, "template", self.project.id, name)

    def _association(self, node: Node, kind: str) -> None:
        cost = self.project.cost
        name = node.text("name", f"{kind} {len(cost.associations) + 1}")
        association = Association(
            id=node.text("id") or derived_uuid(self.seed, kind, self.project.id, node.place, name),
            kind=kind,
            name=name,
            code=node.text("code"),
            amount=float(node.number("amount", 10_000 + 3_750 * len(cost.associations))),
            project=self.project,
        )
        key = association.id.lower()
        if key in cost.associations:
            raise WorldError(node.place, f"has the id {association.id!r}, which something else has too")
        cost.associations[key] = association
        if isinstance(node.values.get("documents"), list):
            children = node.nodes("documents")
        else:
            children = [Node({}, f"{node.place}.documents[{i}]") for i in range(node.number("documents", 0))]
        for i, child in enumerate(children):
            self._document(child, association, i)
        node.done()

    def _document(self, node: Node, association: Association, index: int) -> None:
        cost = self.project.cost
        default = TEMPLATES.get(association.kind, f"{association.kind} Report")
        template = node.text("template") or (f"{default} {index + 1}" if index else default)
        template_id = next((key for key, name in cost.templates.items() if name == template), "")
        template_id = template_id or self._template_id(template)
        cost.templates[template_id] = template
        status = _one_of(node, "status", (*_ENDS, *_RUNNING))
        document = CostDocument(
            id=node.text("id") or derived_uuid(self.seed, "document", association.id, template, index),
            association=association,
            template=template,
            template_id=template_id,
            number=len(cost.documents) + 1,
            recipient=node.text("recipient"),
            ends=_one_of(node, "ends", _ENDS) if status in _RUNNING else status,
            runs=status in _RUNNING,
            never=node.flag("never"),
        )
        node.done()
        cost.documents.append(document)
        if not document.runs and document.ends != "Failed":
            publish(document)


def _one_of(node: Node, name: str, words: tuple[str, ...]) -> str:
    word = node.text(name, words[0])
    if word not in words:
        raise WorldError(f"{node.place}.{name}", f"must be one of {', '.join(words)}, not {word!r}")
    return word


def summary(project: Project) -> dict[str, Any]:
    """What documents there can be asked for, in short."""
    cost = project.cost
    return {
        "container": cost.container,
        "templates": dict(cost.templates),
        "associations": [
            {"id": one.id, "type": one.kind, "name": one.name, "code": one.code} for one in cost.associations.values()
        ],
    }
