"""What a registration needs of a conversation with the provisioning service, whatever carries it."""

from dataclasses import dataclass
from typing import Protocol

from engine.device.script import Script, StepFailed
from engine.errors import Failure, Outcome, RemoteProtocolError
from engine.protocol import dps

type Parts = tuple[tuple[str, float], ...]
"""Parts of `dps.register`, as (name, seconds)."""


@dataclass(frozen=True, slots=True)
class Reached:
    """The service can be asked: since when, and the parts that it took, where the wire tells them."""

    at: float
    parts: Parts = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said, and when."""

    reply: dps.Reply
    at: float


class Conversation(Protocol):
    """One device and its provisioning service, for one attempt and until its deadline.

    Every method raises StepFailed where the service refuses, the connection ends or time runs out.
    """

    def reach(self) -> Script[Reached]:
        """What it took until the service can be asked."""

    def register(self, csr: bytes) -> Script[Answer]:
        """The answer to a register request."""

    def poll(self, operation_id: str) -> Script[Answer]:
        """The answer to the question how the operation is."""


def accept(answer: Answer) -> Answer:
    """The answer itself; StepFailed where it is a refusal."""
    if answer.reply.failure is not None:
        raise StepFailed(answer.reply.failure)
    return answer


def misread(broken: RemoteProtocolError) -> StepFailed:
    """The end of a conversation in which the service said what it should not."""
    return StepFailed(Failure(Outcome.PROTOCOL, detail=str(broken)))
