"""Signals in the envelopes that the exporter makes of them, for telemetry that no run sent.

Source: as `engine.protocol.envelope`; the exporter's own are in the tests of a real run.
"""

from datetime import UTC, datetime
from typing import Any

from engine.measure.signal import Count, Event, Level, Signal, Spread

_KEY = "00000000-0000-0000-0000-000000000000"


def envelope(signal: Signal, worker: str) -> dict[str, Any]:
    """The envelope of an event or a metric."""
    match signal:
        case Event():
            said = {
                "name": str(signal.name),
                "properties": dict(signal.properties),
                "measurements": dict(signal.figures),
            }
            return _envelope("Event", signal.at, worker, said)
        case Count() | Level():
            return _metric(signal, worker, {"value": signal.value, "count": 1})
        case Spread():
            figures = {"value": signal.sum, "count": signal.count, "min": signal.min, "max": signal.max}
            return _metric(signal, worker, figures)
        case _:
            raise AssertionError(f"{type(signal).__name__} is neither event nor metric")


def _metric(signal: Count | Level | Spread, worker: str, figures: dict[str, float]) -> dict[str, Any]:
    said = {"metrics": [{"name": str(signal.name), **figures}], "properties": dict(signal.dimensions)}
    return _envelope("Metric", signal.at, worker, said)


def _envelope(kind: str, at: float, worker: str, data: dict[str, Any]) -> dict[str, Any]:
    moment = datetime.fromtimestamp(at, UTC)
    return {
        "name": f"Microsoft.ApplicationInsights.{kind}",
        "time": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "iKey": _KEY,
        "tags": {"ai.cloud.role": "certfleet.worker", "ai.cloud.roleInstance": worker},
        "data": {"baseType": f"{kind}Data", "baseData": data},
    }
