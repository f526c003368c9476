"""The orchestrators: what is asked for in which order. They only ask; what they pass are keys and counts.

Theory of operation. One activity plans. Then wave follows wave. A wave is cut into blocks of at most BLOCK batches,
each an orchestration of its own, so that no history grows with the run; and after WAVES_A_LIFE waves the run itself
goes on with a fresh history. In a block, batches are driven by activities, one each; or, where the plan launches, by
workers that the wave has started, and the block looks from time to time how many of its batches are left.

A wave is raced with a cancel, the run's deadline and the watch, an orchestration that looks whether thresholds or
autoStop end the run. None of these ends a batch: they only raise the flag that every batch polls, and the orchestrator
waits for them to drain. A wave that does not end within the plan's patience after that is left behind; its claims run
out, its results are missing, and the closing activity says so. The closing activity merges, judges and writes; where
the run asked for it, what it has left at the services is cleaned up last.

Whatever fails, the run is closed: tasks are awaited through `first`, which never raises. A batch whose activity
failed left no result, and that is what closing finds. Where even closing fails, giving up is tried for much longer,
because a run without an end holds its devices.

A cancel that comes while the history is changed for a fresh one may be missed here; the flag in the store is not, and
no batch begins under it.

Deterministic by construction: no clock, no randomness, no environment; the replay test holds it to that.
"""

from collections.abc import Generator, Mapping
from typing import Any, Final

from engine.run.cleaning import clean
from engine.run.orchestration import Ask, Orchestration

CANCEL = "cancel"

PLAN_ATTEMPTS, LAUNCH_ATTEMPTS, STOP_ATTEMPTS, CLOSE_ATTEMPTS, GIVE_UP_ATTEMPTS = 3, 3, 3, 12, 60
"""With the pauses between them: seconds to plan, launch and stop, four minutes to close, half an hour to give up."""

BLOCK: Final = 100
WAVES_A_LIFE: Final = 50
LOOKS_A_LIFE: Final = 100
"""How many batches share a history, how many waves, and how many looks at workers or results."""

LOOK_AFTER_S, LOOK_SLOWER, LOOK_AT_LEAST_EVERY_S = 1.0, 1.2, 5.0
"""A block is looked at soon, then less and less often: what lasts long may be noticed a little later."""


def orchestrate(run: Orchestration, order: Mapping[str, Any]) -> Ask:
    """The run's verdict and exit code. order holds runId and attempt, later in life the plan's receipt and a wave."""
    plan, why = order.get("plan"), ""
    if plan is None:
        run.tell({"stage": "accepted"})
        planning = run.activity("plan_run", order, attempts=PLAN_ATTEMPTS)
        yield run.first([planning])
        why = run.failure(planning)
        plan = {} if why else (yield planning)
        why = why or plan["refused"]
    asked = {"runId": order["runId"], "attempt": order["attempt"]}
    if not why:
        goes_on = yield from _Waves(run, plan, asked).drive(order.get("wave", 0))
        if goes_on:
            return {}
    run.tell({"stage": "merging"})
    closing = yield from _close(run, {**asked, "why": why} if why else asked)
    run.tell({"stage": "finished", "verdict": closing["verdict"]})
    if closing.get("cleans"):
        yield from clean(run, asked)
    return closing


