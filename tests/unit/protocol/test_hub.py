"""Hub messages, both ends."""

import json

import pytest

from engine.errors import LocalProtocolError, RemoteProtocolError
from engine.protocol import hub
from engine.protocol.hub import Login, MethodReply, Telemetry, TwinGet, TwinPatch


def test_username_has_a_question_mark() -> None:
    """The user name is the one the SDKs send, with the API version that issues certificates."""
    assert hub.username("h.example", "d-1") == "h.example/d-1/?api-version=2025-08-01-preview"


def test_events_topic_encodes_properties() -> None:
    """Properties follow the topic as a percent-encoded bag."""
    assert hub.events_topic("d") == "devices/d/messages/events/"
    assert hub.events_topic("d", {"$.mid": "a b"}) == "devices/d/messages/events/%24.mid=a%20b"


@pytest.mark.parametrize("device_id", ["", "a/b", "a b", "a" * 129, "é"])
def test_ids_that_a_hub_has_none_of_are_our_mistake(device_id: str) -> None:
    """An id that would break a topic never leaves the house."""
    for call in (hub.events_topic, lambda d: hub.username("h", d)):
        with pytest.raises(LocalProtocolError):
            call(device_id)


def test_sas_resource_is_of_the_device_or_its_module() -> None:
    """Tokens of modules are for the module."""
    assert hub.sas_resource("h", "d") == "h/devices/d"
    assert hub.sas_resource("h", "d/m") == "h/devices/d/modules/m"


def test_parse_username_takes_what_sdks_add() -> None:
    """Any API version, a client type, a module; host names are compared in lower case."""
    assert hub.parse_username(hub.username("H.example", "d")) == Login("h.example", "d", hub.API_VERSION)
    text = "h/d/m/?api-version=2019-10-01&DeviceClientType=py-azure-iot-device"
    login = hub.parse_username(text)
    assert login == Login("h", "d/m", "2019-10-01")
    assert login.device_id == "d"


@pytest.mark.parametrize(
    "text", ["", "h/d", "h/d/?", "h/d/?a=b", "h/d/api-version=x", "s/registrations/d/api-version=x", "h/d/?a&a"]
)
def test_parse_username_is_none_for_others(text: str) -> None:
    """A user name of DPS, or half of one, is nobody at a hub."""
    assert hub.parse_username(text) is None


def test_filters_are_the_documented_ones() -> None:
    """A device and a module have five filters each, and differ in one."""
    assert "devices/d/messages/devicebound/#" in hub.filters("d")
    assert "devices/d/modules/m/inputs/#" in hub.filters("d/m")
    assert len(hub.filters("d")) == len(hub.filters("d/m")) == 5
    assert "#" not in hub.filters("d")


@pytest.mark.parametrize(
    ("topic", "request_"),
    [
        ("devices/d/messages/events/", Telemetry()),
        ("devices/d/messages/events", Telemetry()),
        ("devices/d/messages/events/%24.mid=a%20b&k", Telemetry({"$.mid": "a b", "k": ""})),
        ("$iothub/twin/GET/?$rid=1", TwinGet("1")),
        ("$iothub/twin/PATCH/properties/reported/?$rid=2", TwinPatch("2")),
        ("$iothub/methods/res/200/?$rid=3", MethodReply("3", 200)),
        ("$iothub/methods/res/-1/?$rid=3", MethodReply("3", -1)),
    ],
)
def test_parse_request_reads_every_topic_of_a_device(topic: str, request_: hub.Request) -> None:
    """The topics of the article on MQTT."""
    assert hub.parse_request(topic, "d") == request_


def test_parse_request_reads_telemetry_of_a_module() -> None:
    """A module has a topic of its own, and not the device's."""
    assert hub.parse_request("devices/d/modules/m/messages/events/", "d/m") == Telemetry()
    with pytest.raises(RemoteProtocolError):
        hub.parse_request("devices/d/messages/events/", "d/m")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "x",
        "devices/other/messages/events/",
        "$iothub/twin/GET/?",
        "$iothub/twin/GET/?$rid=",
        "$iothub/methods/res/x/?$rid=1",
    ],
)
def test_parse_request_refuses_other_topics(topic: str) -> None:
    """Other devices' topics and broken ones are the peer's mistake."""
    with pytest.raises(RemoteProtocolError):
        hub.parse_request(topic, "d")


def test_twin_answers_are_those_of_the_article() -> None:
    """Topics of both answers, and a whole twin."""
    assert hub.twin_topic(200, "1") == "$iothub/twin/res/200/?$rid=1"
    assert hub.twin_topic(204, "1", 7) == "$iothub/twin/res/204/?$rid=1&$version=7"
    assert json.loads(hub.twin_payload({"a": 1}, 3)) == {
        "desired": {"$version": 1},
        "reported": {"a": 1, "$version": 3},
    }
