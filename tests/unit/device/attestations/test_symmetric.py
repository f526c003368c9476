"""A device proves itself with a key derived from its group's."""

from doubles.drive import GROUP_KEY, SCOPE, ZERO_WALL, make_setup
from engine.device.attestations.symmetric import TOKEN_LIFE_S, GroupKey
from engine.device.identity import Device
from engine.protocol import dps, sas


def last_of(proof):
    """The last second in which the token holds for the registration of d-7, and that nothing holds after it."""
    keys, resource = [sas.derive_key(GROUP_KEY, "d-7")], dps.sas_resource(SCOPE, "d-7")
    last = int(proof.token.partition("&se=")[2].partition("&")[0]) - 1
    assert sas.verify(proof.token, keys, resource=resource, now=last) is None
    assert sas.verify(proof.token, keys, resource=resource, now=last + 1) is sas.Refusal.EXPIRED
    return last


def test_proof_is_a_token_that_holds_for_an_hour():
    """Of the device's own key, for its own registration; there is no certificate, and no key was made for one."""
    device = Device(make_setup(), "d-7", index=7, ordinal=7)
    proof = device.prove(5, 305)
    assert last_of(proof) == ZERO_WALL + 5 + TOKEN_LIFE_S - 1
    assert (proof.identity, device.onboarding_key) == (None, None)


def test_token_holds_as_long_as_a_registration_may_take():
    """Polls over HTTPS carry it to the end; MQTT shows it only once."""
    device = Device(make_setup(), "d-7", index=7, ordinal=7)
    assert last_of(device.prove(5, 43_205.5)) == ZERO_WALL + 43_205


def test_neither_key_nor_token_is_shown():
    """Not in the text of what holds them."""
    device = Device(make_setup(), "d-7", index=7, ordinal=7)
    assert repr(device.prove(0, 1)) == "Proof(identity=None)"
    assert repr(GroupKey(GROUP_KEY)) == "GroupKey()"


def test_setup_does_not_show_the_group_key():
    """Not in its text, wherever that ends up."""
    assert repr(GROUP_KEY) not in repr(make_setup())
