"""The orchestrator as a generator, driven by hand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.run.workflow import orchestrate

ORDER = {"runId": "run-a", "attempt": 1}
PLAN = {"refused": "", "waves": [[0, 1], [2]], "deadlineS": 900.0, "patienceS": 90.0, "batchAttempts": 3}


class Failed(Exception):
    """What a failed task raises when it is yielded by itself."""


@dataclass(eq=False, slots=True)
class Task:
    """Something the orchestrator asked for."""

    kind: str
    name: str = ""
    order: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence["Task"] = ()
    result: Any = None
    error: str = ""
    done: bool = False

    def check(self) -> bool:
        """Whether it is done, as far as its parts say."""
        if self.kind == "all" and all(part.check() for part in self.parts):
            self.done = True
            self.error = next((part.error for part in self.parts if part.error), "")
        return self.done


type Answer = Callable[[Task], None]


class Script:
    """An `Orchestration` that notes what it is asked, and ends activities as its answers say.

    answers are by activity name, or by "run_batch 2" for one batch; what has no answer stays open. `first` that
    finds nothing done ends what `next_done` names: an event, or a timer by its seconds.
    """

    def __init__(self, answers: Mapping[str, Answer], next_done: Sequence[Any] = ()) -> None:
        self.asked: list[str] = []
        self.told: list[Mapping[str, Any]] = []
        self.dropped: list[float] = []
        self._answers, self._next_done = answers, list(next_done)
        self._waiting: list[Task] = []

    def activity(self, name: str, order: Mapping[str, Any], *, attempts: int = 1) -> Task:
        assert attempts >= 1
        label = next((f"{name} {order[key]}" for key in ("batch", "wave") if key in order), name)
        self.asked.append(label)
        task = Task("activity", label, order)
        answer = self._answers.get(label) or self._answers.get(name)
        if answer is not None:
            answer(task)
            task.done = True
        return self._open(task)

    def all(self, tasks: Sequence[Task]) -> Task:
        return Task("all", parts=tasks)

    def first(self, tasks: Sequence[Task]) -> Task:
        return Task("first", parts=tasks)

    def failure(self, task: Task) -> str:
        assert task.done
        return task.error

    def event(self, name: str) -> Task:
        return self._open(Task("event", name))

    def timer(self, for_s: float) -> Task:
        return self._open(Task("timer", result=for_s))

    def drop(self, timer: Task) -> None:
        self.dropped.append(timer.result)

    def tell(self, status: Mapping[str, Any]) -> None:
        self.told.append(status)

    def wait(self, task: Task) -> Any:
        """What yielding the task gives."""
        if task.kind == "first":
            while not (ended := [part for part in task.parts if part.check()]):
                self._end(self._next_done.pop(0))
            return ended[0]
        assert task.check(), f"{task.name} never ends"
        if task.error:
            raise Failed(task.error)
        return task.result

    def _open(self, task: Task) -> Task:
        self._waiting.append(task)
        return task

    def _end(self, what: Any) -> None:
        """End the latest timer of so many seconds, or everything of that name."""
        matching = [t for t in self._waiting if what in (t.name, t.result) and not t.done]
        assert matching, f"nobody waits for {what}"
        matching[-1].done = True


def gives(result: Any) -> Answer:
    """The activity ends with this."""
    return lambda task: setattr(task, "result", result)


def fails(error: str) -> Answer:
    """The activity fails, all attempts included."""
    return lambda task: setattr(task, "error", error)


ANSWERS: Mapping[str, Answer] = {
    "plan_run": gives(PLAN),
    "run_batch": gives({"stop": "schedule"}),
    "launch_wave": gives({"replicas": 1}),
    "await_batch": gives({"stop": "done-by-worker"}),
    "stop_run": gives({"stopped": True}),
    "close_run": gives({"verdict": "passed", "exitCode": 0}),
    "give_up": gives({"verdict": "error", "exitCode": 1}),
}


def drive(script: Script) -> Any:
    """What the orchestrator returns."""
    asking = orchestrate(script, ORDER)
    answer: Any = None
    try:
        task = next(asking)
        while True:
            try:
                answer = script.wait(task)
            except Failed as error:
                task = asking.throw(error)
            else:
                task = asking.send(answer)
    except StopIteration as end:
        return end.value


def without(*names: str, **more: Answer) -> dict[str, Answer]:
    """The usual answers, less these."""
    return {name: answer for name, answer in {**ANSWERS, **more}.items() if name not in names}


def test_waves_follow_each_other() -> None:
    """Plan, the batches wave by wave, close; the status says where it is, in counts."""
    script = Script(ANSWERS)
    assert drive(script) == {"verdict": "passed", "exitCode": 0}
    assert script.asked == ["plan_run", "run_batch 0", "run_batch 1", "run_batch 2", "close_run"]
    assert script.dropped == [900.0]
    assert script.told == [
        {"stage": "accepted"},
        {"stage": "running", "wave": 0, "waves": 2, "batches": 2},
        {"stage": "running", "wave": 1, "waves": 2, "batches": 1},
        {"stage": "merging"},
        {"stage": "finished", "verdict": "passed"},
    ]


def test_second_wave_waits_for_the_first() -> None:
    """While a batch of the first wave is under way, none of the second is asked for."""
    script = Script(without("run_batch", **{"run_batch 1": gives({})}), next_done=["run_batch 0", "run_batch 2"])
    drive(script)
    assert script.asked.index("run_batch 2") == 3


JOB = gives({**PLAN, "launches": True})


def test_workers_of_a_wave_are_launched_before_its_batches_are_awaited() -> None:
    """Wave by wave: no activity drives, and the second wave's workers come after the first wave."""
    script = Script({**ANSWERS, "plan_run": JOB})
    assert drive(script)["verdict"] == "passed"
    assert script.asked[1:4] == ["launch_wave 0", "await_batch 0", "await_batch 1"]
    assert script.asked[4:] == ["launch_wave 1", "await_batch 2", "close_run"]


