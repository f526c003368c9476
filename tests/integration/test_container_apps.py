"""Launches over Resource Manager when it throttles, fails, forgets to answer, or is not what was deployed."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from doubles.clock import VirtualClock
from doubles.container_apps import (
    JOB_ID,
    NAME,
    Bearer,
    ContainerApps,
    NoCredential,
    Trick,
    job_document,
    run_container_apps,
)
from engine.adapters.jobs.launcher import LOOK_EVERY_S, SETTLE_S, ContainerAppsLauncher
from engine.adapters.jobs.service import ANSWER_WITHIN_S, PATIENCE_S
from engine.adapters.memory import MemoryStore
from engine.errors import LaunchError, StoreUnavailable
from engine.ports import Launched

KEY = "runs/run-a/launches/a1-wave-0000"
CANARY = "a-variable-that-nobody-may-read"


@dataclass(slots=True)
class Scene:
    """A service, a store, a clock, and launchers over them."""

    apps: ContainerApps
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: VirtualClock = field(default_factory=VirtualClock)
    launcher: ContainerAppsLauncher = field(init=False)

    def __post_init__(self) -> None:
        self.launcher = self.another()

    def another(self, **options: Any) -> ContainerAppsLauncher:
        """A launcher such as another process has."""
        options = {"base_url": self.apps.url, "authentication_policy": Bearer(), **options}
        return ContainerAppsLauncher(self.store, self.clock, job=JOB_ID, credential=NoCredential(), **options)

    def launch(self, replicas: int = 2, *, launcher: ContainerAppsLauncher | None = None) -> None:
        """Launch two processes a replica, under KEY."""
        (launcher or self.launcher).launch("run-a", key=KEY, replicas=replicas, processes=2, cpu=2)

    def note(self) -> dict[str, Any] | None:
        """What is noted under KEY."""
        held = self.store.read(KEY)
        return json.loads(held.body) if held else None

    @property
    def names(self) -> list[str]:
        """The executions that there are."""
        return list(self.apps.executions)

    def recorded(self) -> str:
        """The execution that the note names, "" when it names none."""
        return str((self.note() or {})["execution"])


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A service that behaves until it is told otherwise."""
    with run_container_apps() as apps:
        yield Scene(apps)


def refused(scene: Scene, replicas: int = 2) -> str:
    """What a launch that fails says."""
    with pytest.raises(LaunchError) as failed:
        scene.launch(replicas)
    assert failed.value.batch == "run-a"
    return str(failed.value)


def test_execution_is_the_jobs_template_with_our_worker_in_it(scene: Scene) -> None:
    """Image, secrets and the other containers stay; args, size and two variables are ours."""
    scene.launch()
    (execution,) = scene.apps.executions.values()
    aside, worker = execution.template["containers"]
    assert (aside["image"], aside["args"]) == ("registry.example/aside:1", ["--quiet"])
    assert worker["image"] == "registry.example/certfleet:1"
    assert worker["args"] == ["worker", "run-a", "--processes", "2"]
    assert worker["resources"] == {"cpu": 2.0, "memory": "4Gi"}
    assert execution.variable("STATE_KEY") == "secret state-key"
    assert execution.variable("STORAGE_ACCOUNT_URL") == "https://account.blob.example"
    assert execution.variable("RUN_ID") == "run-a"
    assert execution.variable("LAUNCH_ID") == (scene.note() or {})["launch_id"]
    assert [each["name"] for each in execution.template["initContainers"]] == ["first"]
    assert scene.recorded() == execution.name


def test_start_that_was_only_accepted_is_followed(scene: Scene) -> None:
    """As often as the service asks to, and with the pauses that it names."""
    scene.apps.accepts = 3
    scene.launch()
    assert scene.recorded() == scene.names[0]
    assert scene.apps.count("GET operation-0") == 3
    assert scene.clock.now() == 6.0
    assert scene.apps.count("POST start") == 1


def test_start_that_is_accepted_for_ever_is_found_in_the_list(scene: Scene) -> None:
    """An activity is not held for as long as an operation of the service may take."""
    scene.apps.accepts = 10_000
    scene.launch()
    assert scene.recorded() == scene.names[0]
    assert scene.clock.now() < 60


