"""An endpoint that throttles, fails, hangs or is away: what was sent, tried again and dropped is known exactly."""

import logging
import threading

import pytest
from integration.telemetry.ways import PATIENT_S, Failures, events, ids, ingestion_to, way_to

from doubles.ingestion import KEY, Ingestion, Turn, run_ingestion
from engine.adapters.telemetry.outbox import Outbox
from engine.measure.signal import Count, Delivery, Metric, Span

AWAY = 0
"""The connection ends without an answer."""


@pytest.mark.parametrize("status", [AWAY, 401, 403, 408, 429, 500, 502, 503, 504])
def test_passing_trouble_loses_nothing(endpoint: Ingestion, status: int) -> None:
    """Each request goes out once by the SDK and once more by us, and every further try is counted."""
    endpoint.turns.extend([Turn(status, headers={"Retry-After": "0"})] * 2)
    outbox = way_to(endpoint)
    outbox.tell(events(5))
    assert outbox.close(PATIENT_S) == Delivery(sent=5, retried=10)
    assert len(endpoint.requests) == 3
    assert ids(endpoint) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("status", [400, 402, 404, 413, 439])
def test_lasting_trouble_is_not_insisted_on(endpoint: Ingestion, status: int) -> None:
    """What was refused is dropped at once; what comes after it is not."""
    endpoint.turns.append(Turn(status))
    outbox = way_to(endpoint)
    outbox.tell(events(5))
    assert endpoint.came.acquire(timeout=PATIENT_S)
    outbox.tell(events(2, first=5))
    assert outbox.close(PATIENT_S) == Delivery(sent=2, dropped=5)
    assert len(endpoint.requests) == 2


def test_partly_taken_request_is_sorted_out_by_item(endpoint: Ingestion) -> None:
    """Throttled items go again, and they alone; a malformed one is dropped."""
    endpoint.turns.append(Turn(206, refused={1: 429, 2: 400, 4: 500}))
    outbox = way_to(endpoint)
    outbox.tell(events(6))
    assert outbox.close(PATIENT_S) == Delivery(sent=5, retried=2, dropped=1)
    assert ids(endpoint) == ["0", "3", "5", "1", "4"]


@pytest.mark.parametrize(
    "signals",
    [
        [Count(Metric.OPERATIONS, 0.0, number, {"n": str(number)}) for number in range(4)],
        [Span("x", 0.0, 0.0, 1, number + 1, None, True, {"n": str(number)}) for number in range(4)],
    ],
)
def test_items_of_a_request_are_in_the_order_of_signals(endpoint: Ingestion, signals: list[Count | Span]) -> None:
    """An answer names them by their place: metrics and spans too."""
    endpoint.turns.append(Turn(206, refused={2: 503}))
    outbox = way_to(endpoint)
    outbox.tell(signals)
    assert outbox.close(PATIENT_S) == Delivery(sent=4, retried=1)
    taken = [item["data"]["baseData"]["properties"]["n"] for item in endpoint.items]
    assert taken == ["0", "1", "3", "2"]


def test_endpoint_that_is_away_for_a_while_gets_everything() -> None:
    """As long as there is room: connections are refused, and whoever tells does not notice."""
    failures = Failures()
    with run_ingestion(is_open=False) as endpoint:
        outbox = way_to(endpoint, failures=failures)
        for number in range(5):
            outbox.tell(events(10, first=10 * number))
            assert failures.came.acquire(timeout=PATIENT_S)
        endpoint.open()
        found = outbox.close(PATIENT_S)
        assert (found.sent, found.dropped, found.retried >= 50) == (50, 0, True)
        assert sorted(map(int, ids(endpoint))) == list(range(50))


def test_endpoint_that_is_away_for_long_costs_the_oldest() -> None:
    """Exactly those for which there is no room."""
    failures = Failures()
    with run_ingestion(is_open=False) as endpoint:
        outbox = way_to(endpoint, failures=failures, room=20)
        outbox.tell(events(50))
        assert failures.came.acquire(timeout=PATIENT_S)
        endpoint.open()
        found = outbox.close(PATIENT_S)
        assert (found.sent, found.dropped) == (20, 30)
        assert sorted(map(int, ids(endpoint))) == list(range(30, 50))


