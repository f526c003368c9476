"""Device state kept between runs."""

import base64

import pytest

from doubles.drive import make_bundle
from engine.device.bundle import BundleUnreadable, decode, encode, from_record, newest, to_record

KEY = bytes(range(64))
BUNDLE = make_bundle("d-0")


def test_bundle_comes_back_from_its_record():
    """Everything, through the stored body as well."""
    record = decode(encode({"d-0": to_record(BUNDLE, KEY)}))["d-0"]
    assert from_record(record, KEY) == BUNDLE


def test_record_does_not_show_the_key():
    """Neither does the bundle's own text."""
    body = encode({"d-0": to_record(BUNDLE, KEY)})
    assert base64.b64encode(BUNDLE.key)[:40] not in body
    assert repr(BUNDLE) == "Bundle(d-0, hub-1.example, generation 1)"


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"wrappedKey": "!"},
        {"wrappedKey": None},
        {"wrappedKey": base64.b64encode(b"x" * 40).decode()},
        {"deviceId": "d-1"},
        {"chain": 7},
        {"chain": ["!"]},
        {"generation": "x"},
    ],
)
def test_damaged_record_is_unreadable(change):
    """Another version, another device's key, or what is no record at all."""
    with pytest.raises(BundleUnreadable):
        from_record({**to_record(BUNDLE, KEY), **change}, KEY)


@pytest.mark.parametrize("key", [bytes(64), b"short"])
def test_record_does_not_open_with_another_key(key):
    """A wrong wrapping key is told, not guessed around."""
    with pytest.raises(BundleUnreadable, match="SealBroken"):
        from_record(to_record(BUNDLE, KEY), key)


@pytest.mark.parametrize("missing", ["version", "deviceId", "hub", "generation", "wrappedKey", "chain"])
def test_record_needs_every_field(missing):
    """None has a default."""
    record = to_record(BUNDLE, KEY)
    del record[missing]
    with pytest.raises(BundleUnreadable):
        from_record(record, KEY)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b"{}",
        b'{"version":9,"devices":{}}',
        b'{"version":1,"devices":[]}',
        b'{"version":1,"devices":{"a":1}}',
    ],
)
def test_body_that_is_no_device_state_is_unreadable(body):
    """Whatever it is."""
    with pytest.raises(BundleUnreadable):
        decode(body)


def test_newest_takes_the_highest_generation():
    """Of equals the later body's; one that says nothing usable is older than any."""
    first = {"a": {"generation": 2, "n": 1}, "b": {"generation": 1, "n": 1}, "c": {"generation": "x", "n": 1}}
    second = {"a": {"generation": 1, "n": 2}, "b": {"generation": 1, "n": 2}, "c": {"generation": 1, "n": 2}}
    assert {name: record["n"] for name, record in newest([first, second]).items()} == {"a": 1, "b": 2, "c": 2}
    assert newest([]) == {}
