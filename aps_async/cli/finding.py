"""The commands that list what other commands take: projects, sheets, files, Cost documents and their ids."""

from functools import partial
from typing import Annotated, Any

import typer

from aps_async.cli.options import JSON_ARRAY, PROJECT, USER_ID
from aps_async.cli.selecting import (
    COLLECTION,
    EXCLUDE,
    FOLDER,
    MATCH,
    SET,
    SHEET,
    SINCE,
    TAG,
    a_cost_type,
    many,
)

TYPE = Annotated[
    str,
    typer.Option(
        "--type",
        metavar="WORD",
        parser=a_cost_type,
        help="Budget, Contract, CostItem, Payment, Expense, SCO, OCO and so on.",
    ),
]
REGION = Annotated[
    str | None, typer.Option("--region", metavar="REGION", help="US, EMEA and so on: saves the service a look-up.")
]
CONTAINER = Annotated[
    str | None, typer.Option("--container", metavar="ID", help="The cost container, where it is not the project's id.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (projects, sheets, collections, sets, files, cost):
        app.command()(command)


def projects(user_id: USER_ID = None, json: JSON_ARRAY = False) -> Any:
    """List the projects that the app (or the user) may see."""
    from aps_async.cli import listing

    return partial(listing.projects, user_id=user_id, as_json=json)


def sheets(
    project: PROJECT,
    sheet: SHEET = None,
    match: MATCH = None,
    exclude: EXCLUDE = None,
    folder: FOLDER = None,
    sheet_set: SET = None,
    collection: COLLECTION = None,
    tag: TAG = None,
    since: SINCE = None,
    user_id: USER_ID = None,
    json: JSON_ARRAY = False,
) -> Any:
    """List a project's sheets that can be exported."""
    from aps_async.cli import listing
    from aps_async.cli.addresses import place_in
    from aps_async.cli.choice import Choice

    place = place_in(project, folder=folder, sheets=many(sheet), sheet_set=sheet_set, match=many(match))
    project = place.pop("project")
    choice = Choice(
        **place,
        match=many(match),
        exclude=many(exclude),
        sheet_set=sheet_set,
        collection=collection,
        tag=many(tag),
        since=since,
    )
    return partial(listing.sheets, project, choice, user_id=user_id, as_json=json)


def collections(project: PROJECT, user_id: USER_ID = None, json: JSON_ARRAY = False) -> Any:
    """List the collections of an ACC project's sheets."""
    from aps_async.cli import listing

    return partial(listing.collections, project, user_id=user_id, as_json=json)


def sets(project: PROJECT, collection: COLLECTION = None, user_id: USER_ID = None, json: JSON_ARRAY = False) -> Any:
    """List the version sets of an ACC project's sheets."""
    from aps_async.cli import listing

    return partial(listing.sets, project, collection=collection, user_id=user_id, as_json=json)


def files(
    project: PROJECT,
    folder: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Only this folder and what is below, by path or URN."),
    ] = None,
    user_id: USER_ID = None,
    json: JSON_ARRAY = False,
) -> Any:
    """List a project's folders and files with their URNs, which 'download' and --folder take."""
    from aps_async.cli import listing
    from aps_async.cli.addresses import place_in

    place = place_in(project, folder=folder, takes_file=False)
    return partial(listing.files, place["project"], folder=place["folder"], user_id=user_id, as_json=json)


def cost(
    project: PROJECT,
    association_type: TYPE,
    container: CONTAINER = None,
    region: REGION = None,
    json: JSON_ARRAY = False,
) -> Any:
    """List budgets, contracts, change orders and so on with the ids that 'cost-documents' takes. Needs a login."""
    from aps_async.cli import listing

    return partial(listing.cost, project, kind=association_type, container=container, region=region, as_json=json)
