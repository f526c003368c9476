"""The allow-list, and every way of writing a host that somebody could get past it."""

import pytest

from engine.plan.hosts import is_allowed, is_this_machine

LISTED = ("*.azure-devices.net", "exact.example", "192.0.2.7", "*.0.2.9")


@pytest.mark.parametrize(
    "host",
    [
        "contoso.azure-devices.net",
        "a.b.azure-devices.net",
        "CONTOSO.Azure-Devices.NET",
        "contoso.azure-devices.net.",
        "exact.example",
        "Exact.Example.",
        "xn--mller-kva.azure-devices.net",
        "192.0.2.7",
    ],
)
def test_host_on_the_list_is_allowed(host: str):
    """Exactly, or with any labels in place of the `*.`, however it is written."""
    assert is_allowed(host, LISTED)


@pytest.mark.parametrize(
    "host",
    [
        *("", ".", "..", "azure-devices.net", "*.azure-devices.net", "evilazure-devices.net", "sub.exact.example"),
        *("azure-devices.net.evil.example", "exact.example.evil.example", "exact.example..", ".azure-devices.net"),
        *("a..azure-devices.net", "evil.example/.azure-devices.net", "evil.example#.azure-devices.net"),
        *("evil.example?.azure-devices.net", "evil.example\\.azure-devices.net", "evil.example%00.azure-devices.net"),
        *("exact.example@evil.example", "user@exact.example", "exact.example:443"),
        "evil.example:443.azure-devices.net",
        *("evil.example\0.azure-devices.net", "exact.example\n", " exact.example", "evil.example .azure-devices.net"),
        *("müller.azure-devices.net", "evil.example。azure-devices.net", "exact。example", "\uff45xact.example"),
        *("e\u200bxact.example", "ex\u00adact.example", "x" * 64 + ".azure-devices.net"),
        "x." * 125 + "azure-devices.net",
        *("192.0.2.8", "192.0.2.07", "0xc0.0.2.7", "3221225991", "192.0.519", "1.0.2.9", "0x1.0.2.9"),
        *("::ffff:192.0.2.7", "[::1]", "::1", "fe80::1%eth0.azure-devices.net"),
    ],
)  # fmt: skip
def test_host_off_the_list_is_not_allowed(host: str):
    """Neither one that looks alike, nor one that another reader could take for something else."""
    assert not is_allowed(host, LISTED)


def test_letters_that_look_alike_are_others():
    """A Kelvin sign in lower case is a k, and a resolver would make one of it."""
    assert is_allowed("hub.key.example", ("*.key.example",))
    assert not is_allowed("hub.\u212aey.example", ("*.key.example",))


def test_empty_list_allows_nothing():
    """Nor does an entry that is no name."""
    assert not is_allowed("exact.example", ())
    assert not is_allowed("exact.example", ("", "*", "*.", "exact.example:443"))


@pytest.mark.parametrize("host", ["localhost", "hub-1.localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_has_many_names(host: str):
    """All that RFC 6761 and the addresses of loopback give it."""
    assert is_this_machine(host)


@pytest.mark.parametrize("host", ["", "localhost.example", "127.0.0.1.example", "128.0.0.1", "notlocalhost", "0.0.0.0"])
def test_other_machines_are_not_this_one(host: str):
    """However much their names look like it."""
    assert not is_this_machine(host)