def test_place_on_another_host_is_not_asked(scene: Scene) -> None:
    """It would get our token; the list says what was started."""
    with run_container_apps() as stranger:
        scene.apps.accepts, scene.apps.elsewhere = 1, stranger.url
        scene.launch()
        assert stranger.asked == []
    assert scene.recorded() == scene.names[0]


def test_start_that_is_throttled_is_sent_again_when_the_service_says(scene: Scene) -> None:
    """Nothing was done before, so nothing is done twice."""
    scene.apps.trick("start", Trick(429, "TooManyRequests", "7"), Trick(429, "TooManyRequests", "11"))
    scene.launch()
    assert (len(scene.names), scene.clock.now()) == (1, 18.0)


def test_start_that_is_throttled_for_long_is_left_to_the_next_try(scene: Scene) -> None:
    """Nothing is noted, and the error says when to come again."""
    scene.apps.trick("start", Trick(429, "SubscriptionRequestsThrottled", "600"))
    told = refused(scene)
    assert told == f"run-a: the job {NAME}: 429 SubscriptionRequestsThrottled, to be asked again in 600 s"
    assert (scene.note(), scene.names, scene.clock.now()) == (None, [], 0.0)
    scene.launch()
    assert len(scene.names) == 1


@pytest.mark.parametrize(
    "trick",
    [Trick(is_done=True), Trick(500, "InternalServerError", is_done=True), Trick(503, "Busy", "1", is_done=True)],
    ids=["closed", "500", "503 with Retry-After"],
)
@pytest.mark.parametrize("late", [0, 3])
def test_start_whose_answer_was_lost_is_not_sent_again(scene: Scene, trick: Trick, late: int) -> None:
    """Its execution is looked for until it is seen, and adopted."""
    scene.apps.trick("start", trick)
    scene.apps.late = late
    scene.launch()
    assert scene.recorded() == scene.names[0]
    assert (len(scene.names), scene.apps.count("POST start")) == (1, 1)
    assert scene.clock.now() == late * LOOK_EVERY_S


def test_start_that_was_lost_on_its_way_is_sent_by_the_next_try(scene: Scene) -> None:
    """Nobody could tell, so it stays noted; the next try looks once more, and starts."""
    scene.apps.trick("start", Trick())
    assert "no answer" in refused(scene)
    assert scene.recorded() == ""
    assert scene.launcher.look(KEY) == Launched(VirtualClock().wall(), is_over=None)
    with pytest.raises(LaunchError, match="not known"):
        scene.launcher.stop(KEY)
    scene.launch()
    assert (len(scene.names), scene.recorded()) == (1, scene.names[0])


def test_execution_that_is_seen_later_is_adopted_by_whoever_looks(scene: Scene) -> None:
    """A launch whose answer was lost, and whose execution nobody saw in time, is known as soon as it is seen."""
    scene.apps.trick("start", Trick(is_done=True))
    scene.apps.late = 1_000
    refused(scene)
    scene.apps.late = 0
    assert scene.another().look(KEY) == Launched(VirtualClock().wall(), is_over=False)
    assert scene.recorded() == scene.names[0]
    scene.launch()
    assert scene.apps.count("POST start") == 1


def test_refusal_after_a_lost_start_keeps_what_is_noted(scene: Scene) -> None:
    """The lost one may still be seen."""
    scene.apps.trick("start", Trick(is_done=True), Trick(409, "JobUpdateInProgress"))
    scene.apps.late = 1_000
    refused(scene)
    assert "409 JobUpdateInProgress" in refused(scene)
    scene.apps.late = 0
    scene.launch()
    assert (len(scene.names), scene.recorded()) == (1, scene.names[0])


def test_list_without_variables_costs_a_second_execution_at_most(scene: Scene) -> None:
    """What was lost cannot be adopted then; the surplus finds no batch."""
    scene.apps.hides_env = True
    scene.apps.trick("start", Trick(is_done=True))
    refused(scene)
    scene.launch()
    scene.launch()
    assert (len(scene.names), scene.recorded()) == (2, scene.names[1])


