"""Writes infra/queries/workbook.json: the pack's queries with the workbook's parameters in them, and how each is shown.

    python tests/kql/workbook.py

What the workbook shows is data here, so that no query is copied by hand. Source of the JSON's shape: Azure Monitor
workbooks, "Advanced editor" (items of type 1, 3 and 9), "Dropdown parameters" and "Chart visualizations".
"""

import json
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from kql import pack

PATH: Final = pack.FOLDER / "workbook.json"

WORKSPACE: Final = "WORKSPACE_ID"
"""What the deployment puts the workspace's resource id in place of."""

PARAMETERS: Final[Mapping[str, str]] = {
    "run": "'{RunId}'",
    "baseline": "'{Baseline}'",
    "chosen": "'{Operation}'",
    "step": "{Step}",
}
"""What of a query is set by a parameter of the workbook."""

_IDS: Final = uuid.UUID("5f0f4f0c-0c5e-4f7b-9d51-0d6c9c1c7c54")
_SOURCE: Final = {"queryType": 0, "resourceType": "microsoft.operationalinsights/workspaces"}
_HOUR_MS: Final = 3_600_000
_RANGES_H: Final = (1, 4, 12, 24, 72, 168, 720)
_STEPS: Final = ("10s", "30s", "1m", "5m", "15m", "1h")

ABOUT: Final = """# certfleet

What load tests told while they ran. Numbers are within a minute or five of now, as telemetry takes that long to arrive;
the results that a run leaves in storage are exact, and *Completeness* says whether telemetry is. The time range must
hold the whole run. *Step* is the length of a point in the charts, no shorter than the run's `results.interval`."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A query and how it is shown: as a table where no axis is named. half: beside another."""

    query: str
    title: str
    visual: str = "table"
    x: str = ""
    y: tuple[str, ...] = ()
    series: str = ""
    half: bool = False
    verdict: str = ""
    only_with: str = ""


PANELS: Final = (
    Panel("02-verdict", "Verdict", verdict="verdict"),
    Panel("10-progress", "Progress: devices by what they do", "linechart", "at", ("level",), "doing", half=True),
    Panel(
        "05-throughput",
        "Throughput of {Operation}, ends per second",
        "areachart",
        "at",
        ("per_s",),
        "outcome",
        half=True,
    ),
    Panel("04-percentiles-over-time", "Latency of {Operation}, ms", "linechart", "at", ("p50_ms", "p95_ms", "p99_ms")),
    Panel("03-percentiles", "Latency by operation, from when it was due"),
    Panel("08-renewals", "Certificate renewals by phase"),
    Panel("06-failures", "Failures by operation, outcome and code"),
    Panel("07-throttling", "Throttled answers per second", "linechart", "at", ("per_s",), "operation", half=True),
    Panel(
        "13-health-over-time",
        "Generator, worst of all batches, % of its limits",
        "linechart",
        "at",
        ("lag_percent", "cpu_percent", "descriptor_percent"),
        half=True,
    ),
    Panel("12-health", "Generator by batch"),
    Panel("09-hubs", "By hub"),
    Panel("11-workers", "Workers"),
    Panel("14-completeness", "Completeness of this telemetry"),
    Panel("15-compare", "Beside {Baseline}", only_with="Baseline"),
    Panel("01-runs", "All runs in the time range", verdict="verdict"),
)


def workbook() -> dict[str, Any]:
    """The whole workbook as JSON."""
    texts = pack.queries()
    return {
        "version": "Notebook/1.0",
        "items": [
            {"type": 1, "content": {"json": ABOUT}, "name": "about"},
            _parameters(texts),
            *(_item(panel, texts[panel.query]) for panel in PANELS),
        ],
        "fallbackResourceIds": [WORKSPACE],
        "$schema": "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json",
    }


def rendered() -> str:
    """The file's text."""
    return json.dumps(workbook(), indent=2) + "\n"


def shown_query(text: str) -> str:
    """A query of the pack as the workbook has it."""
    return pack.about(text, PARAMETERS)


