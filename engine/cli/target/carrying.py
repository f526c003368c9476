"""Carries a script out: the one place where requests leave and time passes."""

from collections.abc import Callable
from typing import Any, Protocol

from engine.cli.target.script import Ask, Pause, Reply, Say, Script
from engine.errors import Failure
from engine.ports import Clock
from engine.protocol.http import Request, Response


class Rest(Protocol):
    """Azure's services."""

    def send(self, request: Request, scope: str) -> Response | Failure:
        """The answer, or why there is none; scope is what the token must be good for."""


def carry_out[T](script: Script[T], *, rest: Rest, clock: Clock, say: Callable[[str], None]) -> T:
    """What the script comes to; whatever it raises comes out of here."""
    sent: Any = None
    while True:
        try:
            wish = script.send(sent)
        except StopIteration as end:
            result: T = end.value
            return result
        match wish:
            case Ask():
                answer = rest.send(wish.request, wish.scope)
                sent = Reply(clock.now(), answer)
            case Pause(for_s):
                clock.sleep(for_s)
                sent = clock.now()
            case Say(text):
                say(text)
                sent = None
