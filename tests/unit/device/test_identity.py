"""What a device knows of itself."""

from dataclasses import replace

import pytest

from doubles.drive import make_bundle, make_setup
from engine.device.identity import Device
from engine.errors import Failure, Outcome
from engine.protocol import credentials, x509


def make_device(bundle=None, **setup):
    return Device(make_setup(**setup), "d-0", index=3, ordinal=3, bundle=bundle)


def der(key):
    return x509.key_to_der(key)


def test_devices_are_dealt_over_the_provisioning_services():
    """By index."""
    one = make_setup().dps[0]
    both = (one, replace(one, host="other.example"))
    hosts = [Device(make_setup(dps=both), "d", index=n, ordinal=n).dps.host for n in range(4)]
    assert hosts == [one.host, "other.example"] * 2


def test_a_reused_key_is_the_bundles():
    """Where there is none yet, the one made first."""
    bundle = make_bundle("d-0")
    assert der(make_device(bundle).signing_key()) == bundle.key
    fresh = make_device()
    assert fresh.signing_key() is fresh.signing_key()


def test_a_new_key_is_new_every_time():
    """The bundle keeps its own."""
    device = make_device(make_bundle("d-0"), reuse_key=False)
    assert len({device.bundle.key, der(device.signing_key()), der(device.signing_key())}) == 3


def test_request_ids_are_new_and_allowed():
    """The service takes letters, digits and inner dashes."""
    device = make_device()
    ids = [device.next_request_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(credentials.request_topic(rid) for rid in ids)


def test_accept_counts_the_generations():
    """The first is 1."""
    device = make_device()
    key = device.signing_key()
    device.bundle = device.accept("hub", (b"leaf",), key)
    assert (device.bundle.generation, device.bundle.key) == (1, der(key))
    assert device.accept("hub", (b"leaf",), key).generation == 2


def test_backoff_is_the_same_in_every_run_and_not_the_same_twice():
    """Chance comes from the seed, the device's place and how often it waited."""
    failure = Failure(Outcome.NETWORK)
    first, second = make_device(), make_device()
    waits = [first.backoff_s(1, failure) for _ in range(5)]
    assert waits == [second.backoff_s(1, failure) for _ in range(5)]
    assert len(set(waits)) == 5
    assert first.backoff_s(1, Failure(Outcome.THROTTLED, retry_after_s=50.0)) == 50.0


@pytest.mark.parametrize("websocket", [False, True])
def test_hub_is_dialled_as_the_setup_says(websocket):
    """By MQTT, or inside a WebSocket at that port."""
    setup = make_setup(websocket=websocket, hub_port=443)
    command = Device(setup, "d-1", index=1, ordinal=1, bundle=make_bundle("d-1")).dial_hub()
    assert (command.websocket, command.port) == (websocket, 443)
