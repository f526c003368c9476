"""The orchestrator's words in Durable Functions' own."""

from datetime import timedelta
from typing import Any

from durabletask import task

from engine.adapters.durable import DurableOrchestration


class Context:
    """As much of an orchestration context as is used; notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.task: Any = task.CompletableTask()

    def call_activity(self, name: str, *, input: Any, retry_policy: task.RetryPolicy | None) -> Any:  # noqa: A002
        """An activity."""
        self.asked.append((name, input, retry_policy))
        return self.task

    def wait_for_external_event(self, name: str) -> Any:
        """An event."""
        self.asked.append(name)
        return self.task

    def create_timer(self, for_: timedelta) -> Any:
        """A timer."""
        self.asked.append(for_)
        return task.TimerTask()

    def set_custom_status(self, status: Any) -> None:
        """The status."""
        self.asked.append(status)


def make() -> tuple[Context, DurableOrchestration]:
    """A context and the orchestration over it."""
    context = Context()
    return context, DurableOrchestration(context)  # type: ignore[arg-type]


def test_activity_is_tried_again_with_growing_pauses() -> None:
    """Two seconds, doubled up to thirty; never with a retry timeout, which breaks replay."""
    context, run = make()
    run.activity("run_batch", {"batch": 1}, attempts=3)
    name, order, policy = context.asked[0]
    assert (name, order) == ("run_batch", {"batch": 1})
    assert (policy.first_retry_interval, policy.max_retry_interval) == (timedelta(seconds=2), timedelta(seconds=30))
    assert (policy.max_number_of_attempts, policy.backoff_coefficient, policy.retry_timeout) == (3, 2.0, None)


def test_single_attempt_has_no_policy() -> None:
    """Nothing is retried that was not asked to be."""
    context, run = make()
    run.activity("plan_run", {})
    assert context.asked == [("plan_run", {}, None)]


def test_events_timers_and_status_are_passed_on() -> None:
    """Seconds become time spans."""
    context, run = make()
    run.event("cancel")
    timer = run.timer(1.5)
    run.tell({"stage": "running"})
    assert context.asked == ["cancel", timedelta(seconds=1.5), {"stage": "running"}]
    run.drop(timer)
    assert timer.is_cancelled
    run.drop(timer)


def test_failure_is_the_words_of_the_error() -> None:
    """Without the task's number; a task that went well has none, and one that said nothing says so."""
    _, run = make()
    good, bad, silent = (task.CompletableTask[int]() for _ in range(3))
    good.complete(1)
    bad.fail("Activity task #3 failed: no disk", OSError("no disk"))
    silent.fail("Activity task #4 failed", OSError())
    assert [run.failure(one) for one in (good, bad, silent)] == ["", "no disk", "it did not say why"]


def test_first_never_raises_though_all_would() -> None:
    """A composite of tasks that failed is done, and is what `first` gives."""
    _, run = make()
    children = [task.CompletableTask[int]() for _ in range(2)]
    everything = run.all(children)
    first = run.first([everything, task.CompletableTask[int]()])
    children[0].fail("failed", ValueError("bug"))
    assert not first.is_complete
    children[1].complete(1)
    assert first.is_complete
    assert first.get_result() is everything
    assert run.failure(everything) == "bug"