def _parameters(texts: Mapping[str, str]) -> dict[str, Any]:
    time_range = {
        "id": _id("TimeRange"),
        "version": "KqlParameterItem/1.0",
        "name": "TimeRange",
        "label": "Time range",
        "type": 4,
        "isRequired": True,
        "value": {"durationMs": 24 * _HOUR_MS},
        "typeSettings": {
            "selectableValues": [{"durationMs": hours * _HOUR_MS} for hours in _RANGES_H],
            "allowCustom": True,
        },
    }
    steps = json.dumps([{"value": step, "label": step, "selected": step == "1m"} for step in _STEPS])
    step = _dropdown("Step", "Step", is_required=True) | {"jsonData": steps, "typeSettings": {"showDefault": False}}
    picked = (
        time_range,
        _picker("RunId", "Run", texts["pick-run"], is_required=True),
        _picker("Operation", "Operation", texts["pick-operation"], is_required=True),
        step,
        _picker("Baseline", "Compare with", texts["pick-run"], is_required=False),
    )
    content = {"version": "KqlParameterItem/1.0", "parameters": list(picked), "style": "pills", **_SOURCE}
    return {"type": 9, "content": content, "name": "parameters"}


def _picker(name: str, label: str, query: str, *, is_required: bool) -> dict[str, Any]:
    """A list of what a query finds; of one that is required, the first is chosen until somebody chooses."""
    first = {"additionalResourceOptions": ["value::1"]} if is_required else {"additionalResourceOptions": []}
    return {
        **_dropdown(name, label, is_required=is_required),
        "query": shown_query(query),
        "typeSettings": {**first, "showDefault": False},
        "timeContext": {"durationMs": 0},
        "timeContextFromParameter": "TimeRange",
        **({"defaultValue": "value::1"} if is_required else {}),
        **_SOURCE,
    }


def _dropdown(name: str, label: str, *, is_required: bool) -> dict[str, Any]:
    return {
        "id": _id(name),
        "version": "KqlParameterItem/1.0",
        "name": name,
        "label": label,
        "type": 2,
        "isRequired": is_required,
    }


def _item(panel: Panel, text: str) -> dict[str, Any]:
    content = {
        "version": "KqlItem/1.0",
        "query": shown_query(text),
        "size": 0,
        "title": panel.title,
        "noDataMessage": "nothing was told of this",
        "timeContextFromParameter": "TimeRange",
        **_SOURCE,
        "visualization": panel.visual,
        **_settings(panel),
    }
    when = {"parameterName": panel.only_with, "comparison": "isNotEqualTo", "value": ""}
    return {
        "type": 3,
        "content": content,
        **({"customWidth": "50"} if panel.half else {}),
        **({"conditionalVisibility": when} if panel.only_with else {}),
        "name": panel.query,
    }


def _settings(panel: Panel) -> dict[str, Any]:
    if panel.visual == "table":
        formatters = [_verdict_icons(panel.verdict)] if panel.verdict else []
        return {"gridSettings": {"formatters": formatters, "rowLimit": 1000, "filter": True}}
    chart: dict[str, Any] = {"xAxis": panel.x, "yAxis": list(panel.y), "showLegend": True}
    if panel.series:
        chart |= {"group": panel.series, "createOtherGroup": 0}
    return {"chartSettings": chart}


def _verdict_icons(column: str) -> dict[str, Any]:
    icons = {"passed": "success", "failed": "4", "error": "4", "aborted": "4", "invalid": "2", "cancelled": "2"}
    grid: list[dict[str, Any]] = [
        {"operator": "==", "thresholdValue": verdict, "representation": icon, "text": "{0}{1}"}
        for verdict, icon in icons.items()
    ]
    grid.append({"operator": "Default", "thresholdValue": None, "representation": "pending", "text": "{0}{1}"})
    return {
        "columnMatch": column,
        "formatter": 18,
        "formatOptions": {"thresholdsOptions": "icons", "thresholdsGrid": grid},
    }


def _id(name: str) -> str:
    return str(uuid.uuid5(_IDS, name))


if __name__ == "__main__":
    PATH.write_text(rendered(), encoding="utf-8")
