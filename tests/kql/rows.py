"""What lies in the workspace of an envelope that Application Insights took: in which table, and which columns.

Source: Azure Monitor, "Workspace-based Application Insights: resource changes", table structure; seen with the exporter
1.0.0b58: of a metric ItemCount is the number of measurements, of everything else what one item stands for.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_DURATION: Final = re.compile(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)")


def rows_of(envelope: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(table, row) of each item in the envelope."""
    data, tags = envelope["data"]["baseData"], envelope.get("tags", {})
    row = {
        "TimeGenerated": envelope["time"].removesuffix("Z"),
        "AppRoleName": tags.get("ai.cloud.role"),
        "AppRoleInstance": tags.get("ai.cloud.roleInstance"),
        "AppVersion": tags.get("ai.application.ver"),
        "OperationId": tags.get("ai.operation.id"),
        "ParentId": tags.get("ai.operation.parentId"),
        "SDKVersion": tags.get("ai.internal.sdkVersion"),
        "Properties": data.get("properties") or {},
        "ItemCount": round(100 / (envelope.get("sampleRate") or 100)),
        "_BilledSize": float(len(json.dumps(envelope))),
        "_IsBillable": "true",
    }
    measured = row | {"Measurements": data.get("measurements") or {}}
    match envelope["data"]["baseType"]:
        case "EventData":
            yield "AppEvents", measured | {"Name": data["name"]}
        case "MetricData":
            for point in data["metrics"]:
                figures = {"Sum": float(point["value"]), "Min": point.get("min"), "Max": point.get("max")}
                yield "AppMetrics", row | figures | {"Name": point["name"], "ItemCount": point.get("count", 1)}
        case "MessageData":
            yield "AppTraces", measured | {"Message": data["message"]}
        case "RemoteDependencyData":
            facts = {"Name": data["name"], "Target": data.get("target"), "Success": data.get("success")}
            yield "AppDependencies", measured | facts | {"DurationMs": milliseconds(data["duration"])}
        case "RequestData":
            facts = {"Name": data.get("name"), "Url": data.get("url"), "Success": data.get("success")}
            yield "AppRequests", measured | facts | {"DurationMs": milliseconds(data["duration"])}
        case "ExceptionData":
            first = data["exceptions"][0]
            yield "AppExceptions", measured | {"ExceptionType": first.get("typeName"), "OuterMessage": first["message"]}


def milliseconds(duration: str) -> float:
    """How long `d.hh:mm:ss.fffffff` is; the days may be left out."""
    found = _DURATION.fullmatch(duration)
    assert found is not None, duration
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000
