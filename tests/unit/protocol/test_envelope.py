"""What Application Insights takes, and where it puts it."""

import pytest

from doubles.envelopes import event, item, line, metric, span
from engine.errors import RemoteProtocolError
from engine.protocol.envelope import Envelope, Table, read_envelope


def changed(**over):
    """An event whose envelope has other fields."""
    return {**event("loadtest.run"), **over}


def test_event_has_name_and_properties():
    """It lies in AppEvents."""
    assert read_envelope(event("loadtest.run", status="started")) == Envelope(
        Table.EVENTS, "loadtest.run", {"runId": "r-1", "status": "started"}
    )


def test_metric_is_named_by_its_first():
    """Of several metrics in one item the service stores the first."""
    two = [{"name": "first", "value": 1.5}, {"name": "second", "value": 2}]
    found = read_envelope(item("MetricData", {"metrics": two}))
    assert (found.table, found.name) == (Table.METRICS, "first")


@pytest.mark.parametrize(
    ("value", "table", "name"),
    [
        (metric("loadtest.operations"), Table.METRICS, "loadtest.operations"),
        (span("hub.connect"), Table.DEPENDENCIES, "hub.connect"),
        (line("the store failed"), Table.TRACES, ""),
        (item("RequestData", {"id": "1", "duration": "0", "responseCode": "200", "name": "GET"}), "AppRequests", "GET"),
        (item("RequestData", {"id": "1", "duration": "0", "responseCode": "200"}), Table.REQUESTS, ""),
        (item("ExceptionData", {"exceptions": [{"message": "m", "typeName": "T"}]}), Table.EXCEPTIONS, "T"),
    ],
)
def test_kind_leads_to_its_table(value, table, name):
    """Each kind of data has one, and a name where the table has such a column."""
    found = read_envelope(value)
    assert (found.table, found.name) == (table, name)


def test_run_is_named_by_property_or_attribute():
    """Spans name it under loadtest, lines of a log may tell of none."""
    values = (event("x", "r-2"), span("x", "r-3"), line("x"))
    assert [read_envelope(value).run_id for value in values] == ["r-2", "r-3", ""]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "the item is not a JSON object"),
        (changed(name=""), "field name is missing or empty"),
        (changed(time=None), "field time is missing or empty"),
        (changed(time="yesterday"), "field time is not a time in ISO 8601"),
        (changed(time="2026-01-01T00:00:00"), "field time does not end with Z"),
        (changed(iKey="mine"), "field iKey is not an instrumentation key"),
        (changed(data=[]), "field data is not an object"),
        (changed(data={}), "field baseType is missing or empty"),
        (item("PageViewData", {}), "field baseType is not one of EventData"),
        (item("EventData", {}), "field name is missing or empty"),
        (item("EventData", {"name": "x", "properties": {"runId": 5}}), "field runId is not a string"),
        (item("EventData", {"name": "x", "measurements": {"ms": "5"}}), "measurement ms is not a number"),
        (item("EventData", {"name": "x", "measurements": {"ms": True}}), "measurement ms is not a number"),
        (item("MetricData", {"metrics": []}), "field metrics is missing or empty"),
        (item("MetricData", {"metrics": [5]}), "the first of metrics is not a JSON object"),
        (item("MetricData", {"metrics": [{"value": 5}]}), "field name is missing or empty"),
        (item("MetricData", {"metrics": [{"name": "x"}]}), "field value is not a number"),
        (item("MessageData", {}), "field message is missing or empty"),
        (item("RemoteDependencyData", {"name": "x"}), "field duration is missing or empty"),
        (item("RequestData", {"id": "1", "duration": "0"}), "field responseCode is missing or empty"),
        (item("ExceptionData", {"exceptions": [{}]}), "field message is missing or empty"),
    ],
)
def test_what_the_service_would_not_take_is_named(value, told):
    """The field, and what is wrong with it."""
    with pytest.raises(RemoteProtocolError, match=told):
        read_envelope(value)
