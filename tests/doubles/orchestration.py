"""`Orchestration` without a durable backend: it notes what an orchestrator asks for, and answers as it is told to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NOW = 1_000.0
"""What the clock shows, unix seconds."""


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

    answers are by the name of an activity or a child, or by "run_batch 2" for one batch; what has no answer stays open.
    `first` that finds nothing done ends what `next_done` names: an event, or a timer by its seconds.
    """

    def __init__(self, answers: Mapping[str, Answer], next_done: Sequence[Any] = ()) -> None:
        self.asked: list[str] = []
        self.told: list[Mapping[str, Any]] = []
        self.dropped: list[float] = []
        self.orders: dict[str, Mapping[str, Any]] = {}
        self.renewed: Mapping[str, Any] | None = None
        self._answers, self._next_done = answers, list(next_done)
        self._waiting: list[Task] = []

    def activity(self, name: str, order: Mapping[str, Any], *, attempts: int = 1) -> Task:
        assert attempts >= 1
        return self._ask(name, next((f"{name} {order[key]}" for key in ("batch", "wave") if key in order), name), order)

    def child(self, name: str, order: Mapping[str, Any], *, key: str) -> Task:
        return self._ask(name, key, order)

    def _ask(self, name: str, label: str, order: Mapping[str, Any]) -> Task:
        self.asked.append(label)
        self.orders[label] = order
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

    def now(self) -> float:
        return NOW

    def renew(self, order: Mapping[str, Any]) -> None:
        self.renewed = order

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
