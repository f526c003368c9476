"""The orchestrator: what is asked for in which order. It only asks; what it passes are keys and counts.

Theory of operation. One activity plans. Then each wave's batches run side by side, driven by activities or, where the
plan launches, by workers that other activities start and wait for; raced with a cancel and the run's deadline. Neither
ends a batch: both only raise the flag that every batch polls, and the orchestrator waits for them to drain. A wave that
does not end within the plan's patience after that is left behind; its claims run out, its results are missing, and the
closing activity says so. The closing activity merges, judges and writes.

Whatever fails, the run is closed: activities are awaited through `first`, which never raises. A batch whose activity
failed left no result, and that is what closing finds. Where even closing fails, giving up is tried for much longer,
because a run without an end holds its devices.

Deterministic by construction: no clock, no randomness, no environment; the replay test holds it to that.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Protocol

CANCEL = "cancel"

PLAN_ATTEMPTS, LAUNCH_ATTEMPTS, STOP_ATTEMPTS, CLOSE_ATTEMPTS, GIVE_UP_ATTEMPTS = 3, 3, 3, 12, 60
"""With the pauses between them: seconds to plan, launch and stop, four minutes to close, half an hour to give up."""

type Ask = Generator[Any, Any, dict[str, Any]]


class Orchestration(Protocol):
    """Durable Functions, as little of it as a run needs. Every method gives a task to be yielded."""

    def activity(self, name: str, order: Mapping[str, Any], *, attempts: int = 1) -> Any:
        """A call of an activity, tried up to attempts times."""

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

    def tell(self, status: Mapping[str, Any]) -> None:
        """Show this, counts only, as the orchestration's custom status."""


def orchestrate(run: Orchestration, order: Mapping[str, Any]) -> Ask:
    """The run's verdict and exit code. order holds runId and attempt."""
    run.tell({"stage": "accepted"})
    planning = run.activity("plan_run", order, attempts=PLAN_ATTEMPTS)
    yield run.first([planning])
    why = run.failure(planning)
    if not why:
        plan = yield planning
        why = plan["refused"]
        if not why:
            yield from _drive(run, plan, order)
    run.tell({"stage": "merging"})
    closing = yield from _close(run, {**order, "why": why} if why else order)
    run.tell({"stage": "finished", "verdict": closing["verdict"]})
    return closing


def _drive(run: Orchestration, plan: Mapping[str, Any], order: Mapping[str, Any]) -> Generator[Any, Any]:
    """One wave after the other, until all have ended or the run is stopped."""
    cancel = run.event(CANCEL)
    deadline = run.timer(plan["deadlineS"])
    for number, wave in enumerate(plan["waves"]):
        run.tell({"stage": "running", "wave": number, "waves": len(plan["waves"]), "batches": len(wave)})
        calls = yield from _begin(run, number, plan=plan, order=order)
        stopped = yield from _finish(run, run.all(calls), cancel=cancel, deadline=deadline, plan=plan, order=order)
        if stopped:
            break
    run.drop(deadline)


def _begin(
    run: Orchestration, number: int, *, plan: Mapping[str, Any], order: Mapping[str, Any]
) -> Generator[Any, Any, list[Any]]:
    """A call for each batch of the wave, which ends when the batch is done: it drives, or waits for a worker.

    A launch that failed is not the end: the call of a batch that nobody comes for launches again.
    """
    orders, attempts = [{**order, "batch": batch} for batch in plan["waves"][number]], plan["batchAttempts"]
    if not plan.get("launches"):  # plans of runs that began before there were workers do not say
        return [run.activity("run_batch", batch, attempts=attempts) for batch in orders]
    yield run.first([run.activity("launch_wave", {**order, "wave": number}, attempts=LAUNCH_ATTEMPTS)])
    return [run.activity("await_batch", batch, attempts=attempts) for batch in orders]


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
        yield run.first([run.activity("stop_run", order, attempts=STOP_ATTEMPTS)])
    patience = run.timer(plan["patienceS"])
    winner = yield run.first([everything, patience])
    if winner is everything:
        run.drop(patience)
    return True


def _close(run: Orchestration, order: Mapping[str, Any]) -> Ask:
    closing = run.activity("close_run", order, attempts=CLOSE_ATTEMPTS)
    yield run.first([closing])
    why = run.failure(closing)
    if why:
        closing = run.activity("give_up", {"why": f"it could not be closed: {why}", **order}, attempts=GIVE_UP_ATTEMPTS)
    result: dict[str, Any] = yield closing
    return result
