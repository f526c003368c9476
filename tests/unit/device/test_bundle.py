"""Device state kept between runs."""

import base64

import pytest

from doubles.drive import make_bundle
from engine.device.bundle import (
    Bundle,
    BundleUnreadable,
    WrappingKey,
    decode,
    encode,
    from_record,
    newest,
    to_record,
)
from engine.protocol import x509

KEY = WrappingKey(bytes(range(64)))
OTHER = bytes(reversed(range(64)))
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
        {"version": 3},
        {"version": 1},
        {"version": "2"},
        {"wrappedKey": "!"},
        {"wrappedKey": None},
        {"wrappedKey": base64.b64encode(b"x" * 40).decode()},
        {"deviceId": "d-1"},
        {"hub": "hub-2.example"},
        {"chain": []},
        {"generation": 2},
        {"more": 1},
        {"chain": 7},
        {"chain": ["!"]},
        {"generation": "x"},
    ],
)
def test_damaged_record_is_unreadable(change):
    """Another version, another device's key, what is no record at all, or a record in which one thing was changed."""
    with pytest.raises(BundleUnreadable):
        from_record({**to_record(BUNDLE, KEY), **change}, KEY)


@pytest.mark.parametrize("key", [bytes(64), b"short", OTHER])
@pytest.mark.parametrize("former", [b"", bytes(64)])
def test_record_does_not_open_with_another_key(key, former):
    """A wrong wrapping key is told, not guessed around."""
    with pytest.raises(
        BundleUnreadable, match=r"^STATE_KEY is not the one it was sealed with, or the record was changed$"
    ):
        from_record(to_record(BUNDLE, KEY), WrappingKey(key, former))


def test_record_opens_with_the_former_key():
    """What was sealed before the key was changed is read; what is sealed now needs the new key alone."""
    changed = WrappingKey(OTHER, former=KEY.key)
    assert from_record(to_record(BUNDLE, KEY), changed) == BUNDLE
    assert from_record(to_record(BUNDLE, changed), WrappingKey(OTHER)) == BUNDLE
    with pytest.raises(BundleUnreadable):
        from_record(to_record(BUNDLE, changed), KEY)


def test_record_of_version_1_is_read():
    """Its key is bound to the id of the device alone."""
    record = {**to_record(BUNDLE, KEY), "version": 1}
    sealed = x509.seal_key(BUNDLE.key, KEY.key, BUNDLE.device_id)
    record["wrappedKey"] = base64.b64encode(sealed).decode()
    assert from_record(record, KEY) == BUNDLE
    for change in ({"version": 2}, {"deviceId": "d-1"}):
        with pytest.raises(BundleUnreadable):
            from_record({**record, **change}, KEY)


def test_order_in_which_a_record_is_stored_means_nothing():
    """A store may write an object's names in any order."""
    record = to_record(BUNDLE, KEY)
    assert from_record(dict(reversed(record.items())), KEY) == BUNDLE


def test_long_chain_is_sealed_like_any():
    """However many certificates a service sends, and with a name in any letters."""
    long = Bundle("d-0", "hub-ß.example", BUNDLE.key, (b"certificate",) * 200, 7)
    assert from_record(decode(encode({"d-0": to_record(long, KEY)}))["d-0"], KEY) == long


def test_wrapping_key_does_not_show_itself():
    """Neither the present one nor the former."""
    assert repr(WrappingKey(b"present", b"former")) == "WrappingKey()"


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
