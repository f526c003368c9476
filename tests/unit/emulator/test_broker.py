"""MQTT sessions, with a backend that only writes down what it is asked."""

from dataclasses import dataclass, field

import pytest

from engine.emulator.broker import (
    LEGAL,
    MAX_KEEP_ALIVE_S,
    Action,
    Broker,
    Client,
    Close,
    Host,
    Message,
    OnBadFilter,
    Rules,
    Send,
    State,
)
from engine.emulator.packet import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from engine.emulator.stats import Stats
from engine.errors import RemoteProtocolError

FILTERS = [f"topic/{n}/#" for n in range(7)]


@dataclass
class Notes:
    """A backend that admits everybody but "bad", and refuses the topic "bad"."""

    received_: list[str] = field(default_factory=list)
    readied: list[str] = field(default_factory=list)

    def admit(self, conn: int, connect: Connect, now: float) -> Client | int:
        if connect.client_id == "bad":
            return 5
        return Client(Host.DPS if connect.username == "dps" else Host.HUB, "h", connect.client_id)

    def filters(self, client: Client) -> frozenset[str]:
        return frozenset(FILTERS)

    def received(self, client: Client, publish: Publish, now: float) -> list[Action]:
        if publish.topic == "bad":
            raise RemoteProtocolError("bad")
        self.received_.append(publish.topic)
        return []

    def ready(self, client: Client) -> list[Action]:
        self.readied.append(client.id)
        return []


