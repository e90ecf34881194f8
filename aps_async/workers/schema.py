"""Our tables beside those of the queue, their migrations, and the function `aps_take` that reserves quota places.

`aps_export` has one row for each request, from enqueueing to its outcome: the row is the outcome, so there cannot be
two. `aps_quota` has one row for each endpoint, with the calls that may count in the service's current window.
"""

from typing import Any

from aps_async.errors import DatabaseError

__all__ = ["LOCK", "MIGRATIONS", "VERSION", "check_version", "install", "is_installed"]
__dir__: object = __all__.copy

VERSION = 1
LOCK = 0x617073  # the advisory lock for creating the tables

_TABLES = """
CREATE TABLE aps_schema (version int NOT NULL);
CREATE TABLE aps_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    priority int NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    cancelled timestamptz
);
CREATE TABLE aps_export (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run bigint NOT NULL REFERENCES aps_run ON DELETE CASCADE,
    name text NOT NULL,
    kind text NOT NULL,
    request text NOT NULL,
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    export_id text,
    started timestamptz,
    tries int NOT NULL DEFAULT 0,
    turns int NOT NULL DEFAULT 0,
    polls int NOT NULL DEFAULT 0,
    finished timestamptz,
    place text,
    size bigint,
    sha256 text,
    lacks text,
    error text,
    UNIQUE (run, name)
) WITH (fillfactor = 80);
CREATE INDEX aps_export_open ON aps_export (state, kind) WHERE state IN ('waiting', 'running');
CREATE INDEX aps_export_failed ON aps_export (run, id) WHERE state = 'failed';
CREATE TABLE aps_quota (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL,
    endpoint text NOT NULL,
    resumes timestamptz NOT NULL DEFAULT '-infinity',
    refusals int NOT NULL DEFAULT 0,
    UNIQUE (owner, endpoint)
);
"""

_WORKERS = """
CREATE TABLE aps_worker (
    id text PRIMARY KEY,
    host text NOT NULL,
    pid int NOT NULL,
    version text NOT NULL,
    client_id text,
    user_id text,
    started timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat timestamptz NOT NULL DEFAULT clock_timestamp(),
    waits_for text
)
"""

# One call, one commit: returns used places, records a 429, and reserves as many places as are free, all under the lock
# of the endpoint's row and by the database's clock. Ages are in seconds, so the workers' own clocks do not matter.
# Everything is in that one row, because rows that live for a minute leave dead ones, which every later call would read.
_TAKE = """
CREATE OR REPLACE FUNCTION aps_take(
    whose text, which text, budget int, length float8, lease float8, wanted int,
    spent bigint[], ages float8[], unused bigint[], pause float8, new_window boolean, accepted boolean
) RETURNS TABLE (places bigint[], wait float8, refused int) LANGUAGE plpgsql AS $$
DECLARE
    q aps_quota;
    t timestamptz;
    whole interval := make_interval(secs => length);
    grain float8 := length / CASE WHEN budget > 200 THEN 50 ELSE 1000 END;
    taken int;
    under_way int;
    room int;
BEGIN
    SELECT * INTO q FROM aps_quota WHERE owner = whose AND endpoint = which FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO aps_quota (owner, endpoint) VALUES (whose, which) ON CONFLICT DO NOTHING;
        SELECT * INTO q FROM aps_quota WHERE owner = whose AND endpoint = which FOR UPDATE;
    END IF;
    t := clock_timestamp();
    SELECT coalesce(array_agg(until ORDER BY until), '{}'), coalesce(array_agg(n ORDER BY until), '{}')
        INTO q.used_until, q.used FROM (
            SELECT until, sum(n)::int AS n FROM (
                SELECT until, n FROM unnest(q.used_until, q.used) AS before (until, n)
                UNION ALL  -- those that end at about the same time become one, which counts until the last of them ends
                SELECT to_timestamp(ceil((extract(epoch FROM t)::float8 + length - age) / grain) * grain), 1
                FROM unnest(spent, ages) AS now (id, age) WHERE id = ANY (q.held)
            ) AS each WHERE until > t GROUP BY until
        ) AS together;
    SELECT coalesce(array_agg(id), '{}'), coalesce(array_agg(until), '{}') INTO q.held, q.held_until
        FROM unnest(q.held, q.held_until) AS before (id, until)
        WHERE until > t AND id <> ALL (spent) AND id <> ALL (unused);
    IF pause IS NOT NULL THEN
        q.resumes := greatest(q.resumes, t + make_interval(secs => pause));
        q.refusals := q.refusals + 1;
        IF new_window THEN  -- what was spent before Retry-After ends no longer counts
            q.used := '{}';
            q.used_until := '{}';
        END IF;
    ELSIF accepted AND t >= q.resumes THEN
        q.refusals := 0;
    END IF;
    places := '{}';
    refused := q.refusals;
    IF t < q.resumes THEN
        wait := extract(epoch FROM q.resumes - t);
    ELSE
        SELECT count(*), count(*) FILTER (WHERE until - whole > t), extract(epoch FROM min(until) - t)
            INTO taken, under_way, wait FROM unnest(q.held_until) AS until;
        SELECT budget - taken - coalesce(sum(n), 0) INTO room FROM unnest(q.used) AS n;
        wait := greatest(coalesce(least(wait, extract(epoch FROM q.used_until[1] - t)), 0), 0);
        IF q.refusals > 0 THEN  -- one goes ahead, the rest follow once it is through
            room := least(room, 1 - under_way);
            wait := least(wait, length / 20);
        END IF;
        room := greatest(least(room, wanted), 0);
        SELECT coalesce(array_agg(q.last_place + n), '{}') INTO places FROM generate_series(1, room) AS n;
        q.last_place := q.last_place + room;
        q.held := q.held || places;
        q.held_until := q.held_until || array_fill(t + make_interval(secs => lease) + whole, ARRAY[room]);
    END IF;
    UPDATE aps_quota SET resumes = q.resumes, refusals = q.refusals, last_place = q.last_place,
        held = q.held, held_until = q.held_until, used = q.used, used_until = q.used_until WHERE id = q.id;
    RETURN NEXT;
END $$;
"""

