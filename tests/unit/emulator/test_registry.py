"""Who may connect, to which hub."""

from collections import Counter

from engine.emulator.registry import Registry
from engine.protocol import adr, sas


def test_hubs_are_stable_and_even() -> None:
    """A device keeps its hub over restarts, and no hub has much more than its share."""
    hubs = ["a.example", "B.example", "c.example"]
    one, two = Registry("s", b"k", hubs=hubs), Registry("s", b"other", hubs=hubs)
    ids = [f"device-{n}" for n in range(3000)]
    assert [one.hub_of(d) for d in ids] == [two.hub_of(d) for d in ids]
    counts = Counter(one.hub_of(d) for d in ids)
    assert set(counts) == {"a.example", "b.example", "c.example"}
    assert min(counts.values()) > 850


def test_device_keys_are_derived() -> None:
    """The key is the one that a device derives from the group's."""
    assert Registry("s", b"k", hubs=["h"]).device_key("d") == sas.derive_key(b"k", "d")


def test_the_registrys_token_follows_from_the_group_key() -> None:
    """Whoever knows the one can make the other."""
    assert Registry("s", b"k", hubs=["h"]).adr_token == adr.local_token(b"k") != adr.local_token(b"other")


def test_revoking_changes_the_mark_of_one_device() -> None:
    """The mark rotates, also after a restart that was told of it."""
    registry = Registry("s", b"k", hubs=["h"])
    before, other = registry.mark_of("d"), registry.mark_of("e")
    registry.revoke("d")
    assert registry.mark_of("d") != before
    assert registry.mark_of("e") == other
    assert registry.revocations == {"d": 1}
    assert Registry("s", b"k", hubs=["h"], revocations={"d": 1}).mark_of("d") == registry.mark_of("d")
