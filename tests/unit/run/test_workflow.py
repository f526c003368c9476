"""The orchestrators as generators, driven by hand."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from doubles.orchestration import NOW, Answer, Failed, Script, Task, fails, gives
from engine.run import workflow
from engine.run.workflow import BLOCK, LOOKS_A_LIFE, WAVES_A_LIFE, orchestrate

ORDER = {"runId": "run-a", "attempt": 1}
PLAN = {
    "refused": "",
    "batches": 3,
    "atOnce": 2,
    "deadlineAt": NOW + 900.0,
    "patienceS": 90.0,
    "batchAttempts": 3,
    "launches": False,
    "watchEveryS": 0.0,
}

ANSWERS: Mapping[str, Answer] = {
    "plan_run": gives(PLAN),
    "begin_wave": gives({"replicas": 1}),
    "reach_wave": gives({}),
    "block": gives({}),
    "run_batch": gives({"stop": "schedule"}),
    "look_at_block": gives({"left": 0}),
    "stop_run": gives({"stopped": True}),
    "stop_workers": gives({}),
    "close_run": gives({"verdict": "passed", "exitCode": 0}),
    "give_up": gives({"verdict": "error", "exitCode": 1}),
}


def drive(script: Script, order: Mapping[str, Any] = ORDER, asks: Any = orchestrate) -> Any:
    """What the orchestrator returns."""
    asking = asks(script, order)
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


WAVES = ["plan_run", "begin_wave 0", "block-000000", "begin_wave 1", "block-000002", "close_run"]


def test_waves_follow_each_other() -> None:
    """Plan, the blocks wave by wave, close; the status says where it is, in counts."""
    script = Script(ANSWERS)
    assert drive(script) == {"verdict": "passed", "exitCode": 0}
    assert script.asked == WAVES
    assert script.dropped == [900.0]
    assert script.told == [
        {"stage": "accepted"},
        {"stage": "running", "wave": 0, "waves": 2, "batches": 2},
        {"stage": "running", "wave": 1, "waves": 2, "batches": 1},
        {"stage": "merging"},
        {"stage": "finished", "verdict": "passed"},
    ]


def test_second_wave_waits_for_the_first() -> None:
    """While a block of the first wave is under way, nothing of the second is asked for."""
    script = Script(without("block"), next_done=["cancel", "block-000000"])
    drive(script)
    assert script.asked == [*WAVES[:3], "close_run"]


def test_wave_is_cut_into_blocks() -> None:
    """Each of a hundred batches, the last of what is left."""
    script = Script({**ANSWERS, "plan_run": gives({**PLAN, "batches": 250, "atOnce": 250})})
    drive(script)
    blocks = {label: order for label, order in script.orders.items() if label.startswith("block")}
    assert {label: (order["first"], order["count"]) for label, order in blocks.items()} == {
        "block-000000": (0, BLOCK),
        "block-000100": (100, BLOCK),
        "block-000200": (200, 50),
    }
    assert blocks["block-000000"] == {**ORDER, "first": 0, "count": 100, "launches": False, "batchAttempts": 3}


def test_launch_that_failed_leaves_it_to_the_blocks() -> None:
    """They begin all the same: whose batches nobody comes for launches again."""
    script = Script({**ANSWERS, "begin_wave": fails("no process")})
    assert drive(script)["verdict"] == "passed"
    assert script.asked == WAVES


def test_failed_block_does_not_keep_the_run_from_closing() -> None:
    """A batch whose attempts are used up is found missing by closing; the next wave still runs."""
    script = Script({**ANSWERS, "block-000000": fails("a bug")})
    drive(script)
    assert script.asked == WAVES


def test_many_waves_take_several_lives() -> None:
    """After some waves the run goes on with a fresh history, its plan and the number of the next wave."""
    plan = {**PLAN, "batches": 2 * WAVES_A_LIFE + 4, "watchEveryS": 10.0}
    over = {"watch": gives({"stop": False})}
    script = Script({**ANSWERS, "plan_run": gives(plan), **over})
    assert drive(script) == {}
    assert script.asked[-2:] == [f"block-{2 * (WAVES_A_LIFE - 1):06d}", f"reach_wave {WAVES_A_LIFE}"]
    assert script.renewed == {**ORDER, "plan": plan, "wave": WAVES_A_LIFE}
    later = Script({**ANSWERS, **over})
    assert drive(later, script.renewed)["verdict"] == "passed"
    assert later.asked[:3] == [
        f"watch-{WAVES_A_LIFE:06d}",
        f"begin_wave {WAVES_A_LIFE}",
        f"block-{2 * WAVES_A_LIFE:06d}",
    ]
    assert later.asked[-1] == "close_run"
    assert script.dropped == later.dropped == [900.0]


def test_next_life_waits_for_the_watch() -> None:
    """Nothing may be under way that would answer to a life that is over: so the watch is shown that its waves are."""
    plan = {**PLAN, "batches": 2 * WAVES_A_LIFE + 1, "watchEveryS": 10.0}
    script = Script({**ANSWERS, "plan_run": gives(plan)}, next_done=["watch-000000"])
    assert drive(script) == {}
    assert script.asked[-1] == f"reach_wave {WAVES_A_LIFE}"
    assert script.orders["watch-000000"] == {**ORDER, "untilWave": WAVES_A_LIFE, "everyS": 10.0}


def test_watch_that_stops_the_run_lets_it_drain() -> None:
    """No further wave begins, and the run is closed; a watch that only ends is not asked again."""
    watched = {**ANSWERS, "plan_run": gives({**PLAN, "watchEveryS": 10.0})}
    open_block = {name: answer for name, answer in watched.items() if name != "block"}
    stopped = Script({**open_block, "watch": gives({"stop": True})}, next_done=["block-000000"])
    drive(stopped)
    assert stopped.asked == [WAVES[0], "watch-000000", *WAVES[1:3], "close_run"]
    for ends in (gives({"stop": False}), fails("a bug")):
        script = Script({**watched, "watch": ends})
        assert drive(script)["verdict"] == "passed"
        assert script.asked == [WAVES[0], "watch-000000", *WAVES[1:]]


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
    script = Script(without("block"), next_done=["cancel", "block-000000"])
    drive(script)
    assert script.asked == [*WAVES[:3], "close_run"]
    assert {"stage": "draining"} in script.told
    assert script.dropped == [90.0, 900.0]


def test_cancel_that_came_before_anybody_waited_counts() -> None:
    """A cancel sent while the run was being planned drains the first wave."""
    script = Script(without("block"), next_done=["cancel", 90.0])
    drive(script)
    assert script.asked == [*WAVES[:3], "close_run"]


def test_deadline_stops_the_run() -> None:
    """The flag is raised by an activity; the wave gets the plan's patience."""
    script = Script(without("block"), next_done=[900.0, "block-000000"])
    drive(script)
    assert script.asked == [*WAVES[:3], "stop_run", "close_run"]


