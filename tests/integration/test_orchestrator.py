"""The orchestrators on Microsoft's in-memory backend, by the SDK's own worker; activities are scripted.

Run as a program (`python tests/integration/test_orchestrator.py`, with the roots on PYTHONPATH) it records the
histories that `unit/run/test_replay.py` replays.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from durabletask.client import OrchestrationStatus, TaskHubGrpcClient
from durabletask.internal import orchestrator_service_pb2_grpc as stubs
from durabletask.testing import InMemoryOrchestrationBackend
from durabletask.worker import TaskHubGrpcWorker
from google.protobuf.json_format import MessageToDict

from engine import wiring
from engine.run import workflow
from engine.run.workflow import CANCEL, WAVES_A_LIFE

HISTORIES = Path(__file__).parents[1] / "data" / "histories"
WITHIN_S = 60
ORDER = {"runId": "run-a", "attempt": 1}
PLAN = {
    "refused": "",
    "batches": 3,
    "atOnce": 2,
    "deadlineAt": 4e9,
    "patienceS": 60.0,
    "batchAttempts": 1,
    "launches": False,
    "watchEveryS": 0.0,
}

type Activity = Callable[[Mapping[str, Any]], Any]


class Backend(InMemoryOrchestrationBackend):
    """Microsoft's backend on a free port of loopback."""

    def start(self) -> str:
        """Begin to serve; the address."""
        self._shutdown_event.clear()
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
        stubs.add_TaskHubSidecarServiceServicer_to_server(self, self._server)
        self._port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return f"127.0.0.1:{self._port}"


def run(context: Any, order: Any) -> Any:
    """The orchestrator as function_app has it."""
    return (yield from wiring.orchestrate(workflow.orchestrate, context, order))


def block(context: Any, order: Any) -> Any:
    """The orchestrator as function_app has it."""
    return (yield from wiring.orchestrate(workflow.drive_block, context, order))


def watch(context: Any, order: Any) -> Any:
    """The orchestrator as function_app has it."""
    return (yield from wiring.orchestrate(workflow.watch, context, order))


class Host:
    """A backend with a worker that knows the orchestrator and these activities."""

    def __init__(self, activities: Mapping[str, Activity]) -> None:
        self.asked: list[str] = []
        self._activities = {**USUAL, **activities}
        self._backend = Backend()
        self.address = self._backend.start()
        self.client = TaskHubGrpcClient(host_address=self.address)
        self._worker = TaskHubGrpcWorker(host_address=self.address)
        for orchestrator in (run, block, watch):
            self._worker.add_orchestrator(orchestrator)
        for name in self._activities:
            self._worker.add_activity(self._activity(name))
        self._worker.start()

    def start(self, order: Mapping[str, Any] = ORDER) -> None:
        """Start the run."""
        self.client.schedule_new_orchestration("run", input=order, instance_id="run-a")

    def cancel(self) -> None:
        """Tell the run."""
        self.client.raise_orchestration_event("run-a", CANCEL, data={})

    def outcome(self) -> tuple[Any, Any]:
        """What the run returned, and the stage it showed last; a run that failed raises."""
        found = self.client.wait_for_orchestration_completion("run-a", timeout=WITHIN_S)
        assert found is not None
        found.raise_if_failed()
        assert found.runtime_status is OrchestrationStatus.COMPLETED
        return json.loads(found.serialized_output or ""), json.loads(found.serialized_custom_status or "")["stage"]

    def history(self, instance_id: str = "run-a") -> list[dict[str, Any]]:
        """What happened, as JSON values; without stack traces, which name this machine's folders."""
        events = [MessageToDict(event) for event in self._backend._instances[instance_id].history]
        for event in events:
            event.get("taskFailed", {}).get("failureDetails", {}).pop("stackTrace", None)
        return events

    def stop(self) -> None:
        """End the worker and the backend."""
        self._worker.stop()
        self.client.close()
        self._backend.stop()

    def _activity(self, name: str) -> Any:
        def activity(_context: Any, order: Mapping[str, Any]) -> Any:
            self.asked.append(next((f"{name} {order[key]}" for key in ("batch", "wave") if key in order), name))
            return self._activities[name](order)

        activity.__name__ = name
        return activity


def _failing(*batches: int) -> Activity:
    def activity(order: Mapping[str, Any]) -> Any:
        if order["batch"] in batches:
            raise ValueError("the batch has a bug")
        return {"stop": "schedule"}

    return activity


