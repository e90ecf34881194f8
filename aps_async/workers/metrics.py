"""Metrics of workers and runs, in Prometheus's text format.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from attrs import frozen

from aps_async.errors import DatabaseError
from aps_async.workers.database import Database
from aps_async.workers.presence import WorkerStatus, list_workers
from aps_async.workers.rate_limit import SharedQuotas
from aps_async.workers.records import RunStatus
from aps_async.workers.runs import RunStore
from aps_async.workers.worker import Worker

__all__ = ["CONTENT_TYPE", "Metric", "Sample", "collect", "render"]
__dir__: object = __all__.copy

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PATIENCE = 5.0
_SECONDS = """
SELECT e.run, count(e.started) AS started, count(e.finished - e.started) AS ended,
    coalesce(sum(extract(epoch FROM e.started - r.created)), 0)::float8 AS pending,
    coalesce(sum(extract(epoch FROM e.finished - e.started)), 0)::float8 AS running
FROM aps_export e JOIN aps_run r ON r.id = e.run GROUP BY e.run
"""
_QUOTAS = """
SELECT owner, endpoint, (SELECT count(*) FROM unnest(held_until) AS until WHERE until > clock_timestamp()) + (
    SELECT coalesce(sum(n), 0) FROM unnest(used, used_until) AS each (n, until) WHERE until > clock_timestamp()
) AS used FROM aps_quota
"""

Sample = tuple[str, Mapping[str, str], float]
"""A suffix for the metric's name, the labels, and the value."""


@frozen
class Metric:
    """One metric with its samples."""

    name: str
    kind: Literal["gauge", "counter", "summary"]
    help: str
    samples: Sequence[Sample]


def render(metrics: Iterable[Metric]) -> str:
    """Renders metrics in the text format."""
    lines: list[str] = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for suffix, labels, value in metric.samples:
            shown = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            lines.append(f"{metric.name}{suffix}{{{shown}}} {value!r}")
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


async def collect(database: Database, quotas: SharedQuotas, workers: Sequence[Worker]) -> list[Metric]:
    """Collects the counters of this process and, if the database is available, the state of all runs and workers."""
    found = [*_of_workers(workers), *_of_limiters(quotas)]
    try:
        async with asyncio.timeout(_PATIENCE):
            found += await _of_database(database)
    except (TimeoutError, DatabaseError):
        up = 0.0
    else:
        up = 1.0
    return [Metric("aps_async_database_up", "gauge", "Whether the database is available.", [("", {}, up)]), *found]


def _of_workers(workers: Sequence[Worker]) -> list[Metric]:
    outcomes: list[Sample] = []
    target: list[Sample] = []
    for each in workers:
        client = {"client_id": each.owner.client_id if each.owner else ""}
        for outcome, count in (("delivered", each.delivered), ("failed", each.failed)):
            outcomes.append(("", client | {"outcome": outcome}, float(count)))
        target.append(("", client, float(each.waits_for is None)))
    return [
        Metric("aps_async_outcomes_total", "counter", "Exports that this process has finished.", outcomes),
        Metric("aps_async_target_up", "gauge", "Whether files can be stored.", target),
    ]


def _of_limiters(quotas: SharedQuotas) -> list[Metric]:
    budgets: list[Sample] = []
    refused: list[Sample] = []
    for (owner, endpoint), limiter in quotas.rate_limiters.items():
        labels = _quota_labels(owner, endpoint)
        budgets.append(("", labels, float(limiter.budget)))
        refused.append(("", labels, float(limiter.rate_limited)))
    return [
        Metric("aps_async_quota_limit", "gauge", "Calls that the quota allows in a window.", budgets),
        Metric("aps_async_rate_limited_total", "counter", "Responses with 429 to this process.", refused),
    ]


def _quota_labels(owner: str, endpoint: str) -> dict[str, str]:
    client_id = owner.rpartition(" ")[2]
    return {"client_id": "" if "://" in client_id else client_id, "endpoint": endpoint}


async def _of_database(database: Database) -> list[Metric]:
    runs = {each.id: each for each in await RunStore(database).runs()}
    seconds = await database.fetch(_SECONDS)
    used = [
        ("", _quota_labels(row["owner"], row["endpoint"]), float(row["used"])) for row in await database.fetch(_QUOTAS)
    ]
    return [
        Metric(
            "aps_async_exports", "gauge", "Exports by state.", [each for run in runs.values() for each in _states(run)]
        ),
        Metric(
            "aps_async_delivered_bytes",
            "gauge",
            "Bytes delivered.",
            [("", _run_labels(run), float(run.size)) for run in runs.values()],
        ),
        Metric(
            "aps_async_export_seconds", "summary", "Seconds that exports spent in a state.", _seconds(runs, seconds)
        ),
        Metric(
            "aps_async_quota_used",
            "gauge",
            "Calls that count in the current window, of all workers, and a few that are reserved.",
            used,
        ),
        Metric(
            "aps_async_worker_heartbeat_age_seconds",
            "gauge",
            "Seconds since a worker's last heartbeat.",
            [_heartbeat(each) for each in await list_workers(database)],
        ),
    ]


def _run_labels(run: RunStatus) -> dict[str, str]:
    return {"run": str(run.id), "name": run.name, "client_id": run.client_id or ""}


def _states(run: RunStatus) -> list[Sample]:
    counts = {
        "pending": run.waiting,
        "running": run.running,
        "done": run.done,
        "failed": run.failed,
        "cancelled": run.dropped,
    }
    return [("", _run_labels(run) | {"state": state}, float(count)) for state, count in counts.items()]


def _seconds(runs: Mapping[int, RunStatus], rows: Sequence[Any]) -> list[Sample]:
    found: list[Sample] = []
    for row in rows:
        if row["run"] in runs:
            labels = _run_labels(runs[row["run"]])
            for state, count in (("pending", row["started"]), ("running", row["ended"])):
                found.append(("_sum", labels | {"state": state}, float(row[state])))
                found.append(("_count", labels | {"state": state}, float(count)))
    return found


def _heartbeat(worker: WorkerStatus) -> Sample:
    labels = {
        "worker": worker.id,
        "host": worker.host,
        "pid": str(worker.pid),
        "version": worker.version,
        "client_id": worker.client_id or "",
    }
    return "", labels, worker.heartbeat_age
