"""The orchestrator: what is asked for in which order. It only asks; what it passes are keys and counts.

Theory of operation. One activity plans. Then each wave's batches run side by side, raced with a cancel and the run's
deadline. Neither ends a batch: both only raise the flag that every batch polls, and the orchestrator waits for them
to drain. A wave that does not end within the plan's patience after that is left behind; its claims run out, its
results are missing, and the closing activity says so. The closing activity merges, judges and writes.

Deterministic by construction: no clock, no randomness, no environment; the replay test holds it to that.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Protocol

CANCEL = "cancel"

type Ask = Generator[Any, Any, dict[str, Any]]


class Orchestration(Protocol):
    """Durable Functions, as little of it as a run needs. Every method gives a task to be yielded."""

    def activity(self, name: str, order: Mapping[str, Any], *, attempts: int = 1) -> Any:
        """A call of an activity, tried up to attempts times."""

    def all(self, tasks: Sequence[Any]) -> Any:
        """Done when all tasks are, however they ended."""

    def first(self, tasks: Sequence[Any]) -> Any:
        """Gives the task that is done first."""

    def event(self, name: str) -> Any:
        """Done when the event has come."""

    def timer(self, for_s: float) -> Any:
        """Done after for_s seconds."""

    def drop(self, timer: Any) -> None:
        """The timer is not needed any more."""

    def tell(self, status: Mapping[str, Any]) -> None:
        """Show this, counts only, as the orchestration's custom status."""


def orchestrate(run: Orchestration, order: Mapping[str, Any]) -> Ask:
    """The run's verdict and counts. order holds runId and attempt."""
    run.tell({"stage": "accepted"})
    plan = yield run.activity("plan_run", order, attempts=3)
    cancel = run.event(CANCEL)
    deadline = run.timer(plan["deadlineS"])
    stopped = False
    for number, wave in enumerate(plan["waves"]):
        if stopped:
            break
        run.tell({"stage": "running", "wave": number, "waves": len(plan["waves"]), "batches": len(wave)})
        calls = [run.activity("run_batch", {**order, "batch": batch}, attempts=plan["batchAttempts"]) for batch in wave]
        stopped = yield from _finish(run, run.all(calls), cancel=cancel, deadline=deadline, plan=plan, order=order)
    run.drop(deadline)
    run.tell({"stage": "merging"})
    closing: dict[str, Any] = yield run.activity("close_run", order, attempts=5)
    run.tell({"stage": "finished", "verdict": closing["verdict"]})
    return closing


def _finish(
    run: Orchestration,
    everything: Any,
    *,
    cancel: Any,
    deadline: Any,
    plan: Mapping[str, Any],
    order: Mapping[str, Any],
) -> Generator[Any, Any, bool]:
    """Whether the run was stopped while this wave ran; returns when the wave has ended, or patience has."""
    winner = yield run.first([everything, cancel, deadline])
    if winner is everything:
        return False
    run.tell({"stage": "draining"})
    if winner is deadline:
        yield run.activity("stop_run", order, attempts=3)
    patience = run.timer(plan["patienceS"])
    winner = yield run.first([everything, patience])
    if winner is everything:
        run.drop(patience)
    return True