USUAL: Mapping[str, Activity] = {
    "plan_run": lambda _: PLAN,
    "run_batch": lambda _: {"stop": "schedule"},
    "begin_wave": lambda _: {"replicas": 1},
    "reach_wave": lambda _: {},
    "look_at_block": lambda _: {"left": 0},
    "stop_workers": lambda _: {},
    "watch_run": lambda _: {"stop": False, "needed": False},
    "stop_run": lambda _: {"stopped": True},
    "close_run": lambda order: {"verdict": "error" if order.get("why") else "passed", "exitCode": 0},
    "give_up": lambda _: {"verdict": "error", "exitCode": 1},
}


@contextmanager
def hosted(activities: Mapping[str, Activity]) -> Iterator[Host]:
    """A host inside the block."""
    host = Host(activities)
    try:
        yield host
    finally:
        host.stop()


@pytest.fixture
def start_host() -> Iterator[Callable[..., Host]]:
    """Starts hosts; stops them all."""
    started: list[Host] = []

    def start(**activities: Activity) -> Host:
        started.append(Host(activities))
        return started[-1]

    yield start
    for host in started:
        host.stop()


StartHost = Callable[..., Host]


def test_waves_run_one_after_the_other(start_host: StartHost) -> None:
    """Every batch once, wave by wave, then the close; an uncancelled deadline does not keep the run open."""
    host = start_host()
    host.start()
    assert host.outcome() == ({"verdict": "passed", "exitCode": 0}, "finished")
    assert (host.asked[:2], sorted(host.asked[2:4])) == (["plan_run", "begin_wave 0"], ["run_batch 0", "run_batch 1"])
    assert host.asked[4:] == ["begin_wave 1", "run_batch 2", "close_run"]


def test_workers_are_looked_at(start_host: StartHost) -> None:
    """Until none of their batches is left; no activity drives."""
    host = start_host(plan_run=lambda _: {**PLAN, "batches": 2, "launches": True})
    host.start()
    assert host.outcome() == ({"verdict": "passed", "exitCode": 0}, "finished")
    assert host.asked == ["plan_run", "begin_wave 0", "look_at_block", "close_run"]


def test_run_of_many_waves_outlives_its_history(start_host: StartHost) -> None:
    """Every wave once, over several lives; the last one knows of its own waves only."""
    waves = WAVES_A_LIFE + 3
    host = start_host(plan_run=lambda _: {**PLAN, "batches": waves, "atOnce": 1})
    host.start()
    assert host.outcome() == ({"verdict": "passed", "exitCode": 0}, "finished")
    assert [name for name in host.asked if "wave" in name] == [f"begin_wave {wave}" for wave in range(waves)]
    assert [name for name in host.asked if "batch" in name] == [f"run_batch {number}" for number in range(waves)]
    assert host.asked.count("plan_run") == host.asked.count("close_run") == 1
    begun = [event for event in host.history() if "taskScheduled" in event]
    assert len(begun) == 4


def test_watch_ends_with_the_life_of_its_run(start_host: StartHost) -> None:
    """Nothing of one life answers to the next: the run waits for it, and shows it which wave comes next."""
    reached: list[int] = []

    def reach(order: Mapping[str, Any]) -> Any:
        reached.append(order["wave"])
        return {}

    host = start_host(
        plan_run=lambda _: {**PLAN, "batches": WAVES_A_LIFE + 1, "atOnce": 1, "watchEveryS": 0.01},
        reach_wave=reach,
        watch_run=lambda order: {"stop": False, "needed": order["untilWave"] not in reached},
    )
    host.start()
    assert host.outcome() == ({"verdict": "passed", "exitCode": 0}, "finished")
    assert reached == [WAVES_A_LIFE]


def test_watch_stops_the_run(start_host: StartHost) -> None:
    """The batches drain by the flag that the activity raised; no further wave begins."""
    gate = threading.Event()

    def stop(_order: Mapping[str, Any]) -> Any:
        gate.set()
        return {"stop": True}

    host = start_host(
        plan_run=lambda _: {**PLAN, "watchEveryS": 0.01}, watch_run=stop, run_batch=lambda _: gate.wait(WITHIN_S)
    )
    host.start()
    host.outcome()
    assert "begin_wave 1" not in host.asked
    assert host.asked[-1] == "close_run"


def test_batch_whose_activity_fails_does_not_stop_the_run(start_host: StartHost) -> None:
    """A composite that failed inside `first` raises nothing: the next wave runs and the run is closed."""
    host = start_host(run_batch=_failing(0, 1))
    host.start()
    assert host.outcome()[1] == "finished"
    assert host.asked[-2:] == ["run_batch 2", "close_run"]


