"""What Cost documents belong to: its lists to the last page, and the names of files."""

import time
from typing import Any

import pytest

from aps_async import InputError, NotAllowedError
from aps_async.errors import ServerError
from aps_async.resources import cost
from aps_async.resources.associations import (
    LISTS,
    TYPES,
    Association,
    find_labels,
    list_associations,
    name_jobs,
    published_type,
)
from aps_async.simulator import Fault
from tests.resources.test_cost import account, asked, ids, project_of, query_of

pytestmark = pytest.mark.looptime(start=time.monotonic)

MANY: dict[str, Any] = {
    "hubs": [
        {
            "projects": [
                {
                    "name": "Tower",
                    "projectType": "ACC",
                    "cost": {
                        "budgets": [{"name": f"B {n}", "code": f"{n:03}", "documents": int(n < 3)} for n in range(250)],
                        "payments": [{"name": "May", "code": "7"}],
                        "budgetPayments": [{"name": "June"}],
                    },
                }
            ]
        }
    ]
}


async def test_every_page_is_read_and_ids_are_split() -> None:
    async with account(MANY) as (simulator, session):
        project = project_of(simulator).id
        found = [each async for each in list_associations(session, f"b.{project}", "budget", region="US")]
        assert [each.label for each in found] == [f"{n:03} B {n}" for n in range(250)]
        assert [query_of(each)["offset"] for each in asked(simulator, "cost_budgets")] == [["0"], ["100"], ["200"]]
        wanted = [each.id.upper() for each in found[:90]]
        some = [each async for each in list_associations(session, project, "Budget", ids=wanted)]
        assert some == found[:90]
        assert len(asked(simulator, "cost_budgets")) == 3 + 3
        assert [each async for each in list_associations(session, project, "Budget", ids=[])] == []


@pytest.mark.parametrize(("word", "labels"), [("Payment", ["7 May"]), ("BudgetPayment", ["June"]), ("PCO", [])])
async def test_payments_of_both_kinds(word: str, labels: list[str]) -> None:
    async with account(MANY) as (simulator, session):
        found = [each async for each in list_associations(session, project_of(simulator).id, word)]
        assert [each.label for each in found] == labels


@pytest.mark.parametrize("word", TYPES)
def test_published_words_are_taken_in_any_case(word: str) -> None:
    assert {published_type(form) for form in (word, word.lower(), f" {word.upper()} ")} == {word}


async def test_types_without_a_list_are_refused() -> None:
    assert set(LISTS) < set(TYPES)
    async with account(MANY) as (_, session):
        for word in set(TYPES) - set(LISTS):
            with pytest.raises(InputError, match="has no list of type"):
                [each async for each in list_associations(session, "p", word)]
        with pytest.raises(InputError, match="did you mean 'Budget'"):
            [each async for each in list_associations(session, "p", "Bugdet")]


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({"code": "05 12", "name": "Steel"}, "05 12 Steel"),
        ({"number": "7", "name": " "}, "7"),
        ({"name": "Steel"}, "Steel"),
        ({"code": "", "number": "7"}, "7"),
        ({}, ""),
    ],
)
def test_labels(given: dict[str, Any], label: str) -> None:
    assert Association(id="1", **given).label == label


async def jobs_of(simulator: Any, session: Any, *names: str, kind: str = "Budget") -> Any:
    return await cost.list_exports(
        session, project_of(simulator).id, association_type=kind, association_ids=ids(simulator, *names)
    )


async def test_files_are_named_by_what_they_belong_to_and_their_names_in_docs() -> None:
    async with account(MANY) as (simulator, session):
        jobs = await name_jobs(session, await jobs_of(simulator, session, "B 0", "B 2"))
        assert [job.ref.request.name for job in jobs] == ["000 B 0 - Budget Summary", "002 B 2 - Budget Summary"]
        item = project_of(simulator).cost.documents[0].item
        item.name = "Letter to the owner.docx"
        [job] = await name_jobs(session, await jobs_of(simulator, session, "B 0"))
        assert job.ref.request.name == "000 B 0 - Letter to the owner"
        assert await name_jobs(session, []) == []


@pytest.mark.parametrize(("status", "endpoint"), [(403, "cost_budgets"), (404, "cost_budgets"), (400, "cost_budgets")])
async def test_without_the_list_the_name_in_docs_serves(status: int, endpoint: str) -> None:
    async with account(MANY) as (simulator, session):
        simulator.add_fault(Fault(endpoint=endpoint, kind="status", status=status))
        [job] = await name_jobs(session, await jobs_of(simulator, session, "B 0"))
        assert job.ref.request.name == "000 B 0 - Budget Summary"
        simulator.add_fault(Fault(endpoint="version", kind="status", status=403))
        [job] = await name_jobs(session, await jobs_of(simulator, session, "B 0"))
        assert job.ref.request.name == f"Budget {ids(simulator, 'B 0')[0]}", "where neither is known"


async def test_without_the_name_in_docs_the_label_serves() -> None:
    async with account(MANY) as (simulator, session):
        simulator.add_fault(Fault(endpoint="version", kind="status", status=403))
        [job] = await name_jobs(session, await jobs_of(simulator, session, "B 0"))
        assert job.ref.request.name == "000 B 0"


async def test_an_outage_is_no_missing_name() -> None:
    async with account(MANY) as (simulator, session):
        jobs = await jobs_of(simulator, session, "B 0")
        simulator.add_fault(Fault(endpoint="cost_budgets", kind="status", status=503))
        with pytest.raises(ServerError):
            await name_jobs(session, jobs)


async def test_change_orders_that_are_asked_for_as_forms_are_named_too() -> None:
    async with account() as (simulator, session):
        project_of(simulator).cost.documents[-1].item.name = "Letter.docx"
        [job] = await name_jobs(session, await jobs_of(simulator, session, "Piles", kind="FormInstance"))
        assert job.ref.request.name is not None
        assert job.ref.request.name.endswith("Piles - Letter")
        assert len(asked(simulator, "cost_change_orders")) == 5, "one call for each kind, as it is the last one"
        source = job.ref.request.cost
        assert source is not None
        assert await find_labels(session, source, []) is None
        simulator.add_fault(Fault(endpoint="cost_change_orders", kind="status", status=403))
        [job] = await name_jobs(session, await jobs_of(simulator, session, "Piles", kind="FormInstance"))
        assert job.ref.request.name == "Letter"
        with pytest.raises(NotAllowedError):
            [each async for each in list_associations(session, project_of(simulator).id, "sco")]
