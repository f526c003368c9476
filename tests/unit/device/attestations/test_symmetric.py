"""A device proves itself with a key derived from its group's."""

from doubles.drive import GROUP_KEY, SCOPE, ZERO_WALL, make_setup
from doubles.loopback import DPS_HOST
from engine.device.attestations.symmetric import TOKEN_LIFE_S, dial
from engine.device.identity import Device
from engine.protocol import dps, sas


def test_dial_carries_a_token_that_holds_for_an_hour():
    """Of the device's own key, for its own registration, and no longer."""
    device = Device(make_setup(), "d-7", index=7, ordinal=7)
    command = dial(device, ZERO_WALL + 5)
    assert (command.host, command.client_id, command.username) == (DPS_HOST, "d-7", dps.username(SCOPE, "d-7"))
    assert command.identity is None
    keys, resource = [sas.derive_key(GROUP_KEY, "d-7")], dps.sas_resource(SCOPE, "d-7")
    last = ZERO_WALL + 5 + TOKEN_LIFE_S - 1
    assert sas.verify(command.password, keys, resource=resource, now=last) is None
    assert sas.verify(command.password, keys, resource=resource, now=last + 1) is sas.Refusal.EXPIRED


def test_setup_does_not_show_the_group_key():
    """Not in its text, wherever that ends up."""
    assert repr(GROUP_KEY) not in repr(make_setup())