def test_deadline_that_is_over_comes_at_once() -> None:
    """A life that begins after it has no time left."""
    script = Script(without("block"), next_done=[0.0, 90.0])
    drive(script, {**ORDER, "plan": {**PLAN, "deadlineAt": NOW - 5.0}, "wave": 1})
    assert script.asked == [*WAVES[3:5], "stop_run", "close_run"]


def test_wave_that_does_not_drain_is_left_behind() -> None:
    """When patience is over the run is closed with whatever there is; workers are stopped."""
    for launches, end in ((False, ["close_run"]), (True, ["stop_workers 0", "close_run"])):
        answers = {**without("block"), "plan_run": gives({**PLAN, "launches": launches})}
        script = Script(answers, next_done=[900.0, 90.0])
        assert drive(script)["verdict"] == "passed"
        assert script.asked == [*WAVES[:3], "stop_run", *end]


def test_stop_that_fails_does_not_keep_the_run_from_closing() -> None:
    """The store was away at the deadline: the wave is left to its patience."""
    script = Script(without("block", stop_run=fails("store away")), next_done=[900.0, 90.0])
    drive(script)
    assert script.asked[-1] == "close_run"


BLOCK_ORDER = {**ORDER, "first": 4, "count": 3, "launches": False, "batchAttempts": 2}


