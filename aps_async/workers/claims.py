"""PgQueuer's tables and its statement for taking rows. Imported only where the extra `workers` is installed."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence import qb
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import QueueEntrypoint, QueueManagerId

from aps_async.workers.database import Database

__all__ = ["Claims", "queries_on"]
__dir__: object = __all__.copy


def _settings() -> DBSettings:
    # Its log is informative only, so it may lose entries if the database crashes.
    return DBSettings(prefix="aps_", durability=Durability.balanced)


def queries_on(connection: Any) -> Queries:
    """PgQueuer's statements for our tables, on one asyncpg connection."""
    settings = _settings()
    builders = qb.QueryBuilderEnvironment(settings=settings), qb.QueryQueueBuilder(settings=settings)
    return Queries(AsyncpgDriver(connection), *builders)


class Claims:
    """Takes rows that are due, or whose worker has sent no heartbeat, for one worker.

    Args:
        database: an open database.
        holder: the worker's id in the rows that it holds.
        heartbeat: seconds after which a worker without a heartbeat loses its rows.
    """

    def __init__(self, database: Database, holder: UUID, heartbeat: float) -> None:
        self._database = database
        self._holder = QueueManagerId(holder)
        self._heartbeat = timedelta(seconds=heartbeat)
        self._builder = qb.QueryQueueBuilder(settings=_settings())

    async def take(self, entrypoints: Sequence[str], count: int) -> list[Any]:
        """Takes at most this many rows of these entrypoints, highest priority first."""
        query = self._builder.build_dequeue_query(
            batch_size=count,
            entrypoints=[QueueEntrypoint(name) for name in entrypoints],
            concurrency_limits=[0] * len(entrypoints),
            queue_manager_id=self._holder,
            global_concurrency_limit=None,
            heartbeat_timeout=self._heartbeat,
        )
        return await self._database.fetch(query.sql, *query.args)
