"""Every field that the two reference pages list has a typed attribute of its own, and nothing is made up."""

import functools
import operator
import types
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
import pytest

from aps_async.resources import bim360, cost

# The field tables of the references, in their order:
# https://aps.autodesk.com/en/docs/bim360/v1/reference/http/document-management-projects-project_id-versions-version_id-exports-export_id-GET/
EXPORT = {"id": str, "status": str, "data": bim360.ExportResult}
EXPORT_DATA = {"versionUrn": str, "resourceId": str, "link": str, "signedUrl": str}
# https://aps.autodesk.com/en/docs/bim360/v1/reference/http/cost-documents-GET/
JOB_ID = int | float | str  # the page says number, and that it is not relevant
DOCUMENT = {
    "id": str, "recipientId": str, "signedBy": str, "urn": str, "pdfUrn": str, "status": str, "jobId": JOB_ID,
    "errorInfo": cost.ErrorInfo, "associationId": str, "associationType": str, "createdAt": datetime,
    "updatedAt": datetime,
}  # fmt: skip
ERROR_INFO = {"code": str, "message": str, "detail": str}

TABLES: dict[type, Mapping[str, object]] = {
    bim360.ExportAnswer: EXPORT,
    bim360.ExportResult: EXPORT_DATA,
    cost.CostDocument: DOCUMENT,
    cost.ErrorInfo: ERROR_INFO,
}


def camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def plain(hint: Any) -> Any:
    """`str` from `str | None`."""
    if get_origin(hint) in (types.UnionType, Union):
        hint = functools.reduce(operator.or_, [each for each in get_args(hint) if each is not type(None)])
    return hint


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
def test_attributes_are_the_fields_of_the_page(model: Any) -> None:
    hints = get_type_hints(model)
    ours = {camel(field.name): plain(hints[field.name]) for field in attrs.fields(model)}
    assert ours == TABLES[model]


def test_every_word_of_the_pages_enumerations_has_a_meaning() -> None:
    assert set(bim360.STATES) == {"committed", "completed", "failed"}
    assert set(cost.STATES) == {
        word.lower() for word in ("Pending", "Started", "Completed", "Failed", "PendingSign", "Signed")
    }
    assert cost.ASSOCIATION_TYPES == (
        "Budget", "Contract", "CostItem", "FormInstance", "Payment", "BudgetPayment", "Expense", "OCO", "SCO"
    )  # fmt: skip