def test_block_drives_its_batches_side_by_side() -> None:
    """An activity each, tried as often as the spec says; one that fails for good is for closing to find."""
    script = Script({**ANSWERS, "run_batch 5": fails("a bug")})
    assert drive(script, BLOCK_ORDER, workflow.drive_block) == {}
    assert script.asked == ["run_batch 4", "run_batch 5", "run_batch 6"]
    assert script.orders["run_batch 4"] == {**ORDER, "batch": 4}


class Timely(Script):
    """A script whose timers end by themselves."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        super().__init__(answers)
        self.waited: list[float] = []

    def timer(self, for_s: float) -> Task:
        self.waited.append(for_s)
        task = super().timer(for_s)
        task.done = True
        return task


def test_block_of_workers_is_looked_at_until_none_is_left() -> None:
    """Soon at first, then less often; a look that failed is repeated."""
    looks = iter([{"left": 3}, None, {"left": 1}, {"left": 0}])

    def look(task: Task) -> None:
        task.result = next(looks)
        task.error = "" if task.result else "the store was away"

    script = Timely({"look_at_block": look})
    assert drive(script, {**BLOCK_ORDER, "launches": True}, workflow.drive_block) == {}
    assert script.asked == ["look_at_block"] * 4
    assert script.waited == pytest.approx([1.0, 1.2, 1.44, 1.728])
    assert script.orders["look_at_block"] == {**ORDER, "first": 4, "count": 3}


def test_block_that_lasts_goes_on_with_a_fresh_history() -> None:
    """And looks no more often than it did."""
    script = Timely({"look_at_block": gives({"left": 1})})
    drive(script, {**BLOCK_ORDER, "launches": True}, workflow.drive_block)
    assert len(script.asked) == LOOKS_A_LIFE
    assert script.renewed == {**BLOCK_ORDER, "launches": True, "waitS": workflow.LOOK_AT_LEAST_EVERY_S}


WATCH_ORDER = {**ORDER, "untilWave": 2, "everyS": 10.0}


@pytest.mark.parametrize(("found", "stops"), [({"stop": True}, True), ({"stop": False, "needed": False}, False)])
def test_watch_ends_with_a_stop_or_with_what_it_watches(found: dict[str, bool], stops: bool) -> None:
    """It looks until one of them; a look that failed is repeated."""
    looks = iter([None, {"stop": False, "needed": True}, found])

    def look(task: Task) -> None:
        task.result = next(looks)
        task.error = "" if task.result else "the store was away"

    script = Timely({"watch_run": look})
    assert drive(script, WATCH_ORDER, workflow.watch) == {"stop": stops}
    assert script.asked == ["watch_run"] * 3
    assert script.renewed is None


def test_watch_that_lasts_goes_on_with_a_fresh_history() -> None:
    """Hours of looks would be replayed with every look."""
    script = Timely({"watch_run": gives({"stop": False})})
    drive(script, WATCH_ORDER, workflow.watch)
    assert (len(script.asked), script.renewed) == (LOOKS_A_LIFE, WATCH_ORDER)


def test_run_that_asked_for_it_is_cleaned_up_in_the_end() -> None:
    """After the verdict, which it does not change."""
    closing = {"verdict": "passed", "exitCode": 0, "cleans": True}
    plan = {"refused": "", "parts": [], "atOnce": 1, "left": 0}
    script = Script({**ANSWERS, "close_run": gives(closing), "plan_cleaning": gives(plan), "end_cleaning": gives({})})
    assert drive(script) == closing
    assert script.asked[-3:] == ["close_run", "plan_cleaning", "end_cleaning"]


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
        answers = without("block") if next_done else dict(ANSWERS)
        script = Script(answers, next_done)
        drive(script)
        return iter([script.asked, script.told, script.dropped])

    assert list(asked()) == list(asked())
