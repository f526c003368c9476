"""The clean-up's orchestrator, driven by hand: its activities end at once, as they are told to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import function_app
from engine.run import cleaning
from engine.run.cleaning import clean

ORDER = {"runId": "run-a", "attempt": 1}
PARTS = [{"first": n * 100, "count": 100, "devices": 10} for n in range(3)]
PLAN = {"refused": "", "left": 0, "parts": PARTS, "atOnce": 2}
RECEIPT = {"deleted": 9, "left": 1, "why": ""}


@dataclass(slots=True)
class Asked:
    """An activity that was asked for; an exception as its end is a failure of all its attempts."""

    name: str
    order: Mapping[str, Any]
    end: Any


@dataclass(slots=True)
class Rig:
    """As much of an `Orchestration` as a clean-up needs. ends are by name, or by name and first batch."""

    ends: Mapping[str, Any]
    asked: list[Asked] = field(default_factory=list)
    awaited: list[int] = field(default_factory=list)

    def activity(self, name: str, order: Mapping[str, Any], *, attempts: int = 1) -> Asked:
        assert attempts > 1
        end = self.ends.get(f"{name} {order.get('first')}", self.ends.get(name))
        self.asked.append(Asked(name, order, end))
        return self.asked[-1]

    def first(self, tasks: Sequence[Asked]) -> Sequence[Asked]:
        self.awaited.append(len(self.asked))
        return tasks

    def failure(self, task: Asked) -> str:
        return str(task.end) if isinstance(task.end, Exception) else ""

    def drive(self) -> dict[str, Any]:
        """What the clean-up comes to."""
        script, reply = clean(self, ORDER), None  # type: ignore[arg-type]
        try:
            while True:
                task = script.send(reply)
                if isinstance(task, Asked):
                    assert not isinstance(task.end, Exception), "a failed activity was awaited by itself"
                    reply = task.end
                else:
                    reply = task[0]
        except StopIteration as over:
            found: dict[str, Any] = over.value
            return found

    def last(self) -> Mapping[str, Any]:
        """What the end was told."""
        assert self.asked[-1].name == "end_cleaning"
        return self.asked[-1].order


def rig(**ends: Any) -> Rig:
    """Everything goes well, but for these."""
    return Rig({"plan_cleaning": PLAN, "clean_part": RECEIPT, "end_cleaning": {}, **ends})


def test_parts_are_summed_up_and_told_to_the_end() -> None:
    """Every part once, with what it has to know; the sums go into the last activity and come back."""
    made = rig()
    assert made.drive() == {"deleted": 27, "left": 3}
    assert [one.name for one in made.asked] == ["plan_cleaning", *["clean_part"] * 3, "end_cleaning"]
    assert [one.order for one in made.asked[1:4]] == [{**ORDER, **part} for part in PARTS]
    assert made.last() == {**ORDER, "deleted": 27, "left": 3, "why": ""}


def test_no_more_parts_go_at_a_time_than_the_plan_says() -> None:
    """The third is asked for when the first two have ended."""
    made = rig()
    made.drive()
    assert made.awaited == [1, 3, 3, 4, 5]


def test_part_that_failed_for_good_is_left_and_the_others_go_on() -> None:
    """Its devices are counted, its reason is told, and the clean-up has an end."""
    made = rig(**{"clean_part 100": RuntimeError("the store was away")})
    assert made.drive() == {"deleted": 18, "left": 12}
    assert made.last()["why"] == "the store was away"


def test_first_reason_is_the_one_that_is_told() -> None:
    """Later ones are as a rule its consequence."""
    made = rig(**{"clean_part 100": {**RECEIPT, "why": "throttled"}, "clean_part 200": RuntimeError("away")})
    made.drive()
    assert made.last()["why"] == "throttled"


def test_refused_plan_ends_with_everything_left() -> None:
    """Another run has the names: no part is asked for."""
    made = rig(plan_cleaning={"refused": "held by run b", "left": 30, "parts": [], "atOnce": 1})
    assert made.drive() == {"deleted": 0, "left": 30}
    assert made.last()["why"] == "held by run b"


def test_plan_and_end_that_fail_raise_nothing() -> None:
    """The run that is being cleaned up keeps its verdict whatever happens."""
    made = rig(plan_cleaning=RuntimeError("away"), end_cleaning=RuntimeError("still away"))
    assert made.drive() == {"deleted": 0, "left": 0}
    assert made.last()["why"] == "away"


def test_app_has_every_function_of_a_clean_up() -> None:
    """Strings name functions across Durable Functions: what is asked for must exist."""
    asked = set(re.findall(r'run\.activity\("(\w+)"', Path(cleaning.__file__).read_text(encoding="utf-8")))
    assert asked == {"plan_cleaning", "clean_part", "end_cleaning"}
    assert asked | {"clean"} <= {
        builder._function.get_function_name() for builder in function_app.app._function_builders
    }
