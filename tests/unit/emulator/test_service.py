"""Who is let in, where refusals show, and when something is due."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.emulator.packet import Connect, Publish, Subscribe
from engine.emulator.service import Options, Where
from engine.emulator.throttle import Quotas
from engine.protocol import dps, hub, issuing, sas, x509
from engine.protocol.x509 import KeyType
from unit.emulator.rig import GROUP_KEY, HUB, ISSUER, NOW, ROOT, SCOPE, Rig, closed, code, make_rig


def test_tokens_open_both_services(rig: Rig) -> None:
    """A derived key is enough for DPS and for the hub."""
    rig.dps_device()
    rig.hub_device()
    assert rig.service.report()["connacks"] == {"0": 2}


def hub_login(rig: Rig, connect: Connect, chain: tuple[bytes, ...] = ()) -> int:
    return code(rig.send(rig.open(chain), connect))


def test_wrong_tokens_are_refused(rig: Rig) -> None:
    """None, another key, another resource, an expired one: code 5 everywhere."""
    other = sas.token(f"{HUB}/devices/d-1", b"other", int(NOW) + 60).encode()
    wrong = sas.token(f"{HUB}/devices/d-2", sas.derive_key(GROUP_KEY, "d-1"), int(NOW) + 60).encode()
    old = sas.token(f"{HUB}/devices/d-1", sas.derive_key(GROUP_KEY, "d-1"), int(NOW)).encode()
    for password in (None, b"\xff", other, wrong, old):
        assert hub_login(rig, rig.hub_connect("d-1", password=password)) == 5
        assert hub_login(rig, rig.dps_connect("d-1", password=password)) == 5


def test_other_names_are_refused(rig: Rig) -> None:
    """Another id scope, hub or client id, and a user name of no service."""
    assert hub_login(rig, rig.dps_connect("d-1", username=dps.username("0ne99999999", "d-1"))) == 5
    elsewhere = sas.token("other/devices/d-1", sas.derive_key(GROUP_KEY, "d-1"), int(NOW) + 60).encode()
    assert hub_login(rig, rig.hub_connect("d-1", username=hub.username("other", "d-1"), password=elsewhere)) == 5
    assert hub_login(rig, rig.hub_connect("d-1", username="who")) == 5
    assert hub_login(rig, rig.hub_connect("d-1", client_id="d-2")) == 2
    assert hub_login(rig, rig.dps_connect("d-1", client_id="d-2")) == 2


def by_certificate(device_id: str = "d-1") -> Connect:
    return Connect(device_id, hub.username(HUB, device_id))


def test_operational_certificates_open_hubs_and_not_dps(rig: Rig) -> None:
    """A leaf of the service's authority with the right name and mark, also if it was issued before a restart."""
    assert hub_login(rig, by_certificate(), rig.chain()) == 0
    assert hub_login(rig, Connect("d-1", dps.username(SCOPE, "d-1")), rig.chain()) == 5
    assert hub_login(rig, rig.dps_connect("d-1"), rig.chain()) == 5


def test_onboarding_certificates_open_dps_and_no_hub(rig: Rig) -> None:
    """A leaf of the onboarding CA with the device's name proves it to DPS, and to no hub, also beside a token."""
    assert hub_login(rig, Connect("d-1", dps.username(SCOPE, "d-1")), rig.onboarding_chain()) == 0
    assert hub_login(rig, by_certificate(), rig.onboarding_chain()) == 5
    assert hub_login(rig, rig.hub_connect("d-1"), rig.onboarding_chain()) == 5
    assert rig.service.report()["hub.connects"] == {}


def test_onboarding_certificates_of_others_are_refused(rig: Rig) -> None:
    """Another name, and one that is over or has not begun."""
    connect = Connect("d-1", dps.username(SCOPE, "d-1"))
    assert hub_login(rig, connect, rig.onboarding_chain("d-2")) == 5
    assert hub_login(rig, connect, rig.onboarding_chain(begins=NOW - 60, ends=NOW - 1)) == 5
    assert hub_login(rig, connect, rig.onboarding_chain(begins=NOW + 1, ends=NOW + 60)) == 5


def test_connects_are_counted_by_hub() -> None:
    """Devices are let in at the hub they belong to and at no other; only those let in count."""
    rig = make_rig(Options(), hubs=("a.example", "b.example"))
    devices = [f"d-{number}" for number in range(20)]
    for device in devices:
        own = rig.service.registry.hub_of(device)
        other = next(name for name in rig.service.registry.hubs if name != own)
        for name, expected in ((own, 0), (other, 5)):
            resource, key = hub.sas_resource(name, device), sas.derive_key(GROUP_KEY, device)
            token = sas.token(resource, key, int(NOW) + 60).encode()
            assert hub_login(rig, Connect(device, hub.username(name, device), token)) == expected
    dealt = Counter(map(rig.service.registry.hub_of, devices))
    assert len(dealt) == 2
    assert rig.service.report()["hub.connects"] == dealt


