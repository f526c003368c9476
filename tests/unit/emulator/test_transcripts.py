"""The exchanges in data/transcripts: the device's lines go in, the service's lines must come out."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.emulator.broker import Action, Send
from engine.emulator.dps import Pace
from engine.emulator.faults import Faults
from engine.emulator.packet import Connack, Connect, Disconnect, Packet, Publish, Suback, Subscribe
from engine.emulator.service import Options
from unit.emulator.rig import Rig, make_rig

FOLDER = Path(__file__).parents[2] / "data" / "transcripts"


class Player:
    """One transcript against one service."""

    def __init__(self) -> None:
        self.rig: Rig = make_rig(Options(faults=Faults(issue_delay_s=1.0), pace=Pace(poll_after_s=3)))
        self.conn = 0
        self.told: list[str | tuple[str, bytes]] = []
        device = "device-0001"
        self.values = {
            "csr": base64.b64encode(self.rig.csr(device)).decode(),
            "dps-token": (self.rig.dps_connect(device).password or b"").decode(),
            "hub-token": (self.rig.hub_connect(device).password or b"").decode(),
        }

    def play(self, line: str) -> None:
        match line[0]:
            case "#":
                return
            case "=":
                self.note(self.rig.tick(float(line[2:])))
            case ">":
                packet = self.packet(self.filled(line[2:]))
                if isinstance(packet, Connect):
                    self.conn = self.rig.open()
                self.note(self.rig.send(self.conn, packet))
            case "<":
                self.expect(self.filled(line[2:]))

    def filled(self, text: str) -> str:
        return re.sub(r"\{([a-z-]+)\}", lambda found: self.values[found[1]], text)

    def packet(self, text: str) -> Packet:
        kind, _, rest = text.partition(" ")
        words = rest.split(" ", 2)
        match kind:
            case "CONNECT" | "CONNECT-0":
                return Connect(words[0], words[1], words[2].encode(), clean_session=kind == "CONNECT")
            case "SUBSCRIBE":
                return Subscribe(1, ((words[0], int(words[1])),))
            case "PUBLISH":
                topic, _, payload = rest.partition(" ")
                return Publish(topic, payload.encode())
            case "DISCONNECT":
                return Disconnect()
        raise AssertionError(text)

    def note(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(packet=Publish(topic=topic, payload=payload)):
                    self.told.append((topic, payload))
                case Send(packet=Connack(return_code=number, session_present=present)):
                    self.told.append(f"CONNACK {number}" + " session-present" * present)
                case Send(packet=Suback(granted=granted)):
                    self.told.append(f"SUBACK {granted[0]}")
                case _:
                    self.told.append("CLOSE")

    def expect(self, text: str) -> None:
        assert self.told, f"nothing came, expected {text}"
        told = self.told.pop(0)
        if isinstance(told, str):
            assert told == text
            return
        _, topic, payload = text.split(" ", 2)
        assert told[0] == topic
        self.compare(json.loads(payload), json.loads(told[1]))

    def compare(self, expected: object, told: object) -> None:
        match expected:
            case dict():
                assert isinstance(told, dict)
                for key, value in expected.items():
                    assert key in told
                    self.compare(value, told[key])
            case list():
                assert isinstance(told, list)
                assert len(told) == len(expected)
                for one, other in zip(expected, told, strict=True):
                    self.compare(one, other)
            case str() if found := re.fullmatch("<([a-z-]*)>", expected):
                assert isinstance(told, str)
                self.values[found[1]] = told
            case _:
                assert told == expected


def lines(path: Path) -> Iterator[str]:
    return (line for line in path.read_text().splitlines() if line)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_the_emulator_plays_the_services_part(path: Path) -> None:
    """Every line of the service comes, in its order, and nothing is left over."""
    player = Player()
    for line in lines(path):
        player.play(line)
    assert player.told == []


def test_transcripts_name_their_sources() -> None:
    """An exchange without a source proves nothing."""
    paths = list(FOLDER.glob("*.txt"))
    assert len(paths) >= 7
    assert all("# Source: " in path.read_text() for path in paths)
