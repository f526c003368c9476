"""Items of telemetry as the exporter writes them, made by hand."""

from typing import Any

IKEY = "00000000-0000-0000-0000-000000000001"


def item(base_type: str, base: dict[str, Any], **over: Any) -> dict[str, Any]:
    """One item with this data; over replaces fields of the envelope."""
    return {
        "name": f"Microsoft.ApplicationInsights.{base_type.removesuffix('Data')}",
        "time": "2026-01-01T00:00:00.000000Z",
        "iKey": IKEY,
        "tags": {"ai.cloud.role": "certfleet.worker"},
        "data": {"baseType": base_type, "baseData": {"ver": 2, **base}},
        **over,
    }


def event(name: str, run_id: str = "r-1", **properties: str) -> dict[str, Any]:
    """An event of a run."""
    told = {"runId": run_id, **properties}
    return item("EventData", {"name": name, "properties": told, "measurements": {"count": 3.0}})


def metric(name: str, run_id: str = "r-1") -> dict[str, Any]:
    """A counter's increase."""
    return item("MetricData", {"metrics": [{"name": name, "value": 10, "count": 1}], "properties": {"runId": run_id}})


def span(name: str, run_id: str = "r-1") -> dict[str, Any]:
    """An exemplar."""
    told = {"loadtest.runId": run_id, "loadtest.device": "d-1"}
    base = {"id": "0123456789abcdef", "name": name, "duration": "0.00:00:00.150", "success": True, "properties": told}
    return item("RemoteDependencyData", base)


def line(text: str) -> dict[str, Any]:
    """A line of a log, which belongs to no run."""
    return item("MessageData", {"message": text, "severityLevel": "Warning", "properties": {}})
