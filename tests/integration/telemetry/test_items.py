"""What arrives at the endpoint, item by item."""

import logging
from typing import Any

import pytest
from integration.telemetry.ways import AT, PATIENT_S, events, way_to

from doubles.ingestion import KEY, Ingestion
from engine.adapters.telemetry.source import source_of
from engine.measure.signal import Count, Delivery, Event, EventName, Level, Line, Metric, Signal, Span, Spread
from engine.run.results import VERSION

RUN = {"runId": "run-a", "scenario": "cert-renewal"}
AT_TEXT = "2023-11-14T22:13:20.250000Z"


def sent(endpoint: Ingestion, *signals: Signal) -> list[dict[str, Any]]:
    """The items that signals became: one each."""
    outbox = way_to(endpoint)
    outbox.tell(signals)
    assert outbox.close(PATIENT_S) == Delivery(sent=len(signals))
    assert len(endpoint.items) == len(signals)
    return endpoint.items


def test_every_item_says_who_sent_it(endpoint: Ingestion) -> None:
    """Role, instance and version are tags, the time is the signal's own, the key is the connection string's."""
    signals = (Count(Metric.OPERATIONS, AT, 1, RUN), *events(1), Span("iteration", AT, AT, 7, 9, None, True, {}))
    for item in sent(endpoint, *signals):
        assert (item["iKey"], item["time"]) == (KEY, AT_TEXT)
        assert item["tags"]["ai.cloud.role"] == "certfleet.worker"
        assert item["tags"]["ai.cloud.roleInstance"] == source_of("worker", {}, version=VERSION)["service.instance.id"]
        assert item["tags"]["ai.application.ver"] == VERSION
    assert set(endpoint.paths) == {"/v2.1/track"}
    assert endpoint.tokens == [None] * 3


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (Count(Metric.OPERATIONS, AT, 10, RUN), {"name": "loadtest.operations", "value": 10, "count": 1}),
        (Level(Metric.IN_FLIGHT, AT, 2.5, RUN), {"name": "loadtest.inflight", "value": 2.5, "count": 1}),
        (
            Spread(Metric.DURATION, AT, 10, 460.5, 1.25, 91.75, RUN),
            {"name": "loadtest.operation.duration", "value": 460.5, "count": 10, "min": 1.25, "max": 91.75},
        ),
        (
            Spread(Metric.LAG, AT, 1, 0.0, 0.0, 0.0, RUN),
            {"name": "loadtest.schedule.lag", "value": 0.0, "count": 1, "min": 0.0, "max": 0.0},
        ),
    ],
)
def test_numbers_are_metrics(endpoint: Ingestion, signal: Signal, expected: dict[str, Any]) -> None:
    """An increase, a value, or a histogram's exact count, sum, least and most; dimensions are properties."""
    found = sent(endpoint, signal)[0]["data"]
    assert found["baseType"] == "MetricData"
    assert found["baseData"]["metrics"] == [expected]
    assert found["baseData"]["properties"] == RUN


def test_event_keeps_every_property_and_figure(endpoint: Ingestion) -> None:
    """Whatever its name, also when it is empty, and the buckets of a large histogram as a whole."""
    names = (
        "phase operation outcome batch hub alpha v id code detail status stop holder token attempt name target state"
    )
    properties = RUN | dict.fromkeys(names.split(), "x") | {"hub": "", "buckets": '{"b":[1],"c":[2]}'.ljust(8000)}
    figures = {"count": 3, "sum_ms": 1.5, "min_ms": 0.25, "max_ms": 1.0, "interval_s": 10.0}
    found = sent(endpoint, Event(EventName.INTERVAL, AT, properties, figures))[0]["data"]
    assert found["baseType"] == "EventData"
    assert found["baseData"]["name"] == "loadtest.interval"
    assert found["baseData"]["properties"] == properties
    assert found["baseData"]["measurements"] == figures


@pytest.mark.parametrize(
    ("level", "severity"),
    [(logging.INFO, 1), (logging.WARNING, 2), (logging.ERROR, 3), (logging.CRITICAL, 4), (logging.DEBUG, 0)],
)
def test_line_is_a_message(endpoint: Ingestion, level: int, severity: int) -> None:
    """With the severity that its level means."""
    found = sent(endpoint, Line(AT, level, "it is slow", {**RUN, "logger": "certfleet.batch"}))[0]["data"]
    assert (found["baseType"], found["baseData"]["message"]) == ("MessageData", "it is slow")
    assert found["baseData"]["severityLevel"] == severity
    assert found["baseData"]["properties"] == {**RUN, "logger": "certfleet.batch"}


def test_spans_are_dependencies_that_hang_together(endpoint: Ingestion) -> None:
    """An iteration is in-process, its operations are calls; which ones failed is said."""
    said = {"loadtest.runId": "run-a", "loadtest.hub": "hub-1.example", "loadtest.code": "connack 5"}
    root = Span("iteration", AT, AT + 3661.5, 7, 9, None, True, said)
    whole, part = sent(endpoint, root, Span("hub.connect", AT, AT + 0.125, 7, 8, 9, False, said))
    assert [item["data"]["baseType"] for item in (whole, part)] == ["RemoteDependencyData"] * 2
    found, tags = whole["data"]["baseData"], whole["tags"]
    assert (found["name"], found["type"], found["success"], found["duration"]) == (
        "iteration",
        "InProc",
        True,
        "0.01:01:01.500",
    )
    assert (found["id"], "ai.operation.parentId" in tags) == (f"{9:016x}", False)
    found, tags = part["data"]["baseData"], part["tags"]
    assert (found["success"], found["duration"], found["properties"]) == (False, "0.00:00:00.125", said)
    assert (found["id"], tags["ai.operation.parentId"]) == (f"{8:016x}", f"{9:016x}")
    assert tags["ai.operation.id"] == whole["tags"]["ai.operation.id"] == f"{7:032x}"


def test_burst_arrives_as_a_whole(endpoint: Ingestion) -> None:
    """No sampler, no rate limit and no queue of the SDK takes anything away."""
    spans = [Span("hub.connect", AT, AT, 7, number, None, True, {}) for number in range(1, 3001)]
    counts = [Count(Metric.OPERATIONS, AT, number, {}) for number in range(3000)]
    outbox = way_to(endpoint)
    outbox.tell([*spans, *counts, *events(3000)])
    assert outbox.close(PATIENT_S) == Delivery(sent=9000)
    assert len({found["id"] for found in endpoint.of_type("RemoteDependencyData")}) == 3000
    assert sum(found["metrics"][0]["value"] for found in endpoint.of_type("MetricData")) == sum(range(3000))
    assert {found["properties"]["id"] for found in endpoint.of_type("EventData")} == {str(n) for n in range(3000)}
