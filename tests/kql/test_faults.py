"""What goes wrong on the way shows, and what arrives twice counts once."""

import copy
import json
from typing import Any

import pytest
from kql import pack
from kql.asking import ASKED, RUN, Ask
from kql.fiction import Told
from kql.workspace import Workspace

Envelopes = list[dict[str, Any]]

ONCE = (
    "03-percentiles",
    "04-percentiles-over-time",
    "05-throughput",
    "07-throttling",
    "08-renewals",
    "09-hubs",
    "11-workers",
    "12-health",
    "13-health-over-time",
    "15-compare",
)
"""What reads events only, and keeps one of each."""


@pytest.fixture
def envelopes(told: dict[str, Told]) -> Envelopes:
    """All envelopes of a run, to be spoilt."""
    return copy.deepcopy(told[RUN].envelopes())


def answers(query: str, envelopes: Envelopes) -> list[dict[str, Any]]:
    """A query of the pack over these envelopes alone."""
    workspace = Workspace()
    workspace.ingest(envelopes)
    rows = workspace.ask(pack.about(pack.queries()[query], ASKED))
    return [{name: value for name, value in row.items() if name != "silent_s"} for row in rows]


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """The row without the last digits of its numbers: sums of floats depend on their order."""
    return {name: float(f"{value:.9g}") if isinstance(value, float) else value for name, value in row.items()}


def is_interval(envelope: dict[str, Any], **said: str) -> bool:
    """Whether it is an interval's event with such properties."""
    data = envelope["data"]["baseData"]
    return data.get("name") == "loadtest.interval" and said.items() <= data["properties"].items()


@pytest.mark.parametrize("query", ONCE)
def test_events_that_arrive_twice_count_once(query: str, envelopes: Envelopes) -> None:
    """An endpoint that took a request and did not say so is sent it again."""
    events = [item for item in envelopes if item["data"]["baseType"] == "EventData"]
    twice, once = answers(query, [*envelopes, *events]), answers(query, envelopes)
    assert len(twice) == len(once) > 0
    assert [rounded(row) for row in twice] == [rounded(row) for row in once]


def test_repeated_items_are_counted(envelopes: Envelopes) -> None:
    """Completeness says how many items of each operation came more than once, and counts them once."""
    again = [item for item in envelopes if is_interval(item, operation="cert.issued")]
    found = {row["operation"]: row for row in answers("14-completeness", [*envelopes, *again])}
    assert found["cert.issued"]["repeated_items"] == len(again) > 0
    assert found["hub.connect"]["repeated_items"] == 0
    assert {row["delta"] for row in found.values()} == {0}


def test_lost_event_shows_in_completeness(envelopes: Envelopes) -> None:
    """As many as it counted, and for the main operation against the result as well."""
    lost = next(item for item in envelopes if is_interval(item, operation="cert.issued", outcome="ok"))
    envelopes.remove(lost)
    found = {row["operation"]: row for row in answers("14-completeness", envelopes)}
    count = lost["data"]["baseData"]["measurements"]["count"]
    assert (found["cert.issued"]["delta"], found["cert.issued"]["not_arrived"]) == (count, count)
    assert {row["delta"] for operation, row in found.items() if operation != "cert.issued"} == {0}


def test_lost_metric_shows_in_completeness(envelopes: Envelopes) -> None:
    """The other way round."""
    lost = next(
        item
        for item in envelopes
        if item["data"]["baseType"] == "MetricData"
        and item["data"]["baseData"]["metrics"][0]["name"] == "loadtest.operations"
        and item["data"]["baseData"]["properties"]["operation"] == "hub.connect"
    )
    envelopes.remove(lost)
    found = {row["operation"]: row for row in answers("14-completeness", envelopes)}
    assert found["hub.connect"]["delta"] == -lost["data"]["baseData"]["metrics"][0]["value"]


def test_operation_whose_events_are_all_lost_is_still_listed(envelopes: Envelopes) -> None:
    """Metrics alone show that there was one."""
    kept = [item for item in envelopes if not is_interval(item, operation="hub.connect")]
    found = {row["operation"]: row for row in answers("14-completeness", kept)}
    assert found["hub.connect"]["in_events"] == 0
    assert found["hub.connect"]["delta"] == found["hub.connect"]["in_metrics"] > 0


def test_histogram_in_two_events_is_one(envelopes: Envelopes, ask: Ask) -> None:
    """Buckets that travel apart, with the sum in the first, come to the same percentiles, count and mean."""
    whole = next(item for item in envelopes if is_interval(item, operation="cert.issued", outcome="ok", phase="steady"))
    first, second = copy.deepcopy(whole), copy.deepcopy(whole)
    for piece, number in ((first, 0), (second, 1)):
        data = piece["data"]["baseData"]
        read = json.loads(data["properties"]["buckets"])
        half = len(read["b"]) // 2
        part = slice(None, half) if number == 0 else slice(half, None)
        kept = {"b": read["b"][part], "c": read["c"][part]}
        data["properties"] |= {"buckets": json.dumps(kept), "id": f"piece-{number}"}
        data["measurements"]["count"] = sum(kept["c"])
    second["data"]["baseData"]["measurements"]["sum_ms"] = 0.0
    apart = [item for item in envelopes if item is not whole] + [first, second]
    found = {row["operation"]: row for row in answers("03-percentiles", apart)}
    wanted = {row["operation"]: row for row in ask("03-percentiles")}
    assert found["cert.issued"] == pytest.approx(wanted["cert.issued"])


def test_histograms_of_another_resolution_are_left_out(envelopes: Envelopes) -> None:
    """Buckets of different widths cannot be added: those of another alpha are not read at all."""
    for item in envelopes:
        if is_interval(item, operation="cert.issued"):
            item["data"]["baseData"]["properties"]["alpha"] = "0.02"
    assert "cert.issued" not in {row["operation"] for row in answers("03-percentiles", envelopes)}


def test_event_of_another_name_is_not_found(envelopes: Envelopes) -> None:
    """A renamed event leaves every query empty handed: names are checked, see test_names."""
    for item in envelopes:
        if is_interval(item):
            item["data"]["baseData"]["name"] = "loadtest.intervals"
    assert answers("03-percentiles", envelopes) == []
    assert answers("05-throughput", envelopes) == []
