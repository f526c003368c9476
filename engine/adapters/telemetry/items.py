"""Signals as OpenTelemetry's values, one each and in the same order, so that an answer can name them by their place.

Times are the signals' own. What is counted or spread is an increase (delta); the exporter keeps of a histogram what
Application Insights keeps: count, sum, least and most. Imported only where telemetry is on: it brings the SDK.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

from engine.measure.signal import UNITS, Count, Event, Level, Line, Signal, Span, Spread

EVENT_NAME: Final = "microsoft.custom_event.name"
MEASUREMENTS: Final = "microsoft.custom_measurements"
"""What makes a log record a custom event, and its numbers.
Source: azure-monitor-opentelemetry-exporter 1.0.0b58, _constants.py."""

_NS_PER_S: Final = 1_000_000_000
_DELTA: Final = AggregationTemporality.DELTA
_SCOPE: Final = InstrumentationScope("certfleet")
_SEVERITIES: Final = (
    (50, SeverityNumber.FATAL),
    (40, SeverityNumber.ERROR),
    (30, SeverityNumber.WARN),
    (20, SeverityNumber.INFO),
)
"""From which level of Python's logging on."""


def logs(signals: Iterable[Signal], resource: Resource) -> list[ReadableLogRecord]:
    """Events and lines as log records."""
    return [ReadableLogRecord(_record(signal), resource) for signal in signals]


def metrics(signals: Iterable[Signal], resource: Resource) -> MetricsData:
    """Counts, levels and spreads as metrics, each with its one point."""
    scope = ScopeMetrics(_SCOPE, [_metric(signal) for signal in signals], schema_url="")
    return MetricsData([ResourceMetrics(resource, [scope], schema_url="")])


def spans(signals: Iterable[Signal], resource: Resource) -> list[ReadableSpan]:
    """Spans as spans."""
    return [_span(signal, resource) for signal in signals if isinstance(signal, Span)]


def _record(signal: Signal) -> LogRecord:
    match signal:
        case Event():
            said: Mapping[str, str | Mapping[str, float]] = {
                **signal.properties,
                EVENT_NAME: signal.name.value,
                MEASUREMENTS: signal.figures,
            }
            severity, text = SeverityNumber.INFO, signal.name.value
        case Line():
            said, severity, text = signal.properties, _severity(signal.level), signal.text
        case _:
            raise AssertionError(f"{type(signal).__name__} is no log record")
    at = _ns(signal.at)
    return LogRecord(timestamp=at, observed_timestamp=at, severity_number=severity, body=text, attributes=said)


def _metric(signal: Signal) -> Metric:
    match signal:
        case Count():
            data: Sum | Gauge | Histogram = Sum([_point(signal)], _DELTA, is_monotonic=True)
        case Level():
            data = Gauge([_point(signal)])
        case Spread():
            data = Histogram([_spread(signal)], _DELTA)
        case _:
            raise AssertionError(f"{type(signal).__name__} is no metric")
    return Metric(signal.name.value, description="", unit=UNITS.get(signal.name, ""), data=data)


def _point(signal: Count | Level) -> NumberDataPoint:
    at = _ns(signal.at)
    return NumberDataPoint(dict(signal.dimensions), at, at, signal.value)


def _spread(signal: Spread) -> HistogramDataPoint:
    at, said = _ns(signal.at), dict(signal.dimensions)
    return HistogramDataPoint(said, at, at, signal.count, signal.sum, [signal.count], [], signal.min, signal.max)


def _span(signal: Span, resource: Resource) -> ReadableSpan:
    parent = None if signal.parent_id is None else SpanContext(signal.trace_id, signal.parent_id, is_remote=False)
    return ReadableSpan(
        signal.name,
        SpanContext(signal.trace_id, signal.span_id, is_remote=False),
        parent,
        resource,
        dict(signal.properties),
        kind=SpanKind.INTERNAL if parent is None else SpanKind.CLIENT,
        status=Status(StatusCode.OK if signal.is_ok else StatusCode.ERROR),
        start_time=_ns(signal.began),
        end_time=_ns(signal.ended),
        instrumentation_scope=_SCOPE,
    )


def _severity(level: int) -> SeverityNumber:
    return next((severity for least, severity in _SEVERITIES if level >= least), SeverityNumber.DEBUG)


def _ns(at: float) -> int:
    return round(at * _NS_PER_S)
