"""The things that Cost documents belong to: budgets, contracts, change orders and so on, with names and ids.

https://aps.autodesk.com/en/docs/acc/v1/reference/http/cost-budgets-GET/
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing

from attrs import evolve, field, frozen

from aps_async.downloads.filenames import split_suffix
from aps_async.errors import APSError, InputError, ResponseError
from aps_async.ids import bare_id, path_part
from aps_async.models import CostSource, ExportJob
from aps_async.resources.offsets import PAGE, Pagination, listed
from aps_async.resources.projects import get_version
from aps_async.session import Session
from aps_async.text import did_you_mean, look
from aps_async.transport.converter import lenient
from aps_async.transport.quotas import Endpoint
from aps_async.transport.request import Query

__all__ = ["LISTS", "TYPES", "Association", "find_labels", "list_associations", "name_jobs", "published_type"]
__dir__: object = __all__.copy

_AT_ONCE = 40
"""Ids of one `filter[id]`, so that the URL stays short enough for every server and proxy."""


@frozen
class _List:
    """Where the service lists a type. Quotas: cost-rate-limits, per user and endpoint."""

    path: str
    endpoint: Endpoint
    query: dict[str, str | int | bool] = field(factory=dict[str, str | int | bool])


def _endpoint(name: str, budget: int) -> Endpoint:
    return Endpoint(f"cost.{name}", budget, large=True, token="signed-in user")


_PAYMENTS = _endpoint("payments", 300)
_CHANGE_ORDERS = _endpoint("change_orders", 60)
_KINDS_OF_CHANGE_ORDERS = ("PCO", "RFQ", "RCO", "OCO", "SCO")
LISTS = {
    "Budget": _List("budgets", _endpoint("budgets", 300)),
    "Contract": _List("contracts", _endpoint("contracts", 120)),
    "CostItem": _List("cost-items", _endpoint("cost_items", 60)),
    "Payment": _List("payments", _PAYMENTS, {"filter[associationType]": "Contract"}),
    "BudgetPayment": _List("payments", _PAYMENTS, {"filter[associationType]": "MainContract"}),
    "Expense": _List("expenses", _endpoint("expenses", 50)),
    "MainContract": _List("main-contracts", _endpoint("main_contracts", 120)),
    **{kind: _List(f"change-orders/{kind.lower()}", _CHANGE_ORDERS) for kind in _KINDS_OF_CHANGE_ORDERS},
}
"""The types that can be listed. A `FormInstance` is a change order of any kind."""
TYPES = (
    *LISTS, "FormInstance", "CostPayment", "PaymentItem", "ScheduleOfValue", "ExpenseItem", "DistributionItem",
    "BudgetTransfer", "Fee",
)  # fmt: skip
"""The published words of association types."""

_log = logging.getLogger(__name__)


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


@lenient
@frozen
class _Page:
    results: tuple[Association, ...]
    pagination: Pagination | None = None


def published_type(word: str) -> str:
    """The published word for a type, which may be given in any case.

    Raises:
        InputError: there is no such word; the message lists them.
    """
    known = {each.casefold(): each for each in TYPES}
    if found := known.get(word.strip().casefold()):
        return found
    raise InputError(f"there is no association type {word!r}; {did_you_mean(word, TYPES)}")


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
        hint = "; list change orders as PCO, RFQ, RCO, OCO or SCO" if word == "FormInstance" else ""
        raise InputError(f"the service has no list of type {word}: choose one of {', '.join(LISTS)}{hint}")
    known = LISTS[word]
    path = f"/cost/v1/containers/{path_part(bare_id(container_id, 'container'))}/{known.path}"
    cuts = [ids[at : at + _AT_ONCE] for at in range(0, len(ids), _AT_ONCE)] if ids is not None else [None]
    for some in cuts:
        query = {**known.query, "filter[id]": ",".join(some)} if some is not None else known.query

        async def read(offset: int, query: Query = query) -> _Page:
            return await session.request(
                known.endpoint,
                "GET",
                path,
                into=_Page,
                query={**query, "limit": PAGE, "offset": offset},
                headers={"region": region} if region else None,
            )

        async with aclosing(listed(session, path, read)) as found:
            async for each in found:
                yield each


async def find_labels(session: Session, source: CostSource, ids: Iterable[str]) -> dict[str, str] | None:
    """Codes and names of associations by their ids in lower case; None if the service does not list them.

    A `FormInstance` is looked for among the change orders of every kind.

    Raises:
        APSError: as `list_associations`, except for refusals of the list.
    """
    is_form = source.association_type == "FormInstance"
    kinds = _KINDS_OF_CHANGE_ORDERS if is_form else (source.association_type,)
    if kinds[0] not in LISTS:
        return None
    found: dict[str, str] | None = None
    wanted = list(ids)
    for kind in kinds:
        rest = [each for each in wanted if each.lower() not in (found or {})]
        if rest and (labels := await _labels(session, source, kind, rest)) is not None:
            found = {**(found or {}), **labels}
    return found


async def _labels(session: Session, source: CostSource, kind: str, ids: Sequence[str]) -> dict[str, str] | None:
    try:
        listed = list_associations(session, source.container_id, kind, ids=ids, region=source.region)
        return {each.id.lower(): each.label async for each in listed}
    except ResponseError as problem:
        if not problem.says(400, 403, 404):
            raise
        _log.info("no names of %s: %s", kind, problem)
        return None


async def name_jobs(session: Session, jobs: Sequence[ExportJob]) -> list[ExportJob]:
    """The same jobs of Cost documents, with names for their files: what they belong to, and their own names in Docs.

    Costs one call per document, and one per 40 things that they belong to. What cannot be found out is left out; an id
    serves only where neither is known.

    Args:
        session: the session; a user's token.
        jobs: as `cost.list_exports` returns them, all of one container and type.

    Raises:
        APSError: as `list_associations`, except for refusals.
    """
    source = next((job.ref.request.cost for job in jobs if job.ref.request.cost), None)
    if source is None:
        return list(jobs)
    labels = await find_labels(session, source, {job.ref.request.source_ids[0] for job in jobs}) or {}
    own = await asyncio.gather(*(_name_in_docs(session, job) for job in jobs))
    named: list[ExportJob] = []
    for job, name in zip(jobs, own, strict=True):
        request = job.ref.request
        label = labels.get(request.source_ids[0].lower()) or ""
        whole = _joined(label, name) if label else name or request.name
        named.append(evolve(job, ref=evolve(job.ref, request=evolve(request, name=whole))))
    return named


async def _name_in_docs(session: Session, job: ExportJob) -> str:
    """The name of a document's file, without suffix; empty while it has none, or if it may not be seen."""
    if job.version_urn is None:
        return ""
    try:
        version = await get_version(session, job.ref.project_id, job.version_urn)
    except APSError as problem:  # the download asks again, and reports it
        _log.info("no name of %s in Docs: %s", job.ref, problem)
        return ""
    return "" if version.name == version.urn else split_suffix(version.name)[0]


def _joined(label: str, name: str) -> str:
    """Both, unless the name says the label already."""
    if f" {look(label)} " in f" {look(name)} ":
        return name
    return f"{label} - {name}" if name else label
