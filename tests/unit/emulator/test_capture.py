"""The capture, without its port."""

import json
import resource
from pathlib import Path

import pytest

from doubles.envelopes import event, metric, span
from engine.emulator.capture import Capture, Keep

BODY = json.dumps([event("loadtest.interval"), metric("loadtest.operations"), span("hub.connect")]).encode()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "items.jsonl"


@pytest.fixture
def capture(file):
    return Capture(Keep(file), lambda: 0.0)


def ordered(capture, *spells):
    """The capture, with these spells ahead of it."""
    assert capture.control("POST", "/script", json.dumps(spells).encode()) == (200, {"scripted": len(spells)})
    return capture


def kept(file):
    """The names of the items in the file, by the kind of their data."""
    return [json.loads(text)["data"]["baseType"] for text in file.read_text().splitlines()]


def test_items_are_in_the_file_when_the_answer_is_out(capture, file):
    """Each on a line of its own."""
    reply = capture.track(BODY, "")
    assert (reply.status, reply.document["itemsAccepted"], reply.wait_s) == (200, 3, 0.0)
    assert kept(file) == ["EventData", "MetricData", "RemoteDependencyData"]


def test_file_begins_empty(file):
    """What a capture before has kept is gone."""
    file.write_text("{}\n")
    Keep(file).close()
    assert file.read_bytes() == b""


def test_numbers_are_told(capture, file):
    """Requests by answer, items by table and name, and bytes."""
    capture.track(BODY, "")
    capture.track(b"[{}]", "")
    status, stats = capture.control("GET", "/stats", b"")
    assert status == 200
    assert stats["requests"] == 2
    assert stats["answers"] == {"200": 1, "400": 1}
    assert stats["items"] == {"received": 4, "accepted": 3, "kept": 3}
    assert stats["keptBytes"] == file.stat().st_size
    assert stats["tables"]["AppEvents"] == {"loadtest.interval": 1}
    assert capture.control("GET", "/healthz", b"") == (200, {"status": "ok"})


def test_refusal_to_order_keeps_nothing(capture, file):
    """The status and the time to wait are those of the order; then all is as usual."""
    ordered(capture, {"status": 429, "retryAfter": 2})
    reply = capture.track(BODY, "")
    assert (reply.status, reply.retry_after_s, reply.document["itemsAccepted"]) == (429, 2, 0)
    assert {error["statusCode"] for error in reply.document["errors"]} == {429}
    assert kept(file) == []
    assert capture.track(BODY, "").status == 200


def test_refusal_to_order_goes_before_what_is_wrong_with_the_body(capture):
    """A service that is down does not read."""
    assert ordered(capture, {"status": 503}).track(b"", "").status == 503


def test_hang_is_no_answer_after_a_while(capture, file):
    """Nobody was told anything, so nothing was accepted."""
    reply = ordered(capture, {"hang_s": 30}).track(BODY, "")
    assert (reply.status, reply.wait_s) == (0, 30.0)
    assert kept(file) == []
    _, stats = capture.control("GET", "/stats", b"")
    assert (stats["answers"], stats["items"]["accepted"]) == ({"none": 1}, 0)


def test_lost_answer_keeps_items_that_come_again(capture, file):
    """They are in the file twice, as they would be in the workspace."""
    ordered(capture, {"close": True, "keep": True})
    assert [capture.track(BODY, "").status for _ in range(2)] == [0, 200]
    assert len(kept(file)) == 6
    _, stats = capture.control("GET", "/stats", b"")
    assert stats["items"] == {"received": 6, "accepted": 3, "kept": 6}


def test_late_answer_is_the_usual_one(capture, file):
    """Only later."""
    reply = ordered(capture, {"status": 200, "hang_s": 3}).track(BODY, "")
    assert (reply.status, reply.wait_s, len(kept(file))) == (200, 3.0, 3)


def test_partial_answer_keeps_every_second_item(capture, file):
    """The others are refused with the status of the order."""
    reply = ordered(capture, {"status": 206, "itemStatus": 503}).track(BODY, "")
    assert (reply.status, reply.document["itemsAccepted"]) == (206, 1)
    assert [(error["index"], error["statusCode"]) for error in reply.document["errors"]] == [(0, 503), (2, 503)]
    assert kept(file) == ["MetricData"]


def test_full_file_is_a_daily_cap(file):
    """Nothing of a request that does not fit is kept, and the exporter learns it."""
    capture = Capture(Keep(file, limit_bytes=1000), lambda: 0.0)
    one = json.dumps([event("x")]).encode()
    statuses = [capture.track(one, "").status for _ in range(5)]
    assert statuses == [200, 200, 200, 402, 402]
    assert len(kept(file)) == 3
    assert file.stat().st_size <= 1000


def test_file_that_cannot_be_written_is_an_error_of_the_service():
    """The exporter may try again."""
    reply = Capture(Keep(Path("/dev/full")), lambda: 0.0).track(BODY, "")
    assert (reply.status, reply.document["itemsAccepted"]) == (500, 0)


def test_file_that_takes_only_a_part_is_put_back(capture, file):
    """No item is torn, and what comes when there is room again is whole."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert capture.track(BODY, "").status == 200
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 100, hard))
    try:
        assert capture.track(BODY, "").status == 500
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert capture.track(BODY, "").status == 200
    assert len(kept(file)) == 6


def test_wrong_order_changes_nothing(capture):
    """Each problem is told with its path."""
    ordered(capture, {"close": True})
    status, answer = capture.control("POST", "/script", b'[{"status": 7}]')
    assert (status, answer["errors"][0]["path"]) == (400, "/0/status")
    assert capture.stats()["scripted"] == 1


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/script"), ("POST", "/stats")])
def test_other_requests_are_not_found(capture, method, path):
    """There is nothing else."""
    assert capture.control(method, path, b"")[0] == 404