def test_endpoint_that_does_not_answer_is_asked_again(endpoint: Ingestion) -> None:
    """After a time-out: the items may arrive twice, but are counted once."""
    endpoint.turns.append(Turn(gate=threading.Event()))
    outbox = way_to(endpoint, answer_s=0.2)
    outbox.tell(events(3))
    assert outbox.close(PATIENT_S) == Delivery(sent=3, retried=3)
    assert ids(endpoint) == ["0", "1", "2"] * 2


def test_closing_is_not_held_up_by_an_endpoint_that_hangs(endpoint: Ingestion) -> None:
    """What has no answer when the time is over is dropped, with everything behind it."""
    endpoint.turns.append(Turn(gate=threading.Event()))
    outbox = way_to(endpoint, answer_s=3600.0)
    outbox.tell(events(3))
    assert endpoint.came.acquire(timeout=PATIENT_S)
    outbox.tell(events(4))
    assert outbox.close(0.05) == Delivery(dropped=7)


def test_mixed_troubles_add_up(endpoint: Ingestion) -> None:
    """Every signal ends as sent or dropped, whatever happened to which request."""
    statuses = (429, 500, AWAY, 206, 400, 503, 206, 408, 500, 404)
    refused = {0: 429, 1: 400}
    endpoint.turns.extend(Turn(status, refused=refused if status == 206 else {}) for status in statuses)
    outbox = way_to(endpoint)
    for number in range(40):
        outbox.tell([*events(7, first=7 * number), Count(Metric.OPERATIONS, 0.0, number, {})])
    found = outbox.close(PATIENT_S)
    assert found.sent + found.dropped == 40 * 8
    assert found.sent == len(endpoint.items)
    assert len(set(ids(endpoint))) == len(ids(endpoint))


@pytest.mark.parametrize("status", [307, 308])
def test_redirection_to_a_stranger_is_not_followed(endpoint: Ingestion, status: int) -> None:
    """Telemetry and its token go nowhere else: the items are dropped."""
    with run_ingestion() as stranger:
        where = stranger.connection_string.partition("IngestionEndpoint=")[2].replace("127.0.0.1", "localhost")
        endpoint.turns.append(Turn(status, headers={"Location": f"{where}v2.1/track"}))
        outbox = way_to(endpoint)
        outbox.tell(events(2))
        assert outbox.close(PATIENT_S) == Delivery(dropped=2)
        assert stranger.requests == []


def test_trouble_is_said_once_and_without_secrets(endpoint: Ingestion, caplog: pytest.LogCaptureFixture) -> None:
    """By us alone: neither the key nor an item is in any log or repr."""
    endpoint.turns.extend([Turn(500), Turn(500), Turn(206, refused={0: 400}), Turn(400)])
    ingestion = ingestion_to(endpoint)
    with caplog.at_level(logging.DEBUG):
        outbox = Outbox(ingestion)
        outbox.tell(events(2))
        outbox.close(PATIENT_S)
        outbox = Outbox(ingestion)
        outbox.tell(events(1, first=4711))
        outbox.close(PATIENT_S)
    said = [record.getMessage() for record in caplog.records if record.name == "certfleet.telemetry"]
    assert [line.partition(";")[0].rpartition(" ")[2] for line in said] == ["500", "206", "400"]
    assert {record.name.partition(".")[0] for record in caplog.records} <= {"certfleet", "urllib3", "asyncio"}
    assert KEY not in caplog.text
    assert "4711" not in caplog.text
    assert KEY not in repr(ingestion) + repr(outbox)


def test_outboxes_share_what_is_expensive(endpoint: Ingestion) -> None:
    """Many may send over one adapter at the same time; each knows what became of its own."""
    ingestion = ingestion_to(endpoint).opened()
    outboxes = [Outbox(ingestion) for _ in range(6)]
    for number, outbox in enumerate(outboxes):
        outbox.tell(events(number + 1, first=100 * number))
    found = [outbox.close(PATIENT_S) for outbox in outboxes]
    assert found == [Delivery(sent=number + 1) for number in range(6)]
    assert len(set(ids(endpoint))) == 21
