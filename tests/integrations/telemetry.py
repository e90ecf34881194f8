"""A tracer and a meter that keep what they get, built on the classes of OpenTelemetry's API."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from attrs import define, field
from opentelemetry import metrics, trace


class KeptSpan(trace.Span):
    def __init__(self, name: str, number: int, parent: trace.Span, options: dict[str, Any]) -> None:
        self.name = name
        self.parent = parent if isinstance(parent, KeptSpan) else None
        self.kind = options.get("kind", trace.SpanKind.INTERNAL)
        self.attributes: dict[str, Any] = dict(options.get("attributes") or {})
        self.start = options.get("start_time")
        self.ended: int | None = None
        self.failed = False
        self._context = trace.SpanContext(1, number, is_remote=False)

    def get_span_context(self) -> trace.SpanContext:
        return self._context

    def set_attribute(self, key: str, value: Any) -> None:
        assert self.ended is None
        self.attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.attributes.update(attributes)

    def add_event(self, *_: Any, **__: Any) -> None: ...

    def update_name(self, name: str) -> None:
        self.name = name

    def is_recording(self) -> bool:
        return self.ended is None

    def set_status(self, status: Any, *_: Any) -> None:
        self.failed = status.status_code is trace.StatusCode.ERROR

    def record_exception(self, *_: Any, **__: Any) -> None: ...

    def end(self, end_time: int | None = None) -> None:
        assert self.ended is None, "a span is ended once"
        self.ended = end_time


class KeptTracer(trace.Tracer):
    def __init__(self) -> None:
        self.spans: list[KeptSpan] = []

    def start_span(self, name: str, context: Any = None, **options: Any) -> KeptSpan:  # type: ignore[override]
        span = KeptSpan(name, len(self.spans) + 1, trace.get_current_span(context), options)
        self.spans.append(span)
        return span

    @contextmanager
    def start_as_current_span(self, name: str, **options: Any) -> Iterator[KeptSpan]:  # type: ignore[override]
        with trace.use_span(self.start_span(name, **options), end_on_exit=True) as span:
            yield span  # type: ignore[misc]


@define
class Providers:
    """What an `OpenTelemetryHook` gets in place of an SDK."""

    tracer: KeptTracer = field(factory=KeptTracer)
    values: list[tuple[str, float, dict[str, Any]]] = field(factory=list)

    def traces(self) -> trace.TracerProvider:
        class Provider(trace.TracerProvider):
            def get_tracer(_, *__: Any, **___: Any) -> trace.Tracer:  # noqa: N805
                return self.tracer

        return Provider()

    def meters(self) -> metrics.MeterProvider:
        class Provider(metrics.NoOpMeterProvider):
            def get_meter(_, name: str, *__: Any, **___: Any) -> metrics.Meter:  # noqa: N805
                return _Meter(self.values, name)

        return Provider()


class _Meter(metrics.NoOpMeter):
    def __init__(self, values: list[tuple[str, float, dict[str, Any]]], name: str) -> None:
        super().__init__(name)
        self._values = values

    def create_counter(self, name: str, *_: Any, **__: Any) -> metrics.Counter:
        values = self._values

        class Counter(metrics.NoOpCounter):
            def add(self, amount: float, attributes: Any = None, *_: Any) -> None:
                assert amount >= 0
                values.append((name, amount, dict(attributes or {})))

        return Counter(name)

    def create_histogram(self, name: str, *_: Any, **__: Any) -> metrics.Histogram:
        values = self._values

        class Histogram(metrics.NoOpHistogram):
            def record(self, amount: float, attributes: Any = None, *_: Any) -> None:
                values.append((name, amount, dict(attributes or {})))

        return Histogram(name)
