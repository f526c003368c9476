"""The backend and its journal, driven by hand: no functions, no HTTP, a real SQLite file."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from durabletask.internal import helpers
from durabletask.internal import orchestrator_service_pb2 as pb

from engine.localhost import events
from engine.localhost.backend import NO_CLIENT, Backend, Turn
from engine.localhost.errors import HostError
from engine.localhost.events import Activity
from engine.localhost.journal import Journal
from tests.integration.localhost.hosting import eventually

Open = Callable[[], "Bench"]


class Bench:
    """A backend on a file, and what it told its owner."""

    def __init__(self, path: Path) -> None:
        self.troubles: list[Exception] = []
        self.journal = Journal(path)
        self.backend = Backend(self.journal, worked=lambda: None, broken=self.troubles.append)

    def start(self, instance_id: str) -> Turn:
        """The first turn of a new instance."""
        self.backend.StartInstance(pb.CreateInstanceRequest(instanceId=instance_id, name="any"), NO_CLIENT)
        return self.turn()

    def turn(self) -> Turn:
        """The next turn, waited for."""
        return eventually(self.backend.take_turn)

    def finish(self, turn: Turn, *actions: pb.OrchestratorAction) -> None:
        """End a turn with these actions."""
        instance_id = turn.request.instanceId
        self.backend.finish_turn(
            pb.OrchestratorResponse(instanceId=instance_id, actions=actions, completionToken=turn.token)
        )

    def activities(self) -> list[Activity]:
        """Every activity there is to take."""
        return list(iter(self.backend.take_activity, None))

    def status(self, instance_id: str) -> Any:
        """The instance's status."""
        request = pb.GetInstanceRequest(instanceId=instance_id)
        return self.backend.GetInstance(request, NO_CLIENT).orchestrationState.orchestrationStatus

    def crash(self) -> None:
        """Leave the file as it is now: there is nothing that a backend writes late."""
        self.backend.close()


@pytest.fixture
def open_bench(tmp_path: Path) -> Iterator[Open]:
    """Opens the same file again and again, as a restart does."""
    opened: list[Bench] = []

    def again() -> Bench:
        if opened:
            opened[-1].crash()
        opened.append(Bench(tmp_path / "state.db"))
        return opened[-1]

    yield again
    opened[-1].crash()


def call(task_id: int) -> pb.OrchestratorAction:
    return helpers.new_schedule_task_action(task_id, "work", "1", None)


def complete(task_id: int) -> pb.OrchestratorAction:
    return helpers.new_complete_orchestration_action(task_id, pb.ORCHESTRATION_STATUS_COMPLETED, '"done"')


def kinds(history: list[pb.HistoryEvent]) -> list[str]:
    return [event.WhichOneof("eventType") for event in history]


def test_turn_cut_off_is_given_again_whole(open_bench: Open) -> None:
    """A turn that was taken but not finished is given again with every event, in order, each once."""
    bench = open_bench()
    bench.finish(bench.start("a"), call(1), call(2))
    first, second = bench.activities()
    bench.backend.finish_activity(first, events.task_completed(1, "1"))
    bench.turn()
    bench.backend.finish_activity(second, events.task_completed(2, "2"))
    again = open_bench().turn()
    assert kinds(list(again.request.newEvents)) == ["orchestratorStarted", "taskCompleted", "taskCompleted"]
    assert [event.taskCompleted.taskScheduledId for event in again.request.newEvents[1:]] == [1, 2]


def test_first_turn_cut_off_is_given_again(open_bench: Open) -> None:
    """An instance whose very first turn was cut off starts as it was started, under the same execution id."""
    first = open_bench().start("a").request.newEvents
    again = open_bench().turn().request.newEvents
    assert kinds(list(again)) == kinds(list(first)) == ["orchestratorStarted", "executionStarted"]
    assert again[1].executionStarted == first[1].executionStarted
    assert again[1].executionStarted.orchestrationInstance.executionId.value


def test_activity_without_an_answer_is_started_again(open_bench: Open) -> None:
    """After a restart the activities that have no answer are there, and no others."""
    bench = open_bench()
    bench.finish(bench.start("a"), call(1), call(2))
    answered = bench.activities()[0]
    bench.backend.finish_activity(answered, events.task_completed(answered.task_id, "1"))
    assert [activity.task_id for activity in open_bench().activities()] == [2]


def test_timer_set_before_a_restart_fires_after_it(open_bench: Open) -> None:
    """A timer that has not fired is set again."""
    bench = open_bench()
    due = datetime.now(UTC) + timedelta(milliseconds=300)
    bench.finish(bench.start("a"), helpers.new_create_timer_action(1, due))
    turn = open_bench().turn()
    assert kinds(list(turn.request.newEvents)) == ["orchestratorStarted", "timerFired"]
    assert datetime.now(UTC) >= due