def test_launcher_that_ended_while_starting_is_followed_by_another(scene: Scene) -> None:
    """As long as its start may still come through, the other only looks; then it starts."""
    scene.store.create(
        KEY, json.dumps({"at": scene.clock.wall(), "asked_at": scene.clock.wall(), "launch_id": "of-the-dead"}).encode()
    )
    scene.launch()
    assert scene.clock.now() == SETTLE_S
    (execution,) = scene.apps.executions.values()
    assert (execution.variable("LAUNCH_ID"), scene.recorded()) == ("of-the-dead", execution.name)


def test_launch_that_another_is_carrying_out_is_waited_for(scene: Scene) -> None:
    """Two hosts got the same activity: one execution."""
    inner, asked = scene.another(), []

    class Meanwhile(VirtualClock):
        """While one waits for its throttled start, the other launches too; it waits for the first one's."""

        def sleep(self, for_s: float) -> None:
            scene.clock.sleep(for_s)
            if not asked:
                asked.append(for_s)
                with pytest.raises(_Waits):
                    scene.launch(launcher=inner)

    class Refusing(VirtualClock):
        """Whoever waits says so."""

        def sleep(self, for_s: float) -> None:
            raise _Waits

    scene.launcher._clock = scene.launcher._service._clock = Meanwhile()
    inner._clock = Refusing()
    scene.apps.trick("start", Trick(429, "TooManyRequests", "3"))
    scene.launch()
    assert (len(scene.names), asked) == (1, [3.0])


class _Waits(Exception):
    pass


def test_execution_that_could_not_be_recorded_is_adopted(scene: Scene) -> None:
    """The store failed after the start: the next try finds the execution."""
    replaced = scene.store.replace

    def fail(key: str, body: bytes, version: str) -> str:
        scene.store.replace = replaced  # type: ignore[method-assign]
        raise StoreUnavailable(key)

    scene.store.replace = fail  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        scene.launch()
    scene.launch()
    assert (len(scene.names), scene.recorded()) == (1, scene.names[0])


@pytest.mark.parametrize(
    ("operation", "trick", "told"),
    [
        ("start", Trick(403, "AuthorizationFailed"), "403 AuthorizationFailed: this identity may not"),
        ("start", Trick(400, "ContainerAppInvalidResourceTotal"), "400 ContainerAppInvalidResourceTotal"),
        ("start", Trick(409, "a code\nwith a break"), "409"),
        ("read", Trick(404, "ResourceNotFound"), "404 ResourceNotFound: there is no such job"),
        ("read", Trick(403, "AuthorizationFailed"), "Container Apps Jobs Operator"),
    ],
)
def test_refusal_is_told_in_a_line(scene: Scene, operation: str, trick: Trick, told: str) -> None:
    """The status, the service's word, and what to do; nothing of the answer, which may repeat what was sent."""
    scene.apps.document["properties"]["template"]["containers"][0]["env"] = [{"name": "CANARY", "value": CANARY}]
    scene.apps.trick(operation, trick)
    with pytest.raises(LaunchError) as failed:
        scene.launch()
    assert told in str(failed.value)
    assert "\n" not in str(failed.value)
    chain: BaseException | None = failed.value
    while chain is not None:
        assert CANARY not in repr(chain)
        assert chain.__suppress_context__ or chain.__cause__ or chain.__context__ is None
        chain = chain.__cause__
    assert (scene.note(), scene.names) == (None, [])


def test_token_that_is_not_accepted_is_told(scene: Scene) -> None:
    """As a refusal of this identity, without the token."""
    launcher = scene.another(authentication_policy=Bearer("another"))
    with pytest.raises(LaunchError, match="401 AuthenticationFailed: this identity was not accepted"):
        scene.launch(launcher=launcher)
    assert scene.note() is None


def test_service_that_is_away_is_given_up(scene: Scene) -> None:
    """After a minute, and nothing is noted: the job could not even be read."""
    scene.apps.trick("read", *[Trick(503, "Busy")] * 50)
    assert "503 Busy" in refused(scene)
    assert scene.clock.now() <= PATIENCE_S + ANSWER_WITHIN_S
    assert (scene.note(), scene.names) == (None, [])


