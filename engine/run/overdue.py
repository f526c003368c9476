"""Runs that are past their deadline: asked to drain, and ended when they do not.

Every stage before `finished` has a deadline, and normally the run's own orchestration sees to it. This is for runs
whose orchestration has died, or never began. While a run is running it is only asked to drain, which gives it another
deadline. Where that or another stage's has long passed as well, nobody is at work any more: the run is closed with
what results there are, or, when closing is what hangs, given up. Either way its devices are free again.
"""

from enum import StrEnum

from engine.errors import IllegalMove
from engine.run import closing, state
from engine.run.means import Means
from engine.run.state import RunState, Stage, Stopped

GRACE_S = 600.0
"""How long after its deadline a stage is still left to whoever may be at work."""

_WHY = "nobody carried it out by its deadline"


class Act(StrEnum):
    """What is done about a run."""

    STOP = "stop"
    END = "end"


def act_of(found: RunState, now: float) -> Act | None:
    """What is to be done about a run now, None if nothing; now is wall seconds."""
    if not found.is_live or found.deadline_at is None or now <= found.deadline_at:
        return None
    if found.stage is Stage.RUNNING:
        return Act.STOP
    return Act.END if now > found.deadline_at + GRACE_S else None


def stop(found: RunState, means: Means) -> bool:
    """Whether the run was asked to drain: not when it has gone on since it was read."""
    stopped = Stopped("aborted", ("the run was past its deadline",))
    try:
        state.ask_stop(means.store, found.run_id, stopped, now=means.clock.wall())
    except IllegalMove:
        return False
    return True


def end(found: RunState, means: Means) -> None:
    """The run is finished, judged by what its batches left if that can be done. Raises StoreError."""
    order = {"runId": found.run_id, "attempt": found.attempt, "why": _WHY}
    (closing.give_up if found.stage is Stage.MERGING else closing.close_run)(order, means)