def test_continue_as_new_leaves_no_old_history(open_bench: Open) -> None:
    """The next execution's history replaces the old one in the file, and it has an id of its own."""
    bench = open_bench()
    first = bench.start("a")
    again = pb.CompleteOrchestrationAction(orchestrationStatus=pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW)
    bench.finish(first, call(1), pb.OrchestratorAction(id=2, completeOrchestration=again))
    second = bench.turn()
    bench.finish(second, call(1))
    left_behind, own = bench.activities()
    assert left_behind.asker != own.asker
    (recovered,) = open_bench().activities()
    assert recovered == own


def test_answer_to_an_earlier_life_of_an_id_is_dropped(open_bench: Open) -> None:
    """An activity of a purged instance does not answer to the next instance of that id."""
    bench = open_bench()
    bench.finish(bench.start("a"), call(1))
    (old,) = bench.activities()
    bench.backend.TerminateInstance(pb.TerminateRequest(instanceId="a"), NO_CLIENT)
    end = helpers.new_complete_orchestration_action(-1, pb.ORCHESTRATION_STATUS_TERMINATED)
    bench.finish(bench.turn(), end)
    bench.backend.PurgeInstances(pb.PurgeInstancesRequest(instanceId="a"), NO_CLIENT)
    bench.finish(bench.start("a"), call(1))
    bench.backend.finish_activity(old, events.task_completed(1, '"old"'))
    (own,) = bench.activities()
    bench.backend.finish_activity(own, events.task_completed(1, '"own"'))
    results = [event.taskCompleted.result.value for event in bench.turn().request.newEvents[1:]]
    assert results == ['"own"']


def test_terminate_drops_activities_that_are_not_started(open_bench: Open) -> None:
    """From the moment of a terminate no activity of the instance is given out, after a restart neither."""
    bench = open_bench()
    bench.finish(bench.start("a"), call(1), call(2))
    bench.backend.TerminateInstance(pb.TerminateRequest(instanceId="a"), NO_CLIENT)
    assert bench.activities() == []
    assert open_bench().activities() == []


def test_activity_outlives_an_orchestration_that_returned(open_bench: Open) -> None:
    """As in Azure, an activity that nobody waits for any more still runs; its answer goes nowhere."""
    bench = open_bench()
    bench.finish(bench.start("a"), call(1), complete(2))
    (left_behind,) = bench.activities()
    bench.backend.finish_activity(left_behind, events.task_completed(1, "1"))
    assert bench.status("a") == pb.ORCHESTRATION_STATUS_COMPLETED
    assert bench.backend.take_turn() is None


def test_child_and_parent_change_together(open_bench: Open) -> None:
    """A child is in the file as soon as its parent asked for it, and its end with the parent's news."""
    bench = open_bench()
    ask = helpers.new_create_sub_orchestration_action(1, "any", "b", None, None)
    bench.finish(bench.start("a"), ask)
    bench = open_bench()
    bench.finish(bench.turn(), complete(1))
    bench = open_bench()
    assert bench.status("b") == pb.ORCHESTRATION_STATUS_COMPLETED
    turn = bench.turn()
    assert turn.request.instanceId == "a"
    assert kinds(list(turn.request.newEvents)) == ["orchestratorStarted", "subOrchestrationInstanceCompleted"]


def test_entities_fail_the_orchestration_that_uses_them(open_bench: Open) -> None:
    """A message to an entity fails its sender with a plain reason."""
    bench = open_bench()
    message = pb.SendEntityMessageAction(entityOperationSignaled=pb.EntityOperationSignaledEvent(operation="add"))
    bench.finish(bench.start("a"), pb.OrchestratorAction(id=1, sendEntityMessage=message))
    assert bench.status("a") == pb.ORCHESTRATION_STATUS_FAILED


def test_write_that_fails_is_reported(open_bench: Open) -> None:
    """When the file takes no more the owner is told, and the caller gets the error."""
    bench = open_bench()
    turn = bench.start("a")
    bench.journal.close()
    with pytest.raises(Exception, match="closed database"):
        bench.finish(turn, complete(1))
    assert isinstance(bench.troubles[0], HostError)


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Anything else in the state file is left alone."""
    path = tmp_path / "state.db"
    path.write_text("not a database, " * 100)
    with pytest.raises(HostError, match=r"state\.db cannot be used"):
        Journal(path)