def test_reads_are_repeated(scene: Scene) -> None:
    """Reading does nothing, so a lost answer is asked for again."""
    scene.apps.trick("read", Trick(is_done=True), Trick(502, "BadGateway"))
    scene.launch()
    assert (len(scene.names), scene.apps.count(f"GET {NAME}")) == (1, 3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"triggerType": "Schedule"}, "its trigger is Schedule, expected Manual"),
        ({"manualTriggerConfig": {"parallelism": 4, "replicaCompletionCount": 1}}, "its replicaCompletionCount is 1"),
        ({"manualTriggerConfig": None}, "its parallelism is 1, 2 replicas are needed at once"),
    ],
)
def test_job_that_is_deployed_otherwise_is_refused(scene: Scene, change: dict[str, Any], told: str) -> None:
    """Value and need are named; nothing is started, and nothing noted."""
    scene.apps.document["properties"]["configuration"].update(change)
    assert told in refused(scene)
    assert (scene.note(), scene.names) == (None, [])


def test_job_with_fewer_replicas_than_needed_is_refused() -> None:
    """Executors that need all batches at once would wait for workers that never come."""
    with run_container_apps(document=job_document(parallelism=3)) as apps:
        scene = Scene(apps)
        assert refused(scene, 4) == f"run-a: the job {NAME}: its parallelism is 3, 4 replicas are needed at once"
        scene.launch(3)
        assert len(scene.names) == 1


@pytest.mark.parametrize(
    ("status", "is_over"),
    [
        ("Running", False),
        ("Processing", False),
        ("Unknown", None),
        ("Degraded", None),
        ("Succeeded", True),
        ("Failed", True),
        ("Stopped", True),
        ("A word of next year", None),
    ],
)
def test_state_of_an_execution_says_whether_it_is_over(scene: Scene, status: str, is_over: bool | None) -> None:
    """Unknown and Degraded say nothing."""
    scene.launch()
    scene.apps.executions[scene.names[0]].status = status
    assert scene.launcher.look(KEY) == Launched(VirtualClock().wall(), is_over)


def test_look_that_is_not_answered_tells_nothing(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """It is asked once, and the log says why."""
    scene.launch()
    scene.apps.trick("look", Trick(429, "TooManyRequests", "60"), Trick())
    with caplog.at_level(logging.WARNING, "certfleet.jobs"):
        for _ in range(2):
            assert scene.launcher.look(KEY) == Launched(VirtualClock().wall(), is_over=None)
    assert scene.clock.now() == 0.0
    assert [("429" in told, "no answer" in told) for told in caplog.messages] == [(True, False), (False, True)]


def test_execution_that_is_gone_is_over(scene: Scene) -> None:
    """The service keeps some of them only; a young one may not be seen yet."""
    scene.launch()
    scene.apps.executions.clear()
    assert scene.launcher.look(KEY) == Launched(VirtualClock().wall(), is_over=None)
    scene.clock.sleep(SETTLE_S + 1)
    assert scene.launcher.look(KEY) == Launched(VirtualClock().wall(), is_over=True)
    scene.launcher.stop(KEY)


def test_stop_is_repeated_until_it_was_heard(scene: Scene) -> None:
    """Stopping twice is stopping; nobody waits for the end."""
    scene.launch()
    scene.apps.trick("stop", Trick(429, "TooManyRequests", "2"), Trick(503, "Busy"), Trick())
    scene.launcher.stop(KEY)
    assert scene.apps.executions[scene.names[0]].status == "Stopped"
    assert scene.clock.now() < 30


def test_stop_of_an_execution_that_ended_meanwhile_is_no_error(scene: Scene) -> None:
    """Its answer was lost, and the second is told that it has ended."""
    scene.launch()
    scene.apps.trick("stop", Trick(is_done=True))
    scene.launcher.stop(KEY)
    assert scene.apps.count("POST stop") == 2


def test_stop_that_is_refused_is_told(scene: Scene) -> None:
    """Its workers go on until they see that the run is over."""
    scene.launch()
    scene.apps.trick("stop", Trick(403, "AuthorizationFailed"))
    with pytest.raises(LaunchError, match="403 AuthorizationFailed"):
        scene.launcher.stop(KEY)