def test_connections_leave_for_http_and_join_again(rig: Rig) -> None:
    """While it speaks HTTP a connection is none of MQTT; as a WebSocket it is again, with its certificates."""
    chain = rig.chain()
    conn = rig.open(chain)
    assert rig.service.leave(conn) == chain
    assert (rig.send(conn, by_certificate()), rig.tick(40.0)) == ([], [])
    assert rig.service.leave(conn) == ()
    rig.service.join(conn, chain, rig.now)
    assert code(rig.send(conn, by_certificate())) == 0
    report = rig.service.report()
    assert (report["opens"], report["websockets"], report["closes"]) == (1, 1, {})


def test_certificates_of_others_are_refused(rig: Rig) -> None:
    """Another device's name is code 5, with a good token too."""
    assert hub_login(rig, by_certificate("d-2"), rig.chain("d-1")) == 5
    assert hub_login(rig, rig.hub_connect("d-2"), rig.chain("d-1")) == 5


def test_revoked_certificates_are_refused(rig: Rig) -> None:
    """Revoking ends every certificate so far, and none that comes after."""
    chain = rig.chain()
    rig.service.registry.revoke("d-1")
    assert hub_login(rig, by_certificate(), chain) == 5
    assert hub_login(rig, by_certificate(), rig.chain()) == 0


def foreign() -> tuple[bytes, ...]:
    root = issuing.new_root(KeyType.EC_P384, "root", now=NOW)
    issuer = issuing.new_issuer(root, "issuer", now=NOW)
    csr = issuing.read_csr(x509.build_csr(x509.generate_key(KeyType.EC_P256), "d-1"))
    return (issuing.issue_leaf(issuer, csr, mark=b"", begins=NOW - 60, ends=NOW + 60), issuer.der, root.der)


@pytest.mark.parametrize(("where", "opens"), [(Where.ALERT, False), (Where.CONNACK, True)])
def test_foreign_certificates_are_refused_where_the_switch_says(
    new_rig: Callable[[Options], Rig], where: Where, opens: bool
) -> None:
    """In the handshake by default, else with code 5."""
    rig = new_rig(Options(foreign=where))
    assert rig.service.open(1, foreign(), NOW) is opens
    if opens:
        assert code(rig.send(1, by_certificate())) == 5


@pytest.mark.parametrize(("where", "opens"), [(Where.ALERT, False), (Where.CONNACK, True)])
@pytest.mark.parametrize(("begins", "ends"), [(NOW - 60, NOW - 1), (NOW + 60, NOW + 120)])
def test_certificates_out_of_time_are_refused_where_the_switch_says(
    new_rig: Callable[[Options], Rig], where: Where, opens: bool, begins: float, ends: float
) -> None:
    """Code 5 by default, else in the handshake."""
    rig = new_rig(Options(expired=where))
    assert rig.service.open(1, rig.chain(begins=begins, ends=ends), NOW) is opens
    if opens:
        assert code(rig.send(1, by_certificate())) == 5


def test_a_root_is_nobodys_leaf(rig: Rig) -> None:
    """A chain in the wrong order is a foreign certificate."""
    assert not rig.service.open(1, (ROOT.der, ISSUER.der), NOW)


def test_a_quota_of_connections_answers_3(new_rig: Callable[[Options], Rig]) -> None:
    """One a second; DPS is not meant."""
    rig = new_rig(Options(quotas=Quotas(hub_connects_per_s=1.0)))
    assert [hub_login(rig, rig.hub_connect(f"d-{n}")) for n in range(2)] == [0, 3]
    rig.dps_device()


def test_topics_of_the_other_service_are_not_to_be_had(rig: Rig) -> None:
    """A device of DPS cannot hear of certificates, nor one of a hub of registrations."""
    for conn, topic in ((rig.dps_device(), "$iothub/credentials/res/#"), (rig.hub_device(), dps.RESPONSES)):
        (suback,) = rig.send(conn, Subscribe(2, ((topic, 1),)))
        assert suback.packet.granted == (0x80,)  # type: ignore[union-attr]


def test_the_next_due_time_is_the_earliest(rig: Rig) -> None:
    """Keep-alives, results and expiries; a tick that comes too early does nothing."""
    assert rig.service.next_due() is None
    conn = rig.hub_device()
    assert rig.service.next_due() == NOW + 30.0
    rig.request(conn, "abcd")
    assert rig.service.next_due() == NOW + 1.0
    assert rig.tick() == []


def test_silent_connections_are_forgotten(rig: Rig) -> None:
    """One that never said CONNECT leaves nothing behind."""
    conn = rig.open(rig.chain())
    assert closed(rig.tick(30.0)) == {conn: "keep-alive"}
    assert rig.service._chains == {}
    assert rig.send(conn, by_certificate()) == []


def test_closed_connections_are_forgotten(rig: Rig) -> None:
    """The peer's end is noted once."""
    conn = rig.open(rig.chain())
    rig.service.closed(conn)
    rig.service.closed(conn)
    assert rig.service._chains == {}
    assert rig.service.report()["closes"] == {"by peer": 1}


def test_undelivered_messages_are_counted(rig: Rig) -> None:
    """What a connection could not take is told from outside, what nobody subscribed to is known."""
    rig.service.undelivered(2)
    conn = rig.open()
    rig.send(conn, rig.dps_connect("d-1"), Publish(dps.register_topic("1"), dps.register_payload("d-1", None)))
    assert rig.service.report()["undelivered"] == 3


def test_options_are_values() -> None:
    """Two services with the same options behave alike."""
    assert replace(Options(), seed=2) != Options() == Options()
