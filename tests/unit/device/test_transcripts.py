"""The exchanges in data/transcripts from the other end: the service's lines go in, the device's lines must come out."""

import base64
import json
import re
from pathlib import Path

import pytest

from doubles.drive import ISSUER, ROOT, SCOPE, ZERO_WALL, Puppet, make_bundle, make_setup, outcomes
from engine.device.identity import Device
from engine.device.session import Session
from engine.device.steps.register import register
from engine.device.steps.renew import renew
from engine.measure.operation import Operation
from engine.protocol import issuing, mqtt

FOLDER = Path(__file__).parents[2] / "data" / "transcripts"
NAME = "device-0001"


class Player:
    """One transcript against one device. Request ids are the device's own; any other difference is a failure."""

    def __init__(self, step):
        self.puppet = Puppet(step)
        self.puppet.device = device = Device(make_setup(), NAME, index=0, ordinal=0, bundle=None)
        device.bundle = make_bundle(NAME, hub="hub.example") if step is renew else None
        self.puppet.session = Session(device, lambda: self.puppet.now)
        self.puppet.start()
        self.values, self.rid, self.chain = {"operation": "4.0011223344556677.op"}, ("", ""), []

    def play(self, line):
        kind, _, rest = line[2:].partition(" ")
        if line[0] == "=":
            self.puppet.now += float(line[2:])
            if self.puppet.session.wake_at is not None and self.puppet.session.wake_at <= self.puppet.now:
                self.puppet.expire()
        elif line[0] == ">":
            self.expect(self.puppet.orders.pop(0), kind, rest)
        elif kind == "CONNACK":
            self.puppet.hear(lambda at: mqtt.Connected(at, 0.0, 0.0, 0.0), after_s=0.0)
        elif kind == "SUBACK":
            self.puppet.hear(lambda at: mqtt.Subscribed(at, "", 1), after_s=0.0)
        else:
            topic, payload = rest.split(" ", 1)
            self.puppet.receive(
                topic.replace(f"$rid={self.rid[0]}", f"$rid={self.rid[1]}"), self.fill(payload), after_s=0.0
            )

    def expect(self, order, kind, rest):
        words = rest.split(" ")
        match kind:
            case "CONNECT":
                assert (order.client_id, order.username) == (words[0], words[1])
            case "SUBSCRIBE":
                assert (order.topic, order.qos) == (words[0], int(words[1]))
            case "PUBLISH":
                self.rid = tuple(re.search(r"\$rid=([^&]+)", topic)[1] for topic in (words[0], order.topic))
                expected = words[0].replace("{operation}", self.values["operation"])
                assert order.topic == expected.replace(f"$rid={self.rid[0]}", f"$rid={self.rid[1]}")
                self.compare(words[1] if words[1:] else "", order.payload)

    def compare(self, expected, payload):
        if not expected:
            assert payload == b""
            return
        told = json.loads(payload)
        csr = issuing.read_csr(base64.b64decode(told.pop("csr")))
        assert csr.common_name == NAME
        leaf = issuing.issue_leaf(ISSUER, csr, mark=b"", begins=ZERO_WALL - 300, ends=ZERO_WALL + 86400)
        self.chain = [base64.b64encode(der).decode() for der in (leaf, ISSUER.der, ROOT.der)]
        assert told == {key: value for key, value in json.loads(expected).items() if key != "csr"}

    def fill(self, payload):
        body = json.loads(re.sub(r"\{([a-z]+)\}", lambda found: self.values.get(found[1], found[1]), payload))
        state = body.get("registrationState", body)
        for key in ("certificates", "issuedCertificateChain"):
            if key in state:
                state[key] = self.chain
        if body.get("operationId") == "<operation>":
            body["operationId"] = self.values["operation"]
        return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("name", "step", "operation"),
    [("renewal", renew, Operation.CERT_ISSUED), ("dps_certificate", register, Operation.DPS_REGISTER)],
)
def test_the_device_plays_its_part(name, step, operation):
    """Every line of the device comes, in its order, and what it was told makes the operation ok."""
    player = Player(step)
    for line in (FOLDER / f"{name}.txt").read_text().splitlines():
        if line and line[0] != "#":
            player.play(line)
    assert not any(isinstance(order, mqtt.Publish | mqtt.Connect | mqtt.Subscribe) for order in player.puppet.orders)
    assert outcomes(player.puppet.session.log)[operation.value] == ["ok"]
    assert SCOPE == "0ne00000001"
