"""What an orchestrator may ask for: Durable Functions in the engine's words."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Protocol

type Ask = Generator[Any, Any, dict[str, Any]]
"""An orchestrator: it yields tasks and is sent what they came to."""


class Orchestration(Protocol):
    """Durable Functions, as little of it as a run needs. Whatever waits is a task to be yielded."""

    def activity(self, name: str, order: Mapping[str, Any], *, attempts: int = 1) -> Any:
        """A call of an activity, tried up to attempts times."""

    def child(self, name: str, order: Mapping[str, Any], *, key: str) -> Any:
        """An orchestration of its own, whose instance id ends in key."""

    def all(self, tasks: Sequence[Any]) -> Any:
        """Done when all tasks are, however they ended."""

    def first(self, tasks: Sequence[Any]) -> Any:
        """Gives the task that is done first; never raises."""

    def failure(self, task: Any) -> str:
        """Why a task that is done failed, "" when it did not; yielding it again gives what it came to."""

    def event(self, name: str) -> Any:
        """Done when the event has come."""

    def timer(self, for_s: float) -> Any:
        """Done after for_s seconds."""

    def drop(self, timer: Any) -> None:
        """The timer is not needed any more."""

    def now(self) -> float:
        """The wall seconds of this turn, the same whenever it is replayed."""

    def renew(self, order: Mapping[str, Any]) -> None:
        """Begin again with this order and without a history, once this orchestrator has returned."""

    def tell(self, status: Mapping[str, Any]) -> None:
        """Show this, counts only, as the orchestration's custom status."""