def test_batch_is_tried_again(start_host: StartHost) -> None:
    """A batch whose process died is asked for again, as often as the spec says."""
    tries: list[int] = []

    def once_bad(order: Mapping[str, Any]) -> Any:
        tries.append(order["batch"])
        if tries == [0]:
            raise ValueError("died")
        return {"stop": "schedule"}

    plan = {**PLAN, "batches": 1, "batchAttempts": 2}
    host = start_host(plan_run=lambda _: plan, run_batch=once_bad)
    host.start()
    assert host.outcome()[0]["verdict"] == "passed"
    assert tries == [0, 0]


def test_refused_plan_closes_the_run(start_host: StartHost) -> None:
    """No batch is asked for, and closing is told why."""
    host = start_host(plan_run=lambda _: {"refused": "over quota"})
    host.start()
    assert host.outcome()[0]["verdict"] == "error"
    assert host.asked == ["plan_run", "close_run"]


def test_cancel_drains_the_wave_under_way(start_host: StartHost) -> None:
    """The batches end when they see the flag; no further wave begins."""
    gate, entered = threading.Event(), threading.Barrier(3)

    def draining(_order: Mapping[str, Any]) -> Any:
        entered.wait(WITHIN_S)
        assert gate.wait(WITHIN_S)
        return {"stop": "cancelled"}

    host = start_host(run_batch=draining)
    host.start()
    entered.wait(WITHIN_S)
    host.cancel()
    host.cancel()
    gate.set()
    host.outcome()
    assert "run_batch 2" not in host.asked
    assert host.asked[-1] == "close_run"


def test_cancel_before_the_plan_is_kept(start_host: StartHost) -> None:
    """An event that comes before anybody waits for it is not lost."""
    planned = threading.Event()

    def plan(_order: Mapping[str, Any]) -> Any:
        assert planned.wait(WITHIN_S)
        return {**PLAN, "patienceS": 0.01}

    gate = threading.Event()
    host = start_host(plan_run=plan, run_batch=lambda _: gate.wait(WITHIN_S))
    host.start()
    host.cancel()
    planned.set()
    host.outcome()
    gate.set()
    assert "run_batch 2" not in host.asked


def test_deadline_stops_the_run_and_leaves_a_stuck_batch_behind(start_host: StartHost) -> None:
    """The flag is raised; a batch that does not end within the patience is not waited for."""
    gate = threading.Event()
    plan = {**PLAN, "deadlineAt": 0.0, "patienceS": 0.05}
    host = start_host(plan_run=lambda _: plan, run_batch=lambda _: gate.wait(WITHIN_S))
    host.start()
    host.outcome()
    gate.set()
    assert [name for name in host.asked if "batch" not in name] == ["plan_run", "begin_wave 0", "stop_run", "close_run"]


def test_run_is_started_once(start_host: StartHost) -> None:
    """The run id is the instance id: the backend refuses a second start."""
    host = start_host()
    host.start()
    with pytest.raises(grpc.RpcError) as refused:
        host.start()
    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
    host.outcome()


def record() -> None:
    """Write the histories: one per way through the orchestrator that takes no minutes."""
    short = {**PLAN, "deadlineAt": 0.0, "patienceS": 0.05}
    tried = {**PLAN, "batchAttempts": 2}
    scenes: Mapping[str, Mapping[str, Activity]] = {
        "waves": {},
        "workers": {"plan_run": lambda _: {**PLAN, "launches": True, "watchEveryS": 0.01}},
        "failed-batch": {"plan_run": lambda _: tried, "run_batch": _failing(1)},
        "later-life": {},
        "refused": {"plan_run": lambda _: {"refused": "over quota"}},
        "deadline": {"plan_run": lambda _: short, "run_batch": lambda _: threading.Event().wait(1)},
        "cancelled": {"run_batch": lambda _: threading.Event().wait(0.5)},
    }
    for name, activities in scenes.items():
        with hosted(activities) as host:
            host.start({**ORDER, "plan": PLAN, "wave": 1} if name == "later-life" else ORDER)
            if name == "cancelled":
                while len(host.asked) < 3:
                    threading.Event().wait(0.01)
                host.cancel()
            host.outcome()
            histories = {name: "run-a", **CHILDREN.get(name, {})}
            for each, instance_id in histories.items():
                lines = [json.dumps(event) for event in host.history(instance_id)]
                (HISTORIES / f"{each}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


CHILDREN = {
    "failed-batch": {"block": "run-a:block-000000"},
    "workers": {"block-of-workers": "run-a:block-000000"},
}
"""The children of which a history is kept, by the scene and the name of the history."""


if __name__ == "__main__":
    record()
