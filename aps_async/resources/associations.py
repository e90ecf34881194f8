"""What Cost documents belong to: budgets, contracts, change orders and so on, with their names and ids.

https://aps.autodesk.com/en/docs/acc/v1/reference/http/cost-budgets-GET/
"""

from collections.abc import AsyncIterator, Sequence

from attrs import field, frozen

from aps_async.errors import InputError
from aps_async.ids import bare_id, path_part
from aps_async.resources.jsonapi import NewItems
from aps_async.session import Session
from aps_async.text import listing
from aps_async.transport.converter import lenient
from aps_async.transport.quotas import Endpoint

PAGE = 100
_AT_ONCE = 40
"""Ids of one `filter[id]`, so that the URL stays short enough for every server and proxy."""


@frozen
class _List:
    """Where the service lists a type. Quotas: cost-rate-limits, per user and endpoint."""

    path: str
    endpoint: Endpoint
    query: dict[str, str | int | bool] = field(factory=dict)


def _endpoint(name: str, budget: int) -> Endpoint:
    return Endpoint(f"cost.{name}", budget, large=True, token="signed-in user")


_PAYMENTS = _endpoint("payments", 300)
_CHANGE_ORDERS = _endpoint("change_orders", 60)
LISTS = {
    "Budget": _List("budgets", _endpoint("budgets", 300)),
    "Contract": _List("contracts", _endpoint("contracts", 120)),
    "CostItem": _List("cost-items", _endpoint("cost_items", 60)),
    "Payment": _List("payments", _PAYMENTS, {"filter[associationType]": "Contract"}),
    "BudgetPayment": _List("payments", _PAYMENTS, {"filter[associationType]": "MainContract"}),
    "Expense": _List("expenses", _endpoint("expenses", 50)),
    "MainContract": _List("main-contracts", _endpoint("main_contracts", 120)),
    **{kind: _List(f"change-orders/{kind.lower()}", _CHANGE_ORDERS) for kind in ("PCO", "RFQ", "RCO", "OCO", "SCO")},
}
"""The types that can be listed. A `FormInstance` is a change order of any kind."""
TYPES = (*LISTS, "FormInstance")
"""The published words of association types."""


@lenient
@frozen
class Association:
    """Something in Cost Management that documents belong to."""

    id: str
    """A UUID."""
    code: str | None = None
    """Of budgets and contracts."""
    number: str | None = None
    """Of payments, expenses, cost items and change orders."""
    name: str | None = None

    @property
    def label(self) -> str:
        """Code or number and name, as far as it has any."""
        return " ".join(part.strip() for part in (self.code or self.number, self.name) if part and part.strip())


@frozen
class _Pagination:
    total_results: int | None = None


@frozen
class _Page:
    results: tuple[Association, ...]
    pagination: _Pagination | None = None


def published_type(word: str) -> str:
    """The published word for a type, whatever case it is given in.

    Raises:
        InputError: there is no such word; the message lists them.
    """
    known = {each.casefold(): each for each in TYPES}
    if found := known.get(word.strip().casefold()):
        return found
    raise InputError(f"there is no association type {word!r}; there are: {listing(word, TYPES)}")


async def list_associations(
    session: Session,
    container_id: str,
    association_type: str,
    *,
    ids: Sequence[str] | None = None,
    region: str | None = None,
) -> AsyncIterator[Association]:
    """Budgets, contracts, change orders and so on of a project, 100 a page (scope `data:read`).

    Needs a user's token: three-legged or a service account's. The quota is 50 to 300 calls a minute, by the type.

    Args:
        session: the session.
        container_id: the project's id, with or without `b.`.
        association_type: one of `LISTS`, in any case.
        ids: only these; 40 of them take one call.
        region: `US`, `EMEA` and so on: saves the service a look-up.

    Raises:
        InputError: the type is not known or cannot be listed, or the token is two-legged.
        APSError: as `Session.request`.
    """
    word = published_type(association_type)
    if word not in LISTS:
        raise InputError(f"{word} documents belong to change orders: list these as PCO, RFQ, RCO, OCO or SCO")
    known = LISTS[word]
    path = f"/cost/v1/containers/{path_part(bare_id(container_id, 'container'))}/{known.path}"
    cuts = [ids[at : at + _AT_ONCE] for at in range(0, len(ids), _AT_ONCE)] if ids is not None else [None]
    for some in cuts:
        query = {**known.query, "filter[id]": ",".join(some)} if some is not None else known.query
        offset, new = 0, NewItems(path)
        while True:
            page = await session.request(
                known.endpoint,
                "GET",
                path,
                into=_Page,
                query={**query, "limit": PAGE, "offset": offset},
                headers={"region": region} if region else None,
            )
            for found in new.of_page(page.results):
                yield found
            offset += len(page.results) or PAGE
            total = page.pagination.total_results if page.pagination else None
            if offset >= total if total is not None else len(page.results) < PAGE:
                break
