"""OpenTelemetry: spans and metrics from a session's hooks. Needs `pip install 'aps-async[otel]'`.

    from aps_async.integrations.opentelemetry import OpenTelemetryHook

    async with Session(TwoLegged.from_env(), hooks=[OpenTelemetryHook()]) as session:
        ...

Each export is a span, inside the span that is current where it begins, and each of its HTTP requests is a client span
inside that; in a bulk run, a worker and a web response as in a single wait. An export that several workers share has a
span in each of them. The names are those of the semantic conventions
(https://opentelemetry.io/docs/specs/semconv/http/); what these do not know begins with `aps.`. No attribute holds a
query, a header or a token.
"""

import time
from typing import Any
from urllib.parse import urlsplit

from aps_async.extras import missing
from aps_async.models import ExportRef
from aps_async.transport.hooks import (
    Attempt,
    BytesReceived,
    Event,
    ExportBegan,
    ExportEnded,
    ExportHandedOver,
    Polled,
    RateLimited,
    Waited,
)

try:
    from opentelemetry import metrics, trace
except ModuleNotFoundError as _problem:
    raise ModuleNotFoundError(missing(_problem, "otel", "OpenTelemetryHook"), name=_problem.name) from None

__all__ = ["OpenTelemetryHook"]
__dir__: object = __all__.copy

_NAME = "aps_async"
# Semantic conventions 1.44, copied: the package that holds them is a beta.
_METHOD = "http.request.method"
_STATUS = "http.response.status_code"
_ADDRESS = "server.address"
_PORT = "server.port"
_URL = "url.full"
_ERROR = "error.type"
_DURATION = "http.client.request.duration"
_DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
_EXPORT_BUCKETS = [1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 2400]


class OpenTelemetryHook:
    """A hook that makes spans and metrics; give the same one to all sessions.

    Args:
        tracer_provider: the global one when not given.
        meter_provider: the global one when not given.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(_NAME, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_NAME, meter_provider=meter_provider)
        self._requests = meter.create_histogram(
            _DURATION,
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_DURATION_BUCKETS,
        )
        self._exports = meter.create_histogram(
            "aps.export.duration",
            unit="s",
            description="Time from the beginning of the wait to the delivered file or the error.",
            explicit_bucket_boundaries_advisory=_EXPORT_BUCKETS,
        )
        self._waits = meter.create_counter("aps.wait.time", unit="s", description="Time spent waiting, by reason.")
        self._limited = meter.create_counter("aps.rate_limited", unit="{response}", description="Responses with 429.")
        self._polls = meter.create_counter("aps.polls", unit="{poll}", description="Status responses about exports.")
        self._bytes = meter.create_counter("aps.download.io", unit="By", description="Bytes received of downloads.")
        self._open: dict[int, trace.Span] = {}

    def __call__(self, event: Event) -> None:
        """Takes one event."""
        match event:
            case Attempt():
                self._on_attempt(event)
            case Waited():
                self._waits.add(event.seconds, {"aps.wait.reason": event.reason})
            case RateLimited():
                self._limited.add(1, {"aps.endpoint": event.endpoint})
            case Polled():
                self._polls.add(1, {"aps.export.kind": str(event.ref.kind), "aps.export.status": str(event.status)})
            case BytesReceived():
                self._bytes.add(event.size)
            case ExportBegan():
                self._on_began(event)
            case ExportEnded():
                self._on_ended(event)
            case ExportHandedOver():
                self._on_handed_over(event)

    def _on_attempt(self, event: Attempt) -> None:
        url = urlsplit(event.url)
        attributes: dict[str, Any] = {
            _METHOD: event.method,
            _ADDRESS: url.hostname or "",
            _PORT: url.port or (443 if url.scheme == "https" else 80),
            "aps.endpoint": event.endpoint,
        }
        failed = event.error
        if event.status is not None:
            attributes[_STATUS] = event.status
            failed = failed or (str(event.status) if event.status >= 400 else None)
        if failed is not None:
            attributes[_ERROR] = failed
        self._requests.record(event.seconds, attributes)
        now = time.time_ns()
        parent = None if event.export_number is None else self._open.get(event.export_number)
        span = self._tracer.start_span(
            event.method,
            context=None if parent is None else trace.set_span_in_context(parent),
            kind=trace.SpanKind.CLIENT,
            attributes={**attributes, _URL: event.url},
            start_time=now - int(event.seconds * 1e9),
        )
        _end(span, failed, now)

    def _on_began(self, event: ExportBegan) -> None:
        assert event.export_number is not None  # noqa: S101 - for the type checker
        attributes = _export_attributes(event.kind, event.ref)
        self._open[event.export_number] = self._tracer.start_span("aps.export", attributes=attributes)

    def _on_ended(self, event: ExportEnded) -> None:
        attributes = {"aps.export.kind": event.kind, **({} if event.error is None else {_ERROR: event.error})}
        self._exports.record(event.seconds, attributes)
        if (span := self._taken(event)) is not None:
            if event.size is not None:
                span.set_attribute("aps.export.size", event.size)
            _end(span, event.error, time.time_ns())

    def _on_handed_over(self, event: ExportHandedOver) -> None:
        if (span := self._taken(event)) is not None:
            span.set_attribute("aps.export.handed_over", True)
            _end(span, None, time.time_ns())

    def _taken(self, event: ExportEnded | ExportHandedOver) -> trace.Span | None:
        """The span of an export that has ended here; its id is known by now."""
        span = None if event.export_number is None else self._open.pop(event.export_number, None)
        if span is not None:
            span.set_attributes(_export_attributes(event.kind, event.ref))
        return span


def _export_attributes(kind: str, ref: ExportRef | None) -> dict[str, Any]:
    known = {} if ref is None else {"aps.export.id": ref.export_id, "aps.project.id": ref.project_id}
    return {"aps.export.kind": kind, **known}


def _end(span: trace.Span, error: str | None, now: int) -> None:
    if error is not None:
        span.set_attribute(_ERROR, error)
        span.set_status(trace.Status(trace.StatusCode.ERROR))
    span.end(end_time=now)
