"""A script played with answers that are written down beforehand."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from doubles.clock import VirtualClock
from engine.cli.target.carrying import carry_out
from engine.cli.target.script import Script
from engine.errors import Failure, Outcome
from engine.protocol.http import Request, Response

LOST = Failure(Outcome.NETWORK, "no-answer", "ServiceResponseError")


def answer(status: int = 200, document: Any = None, **headers: str) -> Response:
    """An answer; an underscore in a header's name is a hyphen."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Response(status, named, b"" if document is None else json.dumps(document).encode())


def error(status: int, code: str, **headers: str) -> Response:
    """An error of Resource Manager."""
    return answer(status, {"error": {"code": code, "message": "words"}}, **headers)


@dataclass(slots=True)
class Stage:
    """Answers in order, and what was asked, said and waited for."""

    answers: list[Response | Failure]
    asked: list[Request] = field(default_factory=list)
    asked_at: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    clock: VirtualClock = field(default_factory=VirtualClock)

    def send(self, request: Request, scope: str) -> Response | Failure:
        """The next answer; the last one again and again."""
        self.asked.append(request)
        self.asked_at.append(self.clock.now())
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def play[T](script: Script[T], answers: Sequence[Response | Failure]) -> tuple[T, Stage]:
    """What the script comes to, and how."""
    stage = Stage(list(answers))
    return carry_out(script, rest=stage, clock=stage.clock, say=stage.said.append), stage
