"""`run.orchestration.Orchestration` over a Durable Functions orchestration context."""

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any

from durabletask import task


class DurableOrchestration:
    """Never sets retry_timeout: durabletask 1.12.0 compares it with the wall clock during replay."""

    def __init__(self, context: task.OrchestrationContext) -> None:
        self._context = context

    def activity(self, name: str, order: Mapping[str, Any], *, attempts: int = 1) -> Any:
        """See Orchestration."""
        policy = task.RetryPolicy(
            first_retry_interval=timedelta(seconds=2),
            max_number_of_attempts=attempts,
            backoff_coefficient=2.0,
            max_retry_interval=timedelta(seconds=30),
        )
        return self._context.call_activity(name, input=dict(order), retry_policy=policy if attempts > 1 else None)

    def child(self, name: str, order: Mapping[str, Any], *, key: str) -> Any:
        """See Orchestration. Every life of a run names its children anew: the SDK would count from 1 again."""
        return self._context.call_sub_orchestrator(
            name, input=dict(order), instance_id=f"{self._context.instance_id}:{key}"
        )

    def all(self, tasks: Sequence[Any]) -> Any:
        """See Orchestration; yielded by itself it would raise the first failure, inside `first` it never does."""
        return task.when_all(list(tasks))

    def first(self, tasks: Sequence[Any]) -> Any:
        """See Orchestration."""
        return task.when_any(list(tasks))

    def failure(self, task: Any) -> str:
        """See Orchestration."""
        return (task.get_exception().details.message or "it did not say why") if task.is_failed else ""

    def event(self, name: str) -> Any:
        """See Orchestration."""
        return self._context.wait_for_external_event(name)

    def timer(self, for_s: float) -> Any:
        """See Orchestration."""
        return self._context.create_timer(timedelta(seconds=for_s))

    def drop(self, timer: Any) -> None:
        """See Orchestration; an uncancelled timer may keep the instance open until it is due."""
        timer.cancel()

    def now(self) -> float:
        """See Orchestration."""
        return self._context.current_utc_datetime.replace(tzinfo=UTC).timestamp()

    def renew(self, order: Mapping[str, Any]) -> None:
        """See Orchestration; events that nobody has waited for yet are kept."""
        self._context.continue_as_new(dict(order), save_events=True)

    def tell(self, status: Mapping[str, Any]) -> None:
        """See Orchestration."""
        self._context.set_custom_status(dict(status))