def test_launch_that_failed_leaves_it_to_the_batches() -> None:
    """They are awaited all the same: whoever waits for one that nobody comes for launches again."""
    script = Script({**ANSWERS, "plan_run": JOB, "launch_wave": fails("no process")})
    assert drive(script)["verdict"] == "passed"
    assert script.asked[1:4] == ["launch_wave 0", "await_batch 0", "await_batch 1"]


def test_plan_from_before_there_were_workers_is_driven_by_activities() -> None:
    """It does not say, and neither does a plan that says no."""
    for plan in (PLAN, {**PLAN, "launches": False}):
        script = Script({**ANSWERS, "plan_run": gives(plan)})
        drive(script)
        assert [name for name in script.asked if "launch" in name or "await" in name] == []


def test_failed_batch_does_not_keep_the_run_from_closing() -> None:
    """A batch whose attempts are used up is found missing by closing; the next wave still runs."""
    script = Script({**ANSWERS, "run_batch 0": fails("a bug")})
    drive(script)
    assert script.asked[-2:] == ["run_batch 2", "close_run"]


def test_failed_plan_is_closed_with_its_reason() -> None:
    """No batch is asked for; closing is told why."""
    orders: list[Mapping[str, Any]] = []
    script = Script({**ANSWERS, "plan_run": fails("no such file"), "close_run": recorded(orders)})
    drive(script)
    assert script.asked == ["plan_run", "close_run"]
    assert orders == [{**ORDER, "why": "no such file"}]


def test_refused_plan_is_closed_with_its_reason() -> None:
    """A plan that is refused is not a failure: it is told and not tried again."""
    orders: list[Mapping[str, Any]] = []
    script = Script({**ANSWERS, "plan_run": gives({"refused": "held by run b"}), "close_run": recorded(orders)})
    drive(script)
    assert orders == [{**ORDER, "why": "held by run b"}]


def recorded(orders: list[Mapping[str, Any]]) -> Answer:
    """Closing that notes what it was asked."""

    def answer(task: Task) -> None:
        orders.append(task.order)
        task.result = {"verdict": "error", "exitCode": 1}

    return answer


def test_cancel_lets_the_wave_drain_and_starts_no_other() -> None:
    """The batches see the flag themselves; the run waits for them, then closes."""
    script = Script(without("run_batch"), next_done=["cancel", "run_batch 0", "run_batch 1"])
    drive(script)
    assert script.asked == ["plan_run", "run_batch 0", "run_batch 1", "close_run"]
    assert {"stage": "draining"} in script.told
    assert script.dropped == [90.0, 900.0]


def test_cancel_that_came_before_anybody_waited_counts() -> None:
    """A cancel sent while the run was being planned drains the first wave."""
    script = Script(without("run_batch"), next_done=["cancel", 90.0])
    drive(script)
    assert "run_batch 2" not in script.asked


def test_deadline_stops_the_run() -> None:
    """The flag is raised by an activity; the wave gets the plan's patience."""
    script = Script(without("run_batch"), next_done=[900.0, "run_batch 0", "run_batch 1"])
    drive(script)
    assert script.asked == ["plan_run", "run_batch 0", "run_batch 1", "stop_run", "close_run"]


def test_wave_that_does_not_drain_is_left_behind() -> None:
    """When patience is over the run is closed with whatever there is."""
    script = Script(without("run_batch"), next_done=[900.0, 90.0])
    assert drive(script)["verdict"] == "passed"
    assert script.asked[-1] == "close_run"


def test_stop_that_fails_does_not_keep_the_run_from_closing() -> None:
    """The store was away at the deadline: the wave is left to its patience."""
    script = Script(without("run_batch", stop_run=fails("store away")), next_done=[900.0, 90.0])
    drive(script)
    assert script.asked[-1] == "close_run"


def test_run_that_cannot_be_closed_is_given_up() -> None:
    """It still has an end, and says why."""
    script = Script({**ANSWERS, "close_run": fails("a bug in the report")})
    assert drive(script) == {"verdict": "error", "exitCode": 1}
    assert script.asked[-1] == "give_up"


def test_run_that_cannot_even_be_given_up_fails() -> None:
    """Nothing can be written: the orchestration itself must show it."""
    with pytest.raises(Failed, match="still away"):
        drive(Script({**ANSWERS, "close_run": fails("away"), "give_up": fails("still away")}))


@pytest.mark.parametrize("next_done", [[], ["cancel", 90.0], [900.0, 90.0]])
def test_same_answers_bring_the_same_questions(next_done: list[Any]) -> None:
    """Driven twice over one script the orchestrator asks for the same, in the same order."""

    def asked() -> Iterator[Any]:
        answers = without("run_batch") if next_done else dict(ANSWERS)
        script = Script(answers, next_done)
        drive(script)
        return iter([script.asked, script.told, script.dropped])

    assert list(asked()) == list(asked())
