"""Cost Management: the lists of budgets, contracts, change orders and so on, which name what documents belong to.

https://aps.autodesk.com/en/docs/acc/v1/reference/http/cost-budgets-GET/

Unconfirmed: whether budgets and the others have more fields in common than these, and the order of the lists.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from .cost import CONTAINER, project_of, refuse
from .parts import Association
from .replies import Reply, json_reply
from .requests import whole_number
from .routing import Call, Endpoint

_CODED = ("Budget", "Contract", "MainContract")
_PAGE = 100


def _document(association: Association) -> dict[str, Any]:
    """What all of them have; a code where the reference has one, and else a number."""
    code = {"code" if association.kind in _CODED else "number": association.code or None}
    return {"id": association.id, **code, "name": association.name, "description": None}


def _integer(call: Call, name: str, default: int, least: int, most: int) -> int:
    text = call.query.get(name, str(default))
    number = whole_number(text, least, most)
    if number is None:
        raise refuse(400, "", f"{name} must be a number from {least} to {most}, not {text!r}.", name)
    return number


def _page(call: Call, *kinds: str) -> Reply:
    found = [one for one in project_of(call).cost.associations.values() if one.kind in kinds]
    if "filter[id]" in call.query:
        wanted = {text.strip().lower() for text in call.query["filter[id]"].split(",")}
        found = [one for one in found if one.id.lower() in wanted]
    offset, limit = _integer(call, "offset", 0, 0, 10**9), _integer(call, "limit", _PAGE, 1, _PAGE)
    end = offset + limit
    more = f"{call.simulator.url}{call.raw_path}?offset={end}&limit={limit}" if end < len(found) else ""
    pagination = {"totalResults": len(found), "limit": limit, "offset": offset, "nextUrl": more}
    return json_reply(200, {"results": [_document(one) for one in found[offset:end]], "pagination": pagination})


def _lists(kind: str) -> Callable[[Call], Coroutine[Any, Any, Reply]]:
    async def answer(call: Call) -> Reply:
        return _page(call, kind)

    return answer


async def payments(call: Call) -> Reply:
    """GET payments: of contracts and of main contracts, or of those of one kind only."""
    kinds = {"Contract": ("Payment",), "MainContract": ("BudgetPayment",), "": ("Payment", "BudgetPayment")}
    chosen = call.query.get("filter[associationType]", "")
    if chosen not in kinds:
        name = "filter[associationType]"
        raise refuse(400, "", f"{name} must be Contract or MainContract, not {chosen!r}.", name)
    return _page(call, *kinds[chosen])


async def change_orders(call: Call) -> Reply:
    """GET change-orders/:changeOrder."""
    kind = call.params["kind"]
    if kind not in ("pco", "rfq", "rco", "oco", "sco"):
        raise refuse(400, "", "changeOrder must be pco, rfq, rco, oco or sco.", "changeOrder")
    return _page(call, kind.upper())


ENDPOINTS = (
    Endpoint("cost_budgets", "GET", f"{CONTAINER}/budgets", "data:read", 300, _lists("Budget")),
    Endpoint("cost_contracts", "GET", f"{CONTAINER}/contracts", "data:read", 120, _lists("Contract")),
    Endpoint("cost_main_contracts", "GET", f"{CONTAINER}/main-contracts", "data:read", 120, _lists("MainContract")),
    Endpoint("cost_items", "GET", f"{CONTAINER}/cost-items", "data:read", 60, _lists("CostItem")),
    Endpoint("cost_expenses", "GET", f"{CONTAINER}/expenses", "data:read", 50, _lists("Expense")),
    Endpoint("cost_payments", "GET", f"{CONTAINER}/payments", "data:read", 300, payments),
    Endpoint("cost_change_orders", "GET", f"{CONTAINER}/change-orders/{{kind}}", "data:read", 60, change_orders),
)
