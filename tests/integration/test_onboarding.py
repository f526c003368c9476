"""Devices that reach DPS by every attestation and transport, over real sockets: from a profile to a connection."""

import base64
import json
from collections.abc import Mapping

import pytest

from doubles.emulator import Emulator
from doubles.means import FixedSecrets, make_means, plan
from engine.adapters.clock import SystemClock
from engine.adapters.memory import MemoryStore
from engine.adapters.net.wire import EpollWire
from engine.errors import Outcome
from engine.measure.operation import Operation
from engine.measure.tally import Tally
from engine.plan.target import parse_targets
from engine.ports import Clock, Wire
from engine.protocol import issuing
from engine.protocol.x509 import KeyType
from engine.run import activities, keys, record
from engine.run.outcome import BatchOutcome


def driven(emulator: Emulator, prefix: str, dps: Mapping[str, str], *, hub: str = "mqtt", ca: bytes = b"") -> Tally:
    """What became of three devices that were to register and to connect; ca is the onboarding CA, if another."""
    store = MemoryStore()
    secrets = {
        "local-group-key": base64.b64decode(emulator.ready["groupKey"]),
        "local-onboarding-ca": ca or base64.b64decode(emulator.ready["onboardingCa"]),
    }

    def wire(clock: Clock, ca_file: str | None, newest_tls: str) -> Wire:
        return EpollWire(clock, ca_file=ca_file, newest_tls=newest_tls)

    means = make_means(
        store,
        clock=SystemClock(),
        targets=parse_targets("", allowed_hosts=(), local=json.dumps({**emulator.facts, **dps})),
        secrets=FixedSecrets(secrets),
        wire=wire,
    )
    spec = {
        "scenario": "provision",
        "devices": {"count": 3, "prefix": prefix},
        "load": {"rampUp": "0s", "gracefulStop": "5s"},
        "connection": {"transport": hub},
        "retries": {"register": 1},
    }
    plan(means, "run-a", spec)
    activities.run_batch({"runId": "run-a", "batch": 0, "attempt": 1}, means)
    fenced = record.read_fenced(store, keys.result_key("run-a", 0))
    assert fenced is not None
    return BatchOutcome.decode(fenced.body).timeline.total()


@pytest.mark.parametrize(("transport", "hub"), [("mqtt", "mqtt"), ("mqtt-ws", "mqtt-ws"), ("https", "mqtt")])
@pytest.mark.parametrize("attestation", ["symmetric-key-group", "x509"])
def test_devices_are_provisioned_and_let_in(emulator: Emulator, attestation: str, transport: str, hub: str) -> None:
    """The hub takes the certificate that DPS issued, whatever DPS was asked by; the parts are those the wire tells."""
    dps = {"attestation": attestation, "transport": transport}
    total = driven(emulator, f"onboard-{attestation}-{transport}-", dps, hub=hub)
    for operation in (Operation.DPS_REGISTER, Operation.HUB_CONNECT, Operation.CERT_VERIFIED):
        assert total.select(operation).outcomes == {Outcome.OK: 3}
    dialled = set() if transport == "https" else {"tcp", "tls", "connack", "suback"}
    assert total.select(Operation.DPS_REGISTER).parts.keys() == {*dialled, "accepted", "assigned"}


@pytest.mark.parametrize("transport", ["mqtt", "mqtt-ws", "https"])
def test_devices_of_another_ca_are_refused(emulator: Emulator, transport: str) -> None:
    """In the handshake, as the emulator knows no such CA: by an alert, and not by an answer."""
    stranger = issuing.new_root(KeyType.EC_P256, "certfleet onboarding CA", now=SystemClock().wall())
    dps = {"attestation": "x509", "transport": transport}
    total = driven(emulator, f"strange-{transport}-", dps, ca=issuing.authority_pem(stranger))
    assert total.select(Operation.DPS_REGISTER).outcomes == {Outcome.TLS: 3}
