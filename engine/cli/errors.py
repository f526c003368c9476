"""What the command line cannot do: one line for people each, never a traceback."""

from collections.abc import Sequence
from typing import ClassVar

from engine.errors import HarnessError, Problem


class CommandFailed(HarnessError):
    """Something the command needs is missing, taken or broken; the message says what to do."""

    code: ClassVar[str] = "command"


class ChildDied(CommandFailed):
    """A process that the command had started ended by itself."""

    code = "child-died"


class Unreachable(CommandFailed):
    """The host, or its storage, does not answer; trying again can help."""

    code = "unreachable"
    retryable = True


class Refused(CommandFailed):
    """The host answered, with a refusal: its status, its code, and the problems of a spec if it names them."""

    code = "refused"

    def __init__(self, status: int, reason: str, message: str, *, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.status, self.reason, self.problems = status, reason, tuple(problems)


class SpecRefused(Refused):
    """The host refused a spec: there is no run."""

    code = "spec-refused"