# The table of the first versions had one row for each reserved place.
_PLACES = """
ALTER TABLE aps_quota ADD COLUMN held bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN held_until timestamptz[] NOT NULL DEFAULT '{}', ADD COLUMN used int[] NOT NULL DEFAULT '{}',
    ADD COLUMN used_until timestamptz[] NOT NULL DEFAULT '{}', ADD COLUMN last_place bigint NOT NULL DEFAULT 0;
ALTER TABLE aps_quota SET (fillfactor = 50);
DO $$ BEGIN
    IF to_regclass('aps_place') IS NOT NULL THEN
        UPDATE aps_quota q SET last_place = last,
            held = coalesce(ids, '{}'), held_until = coalesce(held_ends, '{}'),
            used = array_fill(1, ARRAY[cardinality(coalesce(used_ends, '{}'))]), used_until = coalesce(used_ends, '{}')
        FROM (
            SELECT quota, max(id) AS last, array_agg(id) FILTER (WHERE under_way_until > now()) AS ids,
                array_agg(counts_until) FILTER (WHERE under_way_until > now()) AS held_ends,
                array_agg(counts_until ORDER BY counts_until) FILTER (WHERE under_way_until <= now()) AS used_ends
            FROM aps_place GROUP BY quota
        ) AS before WHERE quota = q.id;
        DROP TABLE aps_place;
    END IF;
END $$;
"""


# Added within version 1: older workers ignore these columns, and may continue beside newer ones.
_ADDED = {
    "aps_export.warnings": "ALTER TABLE aps_export ADD COLUMN warnings text",
    "aps_export.refusals": "ALTER TABLE aps_export ADD COLUMN refusals int NOT NULL DEFAULT 0",
    "aps_export.refused_by": "ALTER TABLE aps_export ADD COLUMN refused_by text[] NOT NULL DEFAULT '{}'",
    "aps_run.client_id": "ALTER TABLE aps_run ADD COLUMN client_id text",
    "aps_run.user_id": "ALTER TABLE aps_run ADD COLUMN user_id text",
    "aps_run.key": "ALTER TABLE aps_run ADD COLUMN key text UNIQUE",
    "aps_worker.id": _WORKERS,
    "aps_quota.held": "\n".join((_PLACES, _TAKE)),
}
_EXISTING = """
SELECT relname || '.' || attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relname IN ('aps_export', 'aps_run', 'aps_worker', 'aps_quota') AND pg_table_is_visible(attrelid)
    AND NOT attisdropped
"""


MIGRATIONS: dict[int, str] = {}
"""The statements that upgrade the tables to each later version from the one before. Older workers stop then."""


async def install(connection: Any) -> bool:
    """Creates missing tables and columns, and upgrades older ones, inside the caller's transaction and lock.

    Returns whether anything was changed.

    Raises:
        DatabaseError: the tables are of another version, from which no upgrade leads to this one.
    """
    found = await _version(connection)
    if found is None:
        await connection.execute(_TABLES)
        await connection.execute("INSERT INTO aps_schema VALUES ($1)", VERSION)
    steps = range((found or VERSION) + 1, VERSION + 1)
    if all(step in MIGRATIONS for step in steps):
        for step in steps:
            await connection.execute(MIGRATIONS[step])
            await connection.execute("UPDATE aps_schema SET version = $1", step)
    check_version(await _version(connection))
    existing = {row[0] for row in await connection.fetch(_EXISTING)}
    missing = [statement for name, statement in _ADDED.items() if name not in existing]
    for statement in missing:
        await connection.execute(statement)
    return found is None or bool(steps) or bool(missing)


async def is_installed(connection: Any) -> bool:
    """Whether the tables exist, in this version.

    Raises:
        DatabaseError: the tables are of another version.
    """
    found = await _version(connection)
    if found is None:
        return False
    check_version(found)
    return True


async def _version(connection: Any) -> int | None:
    if await connection.fetchval("SELECT to_regclass('aps_schema')") is None:
        return None
    return await connection.fetchval("SELECT max(version) FROM aps_schema") or 0


def check_version(found: int | None, needed: int | None = None) -> None:
    """Checks that tables of this version can be used.

    Args:
        found: the version of the tables.
        needed: the version that the program needs; None: this one's.

    Raises:
        DatabaseError: it is another version.
    """
    needed = VERSION if needed is None else needed
    if found == needed:
        return
    if (found or 0) > needed:
        raise DatabaseError(
            f"the tables in this database are of a newer version of aps-async ({found}; this one needs {needed}): "
            "install that version here; workers that have it go on meanwhile"
        )
    raise DatabaseError(
        f"the tables in this database are of an older version of aps-async ({found}; this one needs {needed}): "
        "'aps-async worker' or 'aps-async enqueue' upgrades them if it can; otherwise use another database"
    )
