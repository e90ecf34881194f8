"""Exports a project's sheets, and serves what happens as metrics for Prometheus: a hook of a few lines.

    python tests/examples/prometheus_metrics.py PROJECT FOLDER
    curl http://127.0.0.1:9464/metrics

With OpenTelemetry's own exporter, `aps_async.integrations.opentelemetry` takes the place of the hook.
"""

import asyncio
import os
import sys
from collections import Counter

from aiohttp import web

from aps_async import Session, TwoLegged, export_project
from aps_async.transport.hooks import Attempt, BytesReceived, Event, ExportEnded, Polled, RateLimited, Waited

HELP = {
    "aps_requests_total": "HTTP requests, by endpoint and status.",
    "aps_request_seconds_total": "Time in HTTP requests, by endpoint.",
    "aps_wait_seconds_total": "Time spent waiting, by reason.",
    "aps_rate_limited_total": "Responses with status 429, by endpoint.",
    "aps_polls_total": "Answers about exports, by status.",
    "aps_received_bytes_total": "Bytes of downloads.",
    "aps_exports_total": "Exports that have ended, by kind and error.",
    "aps_export_seconds_total": "Time from the beginning of an export to its end, by kind.",
}


class Metrics:
    """Counters, fed by a session's events."""

    def __init__(self) -> None:
        self._values: Counter[tuple[str, str]] = Counter()

    def __call__(self, event: Event) -> None:
        """The hook."""
        match event:
            case Attempt():
                self._add("aps_requests_total", 1, endpoint=event.endpoint, status=event.status or event.error)
                self._add("aps_request_seconds_total", event.seconds, endpoint=event.endpoint)
            case Waited():
                self._add("aps_wait_seconds_total", event.seconds, reason=event.reason)
            case RateLimited():
                self._add("aps_rate_limited_total", 1, endpoint=event.endpoint)
            case Polled():
                self._add("aps_polls_total", 1, status=event.status)
            case BytesReceived():
                self._add("aps_received_bytes_total", event.size)
            case ExportEnded():
                self._add("aps_exports_total", 1, kind=event.kind, error=event.error or "")
                self._add("aps_export_seconds_total", event.seconds, kind=event.kind)

    def _add(self, name: str, value: float, **labels: object) -> None:
        text = ",".join(f'{label}="{word}"' for label, word in labels.items())
        self._values[name, f"{{{text}}}" if text else ""] += value  # type: ignore[assignment]

    def text(self) -> str:
        """Everything in Prometheus's text format."""
        lines = []
        for name, words in HELP.items():
            lines += [f"# HELP {name} {words}", f"# TYPE {name} counter"]
            lines += [f"{name}{labels} {value}" for (each, labels), value in self._values.items() if each == name]
        return "\n".join([*lines, ""])

    async def serve(self, _: web.Request) -> web.Response:
        """`GET /metrics`."""
        return web.Response(text=self.text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


async def main(project: str, folder: str) -> int:
    """Exports everything; gives the exit code."""
    metrics = Metrics()
    app = web.Application()
    app.router.add_get("/metrics", metrics.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ.get("METRICS_PORT", "9464"))).start()
    failed = 0
    try:
        async with Session(TwoLegged.from_env(), hooks=[metrics]) as session:
            async for outcome in export_project(session, project, folder):
                failed += not outcome.ok
    finally:
        await runner.cleanup()
    print(metrics.text(), end="")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
