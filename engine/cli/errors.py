"""What the command line cannot do: one line for people each, never a traceback."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from engine.errors import HarnessError, Problem


class CommandFailed(HarnessError):
    """Something the command needs is missing, taken or broken; the message says what to do."""

    code: ClassVar[str] = "command"


class WrongUsage(CommandFailed):
    """Words that do not go together."""

    code = "usage"


class Interrupted(CommandFailed):
    """Somebody wanted the command to end; the message says what became of what it was doing."""

    code = "interrupted"


class ChildDied(CommandFailed):
    """A process that the command had started ended by itself."""

    code = "child-died"


class Unreachable(CommandFailed):
    """The host, or its storage, does not answer; trying again can help."""

    code = "unreachable"
    retryable = True


class Refused(CommandFailed):
    """The host answered, with a refusal: its status, its code, and the problems of a spec if it names them.

    limit is the one in the way: name, value, need, unit and source, empty where it is none.
    """

    code = "refused"

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        problems: Sequence[Problem] = (),
        limit: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.problems, self.limit = status, reason, tuple(problems), dict(limit or {})


class SpecRefused(Refused):
    """The host refused a spec: there is no run."""

    code = "spec-refused"
