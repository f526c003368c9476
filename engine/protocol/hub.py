"""IoT Hub over MQTT: user name, telemetry, twin and methods, for both ends. Certificates are in `credentials`.

Source: article "Communicate with an IoT hub using the MQTT protocol" (iot-mqtt-connect-to-iot-hub.md);
azure-iot-sdk-python, iothub/pipeline/mqtt_topic_iothub.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from engine.errors import LocalProtocolError, RemoteProtocolError
from engine.protocol.body import write_json
from engine.protocol.topic import parse_query, take_rid

API_VERSION = "2025-08-01-preview"
"""The version that has certificate issuance. Source: azure-iot-sdk-csharp, ClientApiVersionHelper.cs."""

MAX_TELEMETRY_BYTES = 256 * 1024
"""Source: article "IoT Hub quotas and throttling", other limits: device-to-cloud messages."""

MAX_SUBSCRIPTIONS = 5
"""Topic filters a device may hold at a time. Source: article "Communicate with an IoT hub using the MQTT protocol"."""

_USERNAME = re.compile(r"(?P<hub>[^/]+)/(?P<client>[^/]+(/[^/]+)?)/\?(?P<query>.+)", re.DOTALL)
_DEVICE_ID = re.compile(r"[A-Za-z0-9\-._:%#*?!(),=@;$']{1,128}", re.ASCII)
_TWIN_GET = "$iothub/twin/GET/?"
_TWIN_PATCH = "$iothub/twin/PATCH/properties/reported/?"
_METHOD_REPLY = re.compile(r"\$iothub/methods/res/(?P<status>-?[0-9]{1,10})/\?(?P<query>.+)", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Login:
    """What a device says of itself in its user name; client_id is `device` or `device/module`."""

    hub: str
    client_id: str
    api_version: str

    @property
    def device_id(self) -> str:
        """The client id without the module."""
        return self.client_id.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """A device-to-cloud message. properties is what follows the topic, decoded."""

    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TwinGet:
    """A question for the whole twin."""

    rid: str


@dataclass(frozen=True, slots=True)
class TwinPatch:
    """A change of the reported properties."""

    rid: str


@dataclass(frozen=True, slots=True)
class MethodReply:
    """The result of a direct method."""

    rid: str
    status: int


type Request = Telemetry | TwinGet | TwinPatch | MethodReply


def username(hub: str, device_id: str) -> str:
    """The MQTT user name. Raises LocalProtocolError on a device id that a hub would not have."""
    _check_device_id(device_id)
    return f"{hub}/{device_id}/?api-version={API_VERSION}"


def sas_resource(hub: str, client_id: str) -> str:
    """What a token of the device, or of its module, is for, not yet percent-encoded."""
    device, _, module = client_id.partition("/")
    return f"{hub}/devices/{device}" + (f"/modules/{module}" if module else "")


def events_topic(device_id: str, properties: Mapping[str, str] | None = None) -> str:
    """Where telemetry goes, with application properties as a percent-encoded bag."""
    _check_device_id(device_id)
    return f"devices/{device_id}/messages/events/" + urlencode(properties or {}, quote_via=quote)


def _check_device_id(device_id: str) -> None:
    """Source: article "Understand the identity registry", device identity properties; `/` never, it parts topics."""
    if not _DEVICE_ID.fullmatch(device_id):
        raise LocalProtocolError(f"device id {device_id[:150]!r} is not 1 to 128 of the characters a hub allows")


# The service's end.


def parse_username(text: str) -> Login | None:
    """Who logs in, with any api-version and other keys tolerated; None when it is not a hub user name."""
    found = _USERNAME.fullmatch(text)
    if found is None:
        return None
    try:
        query = parse_query(found["query"])
    except RemoteProtocolError:
        return None
    version = query.get("api-version", "")
    return Login(found["hub"].lower(), found["client"], version) if version else None


def filters(client_id: str) -> frozenset[str]:
    """The topic filters a client may subscribe to; wildcards of its own are not among them."""
    device, _, module = client_id.partition("/")
    shared = {
        "$iothub/twin/res/#",
        "$iothub/twin/PATCH/properties/desired/#",
        "$iothub/methods/POST/#",
        "$iothub/credentials/res/#",
    }
    if module:
        return frozenset(shared | {f"devices/{device}/modules/{module}/inputs/#"})
    return frozenset(shared | {f"devices/{device}/messages/devicebound/#"})


def parse_request(topic: str, client_id: str) -> Request:
    """What a device publishes, except certificate requests.

    Raises RemoteProtocolError on a topic that is not the client's to publish to.
    """
    device, _, module = client_id.partition("/")
    events = f"devices/{device}/modules/{module}/messages/events/" if module else f"devices/{device}/messages/events/"
    if topic.startswith(events) or topic == events[:-1]:
        bag = topic[len(events) :]
        return Telemetry(parse_query(bag.strip("/?")) if bag.strip("/?") else {})
    if topic.startswith(_TWIN_GET):
        return TwinGet(take_rid(dict(parse_query(topic.removeprefix(_TWIN_GET)))))
    if topic.startswith(_TWIN_PATCH):
        return TwinPatch(take_rid(dict(parse_query(topic.removeprefix(_TWIN_PATCH)))))
    if reply := _METHOD_REPLY.fullmatch(topic):
        return MethodReply(take_rid(dict(parse_query(reply["query"]))), int(reply["status"]))
    raise RemoteProtocolError(f"topic {topic[:200]!r} is not one that {client_id[:100]!r} may publish to")


def twin_topic(status: int, rid: str, version: int | None = None) -> str:
    """Where an answer about the twin goes; a reported change carries the new version."""
    return f"$iothub/twin/res/{status}/?$rid={rid}" + ("" if version is None else f"&$version={version}")


def twin_payload(reported: Mapping[str, object], version: int) -> bytes:
    """A whole twin without desired properties."""
    return write_json({"desired": {"$version": 1}, "reported": {**reported, "$version": version}})
