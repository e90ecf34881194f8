"""Numbers and titles of BIM 360 sheets, which Data Management does not have: up to 50 sheets a call."""

import logging

from attrs import evolve, frozen

from aps_async.errors import ResponseError
from aps_async.ids import path_part
from aps_async.models import Sheet
from aps_async.session import Session
from aps_async.transport.converter import lenient
from aps_async.transport.quotas import Endpoint

__all__ = ["BATCH_GET", "BATCH_LIMIT", "with_names"]
__dir__: object = __all__.copy

# No budget is published for batch-get; that of the other Document Management lists is a careful guess.
BATCH_GET = Endpoint("bim360.versions_batch_get", 300, large=True)
BATCH_LIMIT = 50

_log = logging.getLogger(__name__)


@lenient
@frozen
class _Names:
    urn: str
    title: str | None = None
    number: str | None = None
    revision_number: int | None = None


@frozen
class _Batch:
    results: tuple[_Names, ...] = ()


async def with_names(session: Session, sheets: list[Sheet], user_id: str | None) -> list[Sheet]:
    """Adds numbers and titles to the sheets that have none; without a useful response, the names serve as numbers."""
    nameless = [each for each in sheets if not each.number]
    if not nameless:
        return sheets
    path = f"/bim360/docs/v1/projects/{path_part(nameless[0].project_id)}/versions:batch-get"
    names: dict[str, _Names] = {}
    try:
        answer = await session.request(
            BATCH_GET, "POST", path, into=_Batch, json={"urns": [each.id for each in nameless]}, user_id=user_id
        )
        names = {found.urn: found for found in answer.results}
    except ResponseError as problem:
        if not problem.says(400, 403, 404):
            raise
        _log.info("no sheet numbers, names serve instead: %s", problem)
    return [each if each.number else _named(each, names.get(each.id)) for each in sheets]


def _named(sheet: Sheet, found: _Names | None) -> Sheet:
    """Uses the name if there is no number. The number of such a sheet is requested again by the next list."""
    if found is None:
        return evolve(sheet, number=sheet.title, title="", modified_at=None)
    return evolve(sheet, number=found.number or sheet.title, title=found.title or "", revision=found.revision_number)