class Table:
    """A broker and a clock."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.notes, self.stats, self.now = Notes(), Stats(), 0.0
        self.broker = Broker(self.notes, rules or Rules(), self.stats)

    def up(self, conn: int, client_id: str = "d", *, clean: bool = True, host: str = "hub") -> list[Action]:
        self.broker.open(conn, self.now)
        return self.say(conn, Connect(client_id, host, clean_session=clean, keep_alive_s=60))

    def say(self, conn: int, packet: Packet) -> list[Action]:
        return self.broker.receive(conn, packet, self.now)

    def closes(self) -> object:
        return self.stats.to_json()["closes"]


@pytest.fixture
def table() -> Table:
    return Table()


CLIENT = Client(Host.HUB, "h", "d")


def test_connect_is_acknowledged(table: Table) -> None:
    """An admitted client gets code 0 and no session."""
    assert table.up(1) == [Send(1, Connack(0))]


def test_refused_connect_is_closed_with_its_code(table: Table) -> None:
    """The code comes before the end of the connection."""
    assert table.up(1, "bad") == [Send(1, Connack(5)), Close(1, "refused")]


def test_other_protocol_levels_are_refused(table: Table) -> None:
    """MQTT 5 gets code 1."""
    table.broker.open(1, 0.0)
    assert table.say(1, Connect("", level=5))[0] == Send(1, Connack(1))


def test_only_legal_packets_are_taken(table: Table) -> None:
    """Whatever the table of legal packets lacks closes the connection."""
    every: list[Packet] = [
        Connect("d"),
        Connack(0),
        Publish("a", b""),
        Puback(1),
        Subscribe(1, ((FILTERS[0], 0),)),
        Suback(1, (0,)),
        Unsubscribe(1, (FILTERS[0],)),
        Unsuback(1),
        Pingreq(),
        Pingresp(),
        Disconnect(),
    ]
    conn = 0
    for packet in every:
        for state in State:
            conn += 1
            if state is State.UP:
                table.up(conn, f"d-{conn}")
            else:
                table.broker.open(conn, 0.0)
            actions = table.say(conn, packet)
            assert (actions == [Close(conn, "unexpected packet")]) is (type(packet) not in LEGAL[state])


def test_qos_1_is_acknowledged_and_qos_0_is_not(table: Table) -> None:
    """Both reach the backend."""
    table.up(1)
    assert table.say(1, Publish("a", b"", 1, 9)) == [Send(1, Puback(9))]
    assert table.say(1, Publish("b", b"")) == []
    assert table.notes.received_ == ["a", "b"]


def test_qos_2_closes(table: Table) -> None:
    """The services do not speak it."""
    table.up(1)
    assert table.say(1, Publish("a", b"", 2, 9)) == [Close(1, "QoS 2")]


def test_what_the_backend_refuses_closes_without_puback(table: Table) -> None:
    """A message to a foreign topic ends the connection."""
    table.up(1)
    assert table.say(1, Publish("bad", b"", 1, 9)) == [Close(1, "protocol")]


def test_pings_and_pubacks_are_taken(table: Table) -> None:
    """A ping is answered, a PUBACK is not."""
    table.up(1)
    assert table.say(1, Pingreq()) == [Send(1, Pingresp())]
    assert table.say(1, Puback(1)) == []


def test_qos_2_subscriptions_are_downgraded(table: Table) -> None:
    """SUBACK grants 1 for 2."""
    table.up(1)
    packet = Subscribe(3, ((FILTERS[0], 2), (FILTERS[1], 1), (FILTERS[2], 0)))
    assert table.say(1, packet) == [Send(1, Suback(3, (1, 1, 0)))]
    assert table.notes.readied == ["d"]


def test_other_filters_and_a_sixth_are_refused(table: Table) -> None:
    """Five documented filters and no more; one that is held already may be asked for again."""
    table.up(1)
    assert table.say(1, Subscribe(1, (("#", 1),))) == [Send(1, Suback(1, (0x80,)))]
    granted = table.say(1, Subscribe(2, tuple((name, 1) for name in FILTERS[:6])))
    assert granted == [Send(1, Suback(2, (1, 1, 1, 1, 1, 0x80)))]
    assert table.say(1, Subscribe(3, ((FILTERS[0], 0),))) == [Send(1, Suback(3, (0,)))]


def test_bad_filters_close_when_told_to() -> None:
    """The other reading of the documents."""
    table = Table(Rules(on_bad_filter=OnBadFilter.CLOSE))
    table.up(1)
    assert table.say(1, Subscribe(1, (("#", 1),))) == [Close(1, "bad filter")]


def test_messages_reach_subscribers_only(table: Table) -> None:
    """Without a subscription, and after it was given back, nothing is sent, and that is counted."""
    table.up(1)
    message = Message("topic/0/x", b"hi")
    assert table.broker.push(CLIENT, [message]) == []
    table.say(1, Subscribe(1, ((FILTERS[0], 1),)))
    assert table.broker.push(CLIENT, [message]) == [Send(1, Publish("topic/0/x", b"hi"))]
    assert table.broker.push(CLIENT, [Message("topic/1/x", b"")]) == []
    assert table.say(1, Unsubscribe(2, (FILTERS[0], "never"))) == [Send(1, Unsuback(2))]
    assert not table.broker.is_listening(CLIENT, "topic/0/x")
    assert table.broker.push(Client(Host.HUB, "h", "nobody"), [message]) == []
    assert table.stats.to_json()["undelivered"] == 3


def test_qos_1_messages_have_ids_that_wrap() -> None:
    """Where answers come at QoS 1, packet ids are never 0."""
    table = Table(Rules(qos=1))
    table.up(1)
    table.say(1, Subscribe(1, ((FILTERS[0], 1), (FILTERS[1], 0))))
    assert table.broker.push(CLIENT, [Message("topic/1/x", b"")]) == [Send(1, Publish("topic/1/x", b""))]
    sent = table.broker.push(CLIENT, [Message("topic/0/x", b"")] * 65536)
    ids = [
        action.packet.packet_id for action in sent if isinstance(action, Send) and isinstance(action.packet, Publish)
    ]
    assert (ids[0], ids[-2], ids[-1]) == (1, 65535, 1)


def test_a_newer_connection_takes_over(table: Table) -> None:
    """The older connection of the same client is closed; its end is not noted twice."""
    table.up(1)
    assert table.up(2) == [Close(1, "taken over"), Send(2, Connack(0))]
    table.broker.closed(1)
    assert table.stats.to_json()["takeovers"] == 1
    assert table.closes() == {"taken over": 1}
    assert table.say(1, Pingreq()) == []
    assert table.say(2, Pingreq()) == [Send(2, Pingresp())]


def test_the_same_id_at_another_service_is_another_client(table: Table) -> None:
    """A device may be at DPS and at its hub at once."""
    table.up(1)
    assert table.up(2, host="dps") == [Send(2, Connack(0))]


def test_sessions_are_kept_when_asked_for(table: Table) -> None:
    """Subscriptions come back with a clean session of 0, and are gone with 1."""
    table.up(1, clean=False)
    table.say(1, Subscribe(1, ((FILTERS[0], 1),)))
    table.broker.closed(1)
    assert not table.broker.is_listening(CLIENT, "topic/0/x")
    assert table.up(2, clean=False) == [Send(2, Connack(0, session_present=True))]
    assert table.broker.is_listening(CLIENT, "topic/0/x")
    assert table.notes.readied == ["d", "d"]
    table.say(2, Disconnect())
    assert table.up(3, clean=True) == [Send(3, Connack(0))]
    assert not table.broker.is_listening(CLIENT, "topic/0/x")
    table.broker.closed(3)
    assert table.up(4, clean=False) == [Send(4, Connack(0))]


def test_dps_keeps_no_session(table: Table) -> None:
    """Whatever the flag says, DPS answers that there is none."""
    table.up(1, clean=False, host="dps")
    table.broker.closed(1)
    assert table.up(2, clean=False, host="dps") == [Send(2, Connack(0))]


def test_silence_of_one_and_a_half_keep_alives_closes(table: Table) -> None:
    """Any packet counts as a sign of life."""
    table.up(1)
    table.now = 80.0
    table.say(1, Pingreq())
    assert table.broker.tick(90.0) == []
    assert table.broker.next_due == 170.0
    assert table.broker.tick(169.0) == []
    assert table.broker.tick(170.0) == [Close(1, "keep-alive")]
    assert table.broker.tick(1000.0) == []
    assert table.broker.next_due is None


@pytest.mark.parametrize("keep_alive_s", [0, 65535])
def test_keep_alive_has_a_cap(table: Table, keep_alive_s: int) -> None:
    """None, or a very long one, is treated as the longest there is."""
    table.broker.open(1, 0.0)
    table.say(1, Connect("d", keep_alive_s=keep_alive_s))
    table.broker.tick(MAX_KEEP_ALIVE_S - 1)
    assert table.broker.tick(MAX_KEEP_ALIVE_S) == [Close(1, "keep-alive")]


def test_a_connection_that_says_nothing_is_closed(table: Table) -> None:
    """Thirty seconds for CONNECT."""
    table.broker.open(1, 0.0)
    assert table.broker.tick(30.0) == [Close(1, "keep-alive")]


def test_wills_count_unless_the_client_said_goodbye(table: Table) -> None:
    """A will is published when the connection just ends."""
    for conn, goodbye in ((1, True), (2, False)):
        table.broker.open(conn, 0.0)
        table.say(conn, Connect("d", will=Will("t", b"")))
        if goodbye:
            table.say(conn, Disconnect())
        table.broker.closed(conn)
    assert table.stats.to_json()["wills"] == 1
    assert table.closes() == {"asked": 1, "by peer": 1}


def test_drop_breaks_a_connection_once(table: Table) -> None:
    """A client that is not connected cannot be dropped."""
    table.up(1, clean=False)
    assert table.broker.drop(CLIENT) == [Close(1, "dropped")]
    assert table.broker.drop(CLIENT) == []
    assert table.broker.drop(Client(Host.HUB, "h", "nobody")) == []
    assert table.stats.to_json()["dropped"] == 1
