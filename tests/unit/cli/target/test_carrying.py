"""A script's wishes, carried out."""

from engine.cli.target.carrying import carry_out
from engine.cli.target.script import Ask, Pause, Reply, Say, Script
from engine.protocol.http import Request
from tests.unit.cli.target.playing import Stage, answer

REQUEST = Request("GET", "https://arm.example/one")


def script() -> Script[list[object]]:
    """Asks, waits, tells, and gives back what it was sent."""
    replies = [(yield Ask(REQUEST, "scope", "it"))]
    replies.append((yield Pause(3)))
    replies.append((yield Say("a line")))
    replies.append((yield Ask(REQUEST, "scope", "it")))
    return replies


def test_every_wish_is_answered_in_its_own_way():
    """An Ask with what came and when, a Pause with the time after it, a line with nothing."""
    stage = Stage([answer(200), answer(404)])
    found = carry_out(script(), rest=stage, clock=stage.clock, say=stage.said.append)
    assert found == [Reply(0.0, answer(200)), 3.0, None, Reply(3.0, answer(404))]
    assert (stage.asked, stage.said) == ([REQUEST, REQUEST], ["a line"])
