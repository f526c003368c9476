"""Telemetry and twins, through the whole service."""

import json

from engine.emulator.broker import Send
from engine.emulator.packet import Puback, Publish, Subscribe
from engine.protocol import hub
from unit.emulator.rig import Rig, closed, messages


def with_twin(rig: Rig) -> int:
    conn = rig.hub_device(subscribe=False)
    rig.send(conn, Subscribe(1, (("$iothub/twin/res/#", 0),)))
    return conn


def test_telemetry_is_taken_and_counted(rig: Rig) -> None:
    """A PUBACK at QoS 1, nothing at QoS 0, and both count."""
    conn = rig.hub_device()
    assert rig.send(conn, Publish(hub.events_topic("d-1", {"a": "b"}), b"12345", 1, 3)) == [Send(conn, Puback(3))]
    assert rig.send(conn, Publish(hub.events_topic("d-1"), b"123")) == []
    report = rig.service.report()
    assert (report["telemetry"], report["telemetryBytes"]) == (2, 8)


def test_telemetry_above_the_limit_closes(rig: Rig) -> None:
    """256 KiB and not a byte more."""
    conn = rig.hub_device()
    assert closed(rig.send(conn, Publish(hub.events_topic("d-1"), bytes(256 * 1024)))) == {}
    assert closed(rig.send(conn, Publish(hub.events_topic("d-1"), bytes(256 * 1024 + 1)))) == {conn: "protocol"}


def test_telemetry_of_another_device_closes(rig: Rig) -> None:
    """A device speaks for itself only."""
    conn = rig.hub_device()
    assert closed(rig.send(conn, Publish(hub.events_topic("d-2"), b""))) == {conn: "protocol"}


def test_twins_are_kept(rig: Rig) -> None:
    """A change is answered with a new version, null removes, and GET tells all."""
    conn = with_twin(rig)
    patch = "$iothub/twin/PATCH/properties/reported/?$rid=1"
    (answer,) = messages(rig.send(conn, Publish(patch, b'{"a": 1, "b": 2}')))
    assert answer == Publish("$iothub/twin/res/204/?$rid=1&$version=2", b"")
    rig.send(conn, Publish(patch, b'{"b": null}'))
    (twin,) = messages(rig.send(conn, Publish("$iothub/twin/GET/?$rid=2", b" ")))
    assert twin.topic == "$iothub/twin/res/200/?$rid=2"
    assert json.loads(twin.payload) == {"desired": {"$version": 1}, "reported": {"a": 1, "$version": 3}}
    assert rig.service.report()["twin"] == {"200": 1, "204": 2}


def test_a_new_twin_is_empty(rig: Rig) -> None:
    """Version 1 of nothing."""
    (twin,) = messages(rig.send(with_twin(rig), Publish("$iothub/twin/GET/?$rid=2", b"")))
    assert json.loads(twin.payload)["reported"] == {"$version": 1}


def test_a_broken_twin_change_is_answered_with_400(rig: Rig) -> None:
    """What is no JSON object changes nothing."""
    (answer,) = messages(rig.send(with_twin(rig), Publish("$iothub/twin/PATCH/properties/reported/?$rid=1", b"[")))
    assert answer.topic == "$iothub/twin/res/400/?$rid=1"


def test_method_results_are_noted(rig: Rig) -> None:
    """Nobody asked, and nothing comes of it."""
    conn = rig.hub_device()
    assert rig.send(conn, Publish("$iothub/methods/res/200/?$rid=1", b"{}")) == []