class _Waves:
    """The waves of one life of a run's orchestrator."""

    def __init__(self, run: Orchestration, plan: Mapping[str, Any], order: Mapping[str, Any]) -> None:
        self._run, self._plan, self._order = run, plan, order
        self._cancel = run.event(CANCEL)
        self._deadline = run.timer(max(0.0, plan["deadlineAt"] - run.now()))
        self._watch: Any = None

    def drive(self, first: int) -> Generator[Any, Any, bool]:
        """One wave after the other, until all have ended or the run is stopped; whether the next life goes on."""
        batches, at_once = int(self._plan["batches"]), int(self._plan["atOnce"])
        waves = -(-batches // at_once)
        last = min(first + WAVES_A_LIFE, waves)
        if self._plan["watchEveryS"]:
            order = {**self._order, "untilWave": last, "everyS": self._plan["watchEveryS"]}
            self._watch = self._run.child("watch", order, key=f"watch-{first:06d}")
        for number in range(first, last):
            wave = range(number * at_once, min((number + 1) * at_once, batches))
            self._run.tell({"stage": "running", "wave": number, "waves": waves, "batches": len(wave)})
            blocks = yield from self._begin(number, wave)
            stopped = yield from self._finish(self._run.all(blocks), number)
            if stopped:
                self._run.drop(self._deadline)
                return False
        if last < waves:
            yield from self._live_on(last)
        self._run.drop(self._deadline)
        return last < waves

    def _begin(self, number: int, wave: range) -> Generator[Any, Any, list[Any]]:
        """The wave's blocks, each of which ends when its batches are done.

        A launch that failed is not the end: a block whose batches nobody comes for launches again.
        """
        launches = self._plan["launches"]
        begins = self._run.activity("begin_wave", {**self._order, "wave": number}, attempts=LAUNCH_ATTEMPTS)
        yield self._run.first([begins])
        order = {**self._order, "launches": launches, "batchAttempts": self._plan["batchAttempts"]}
        firsts = range(wave.start, wave.stop, BLOCK)
        return [
            self._run.child(
                "block", {**order, "first": first, "count": min(BLOCK, wave.stop - first)}, key=f"block-{first:06d}"
            )
            for first in firsts
        ]

    def _finish(self, everything: Any, number: int) -> Generator[Any, Any, bool]:
        """Whether the run was stopped while this wave ran; returns when the wave has ended, or patience has."""
        while True:
            watches = [] if self._watch is None else [self._watch]
            winner = yield self._run.first([everything, self._cancel, self._deadline, *watches])
            if winner is everything:
                return False
            if winner is not self._watch:
                break
            stops = not self._run.failure(self._watch) and (yield self._watch)["stop"]
            self._watch = None
            if stops:
                break
        self._run.tell({"stage": "draining"})
        if winner is self._deadline:
            yield self._run.first([self._run.activity("stop_run", self._order, attempts=STOP_ATTEMPTS)])
        patience = self._run.timer(self._plan["patienceS"])
        winner = yield self._run.first([everything, patience])
        if winner is everything:
            self._run.drop(patience)
        elif self._plan["launches"]:
            stops = self._run.activity("stop_workers", {**self._order, "wave": number}, attempts=STOP_ATTEMPTS)
            yield self._run.first([stops])
        return True

    def _live_on(self, wave: int) -> Generator[Any, Any]:
        """Begin the next life, when nothing is under way that would answer to this one."""
        if self._watch is not None:
            reaches = self._run.activity("reach_wave", {**self._order, "wave": wave}, attempts=LAUNCH_ATTEMPTS)
            yield self._run.first([reaches])
            yield self._run.first([self._watch, self._cancel, self._deadline])
        self._run.renew({**self._order, "plan": self._plan, "wave": wave})


def drive_block(run: Orchestration, order: Mapping[str, Any]) -> Ask:
    """Some batches of a wave are done. order holds runId and attempt, first and count of the batches, and how often a
    batch may be tried."""
    asked = {"runId": order["runId"], "attempt": order["attempt"]}
    if not order["launches"]:
        numbers, attempts = range(order["first"], order["first"] + order["count"]), order["batchAttempts"]
        calls = [run.activity("run_batch", {**asked, "batch": number}, attempts=attempts) for number in numbers]
        yield run.first([run.all(calls)])
        return {}
    wait_s = order.get("waitS", LOOK_AFTER_S)
    for _ in range(LOOKS_A_LIFE):
        yield run.timer(wait_s)
        wait_s = min(wait_s * LOOK_SLOWER, LOOK_AT_LEAST_EVERY_S)
        look = run.activity("look_at_block", {**asked, "first": order["first"], "count": order["count"]})
        yield run.first([look])
        if not run.failure(look) and not (yield look)["left"]:
            return {}
    run.renew({**order, "waitS": wait_s})
    return {}


def watch(run: Orchestration, order: Mapping[str, Any]) -> Ask:
    """Whether the run is to stop. order holds runId and attempt, the seconds between looks, and the
    wave with which nobody listens any more."""
    for _ in range(LOOKS_A_LIFE):
        yield run.timer(order["everyS"])
        look = run.activity("watch_run", order)
        yield run.first([look])
        found = {} if run.failure(look) else (yield look)
        if found.get("stop") or not found.get("needed", True):
            return {"stop": bool(found.get("stop"))}
    run.renew(order)
    return {"stop": False}


def _close(run: Orchestration, order: Mapping[str, Any]) -> Ask:
    closing = run.activity("close_run", order, attempts=CLOSE_ATTEMPTS)
    yield run.first([closing])
    why = run.failure(closing)
    if why:
        closing = run.activity("give_up", {"why": f"it could not be closed: {why}", **order}, attempts=GIVE_UP_ATTEMPTS)
    result: dict[str, Any] = yield closing
    return result
