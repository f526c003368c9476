"""Whether a run that goes on is to end: batches in virtual time, and somebody who looks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from doubles.drive import make_setup
from doubles.means import make_means, plan
from engine.batch.done import Done, Stop
from engine.batch.windows import Windows
from engine.device.setup import Timeouts
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.errors import Outcome
from engine.measure.measured import Measured
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.timeline import Timeline
from engine.run import keys, record, state
from engine.run.files import read_spec
from engine.run.means import Means
from engine.run.merged import write_merged
from engine.run.state import Event, Stage, Stopped
from engine.run.watch import SILENT_S, is_watched, watch_of, watch_run
from unit.batch.rig import Stage as BatchStage
from unit.batch.rig import make_stage

ORDER = {"runId": "run-a", "attempt": 1}
ONE: dict[str, Any] = {"scenario": "cert-renewal", "devices": {"count": 12}, "load": {"duration": "5m"}}
TWO: dict[str, Any] = {**ONE, "execution": {"batchSize": 6}}
WAVES: dict[str, Any] = {
    "scenario": "provision",
    "devices": {"count": 4},
    "execution": {"batchSize": 2, "maxParallelBatches": 1},
}
ISSUED = Series(Operation.CERT_ISSUED, Phase.STEADY)
ABORT = {"metric": "cert.issued", "abortOnFail": True}
SILENT = {Fault.LOST: 1.0}


def planned(spec: Mapping[str, Any] = ONE) -> Means:
    """A run that is under way."""
    means = make_means()
    plan(means, "run-a", spec)
    return means


def watched(means: Means, faults: Faults, *, executor: str = "pacing", scenario: str = "cert-renewal") -> BatchStage:
    """The run's batch over a service with these faults: whoever watches looks whenever it has told something."""
    stage = make_stage(
        scenario,
        executor,
        size=12,
        duration_s=150.0,
        options=Options(faults=faults),
        setup=make_setup(timeouts=Timeouts(certificate=5.0)),
        watch=watch_of(read_spec(means.store, "run-a")),
    )

    def show(body: bytes) -> None:
        record.fenced_write(means.store, keys.windows_key("run-a", 0), 1, body)
        if watch_run(ORDER, means)["stop"]:
            stage.cancel()

    stage.home.show = show  # type: ignore[method-assign]
    return stage


def told(means: Means, batch: int, timeline: Timeline, *, at: float, **changes: Any) -> None:
    """The batch has told these windows, at so many seconds after the load began."""
    facts: dict[str, Any] = {
        "told_at": at + 2.0,
        "at": at,
        "since": 0.0,
        "timeline": timeline,
        "durations_s": {Phase.PREPARE: 2.0, Phase.STEADY: at},
        **changes,
    }
    record.fenced_write(means.store, keys.windows_key("run-a", batch), 1, Windows(**facts).encode())


def starts(per_s: float, until_s: float, outcome: Outcome = Outcome.OK, *, since_s: float = 0.0) -> Timeline:
    """Starts at a rate, each with its outcome half a second later."""
    timeline = Timeline(10.0, 0)
    for n in range(int((until_s - since_s) * per_s)):
        at = since_s + n / per_s
        timeline.begin(ISSUED, at)
        timeline.settle(Sample(ISSUED, at, at, at + 0.5, outcome))
    return timeline


def stopped(means: Means) -> Stopped | None:
    """Why the run was asked to stop."""
    return state.read_state(means.store, "run-a").stopped


def assert_stopped_early(done: Done, means: Means) -> None:
    """The batch drained long before its time."""
    assert done.stop is Stop.CANCELLED
    assert done.durations_s[Phase.RAMP] + done.durations_s[Phase.STEADY] < 100.0
    found = stopped(means)
    assert found is not None
    assert found.verdict == "aborted"


def test_service_that_hangs_stops_the_run() -> None:
    """Every request is overdue, none ever ends: that is a failure like any other."""
    means = planned()
    done = watched(means, Faults(SILENT)).run()
    assert_stopped_early(done, means)
    found = stopped(means)
    assert found is not None
    assert found.reasons == ("autoStop: 100 % of cert.issued failed in 0 … 60 s, limit 90 %",)


def test_service_that_refuses_nearly_everything_stops_the_run() -> None:
    """95 % throttled."""
    means = planned()
    done = watched(means, Faults({Fault.THROTTLED: 0.95})).run()
    assert_stopped_early(done, means)
    found = stopped(means)
    assert found is not None
    assert found.reasons[0].startswith("autoStop: ")
    assert float(found.reasons[0].split()[1]) >= 90


@pytest.mark.parametrize("faults", [Faults(), Faults({Fault.THROTTLED: 0.5})], ids=["healthy", "half-refused"])
def test_service_that_answers_lets_the_run_go_on(faults: Faults) -> None:
    """Below the limit nothing happens."""
    means = planned()
    assert watched(means, faults).run().stop is Stop.SCHEDULE
    assert stopped(means) is None
    assert watch_run(ORDER, means) == {"stop": False, "needed": True}


def test_run_that_is_there_to_be_throttled_goes_on() -> None:
    """What `cert-throttle` provokes does not end it; a service that hangs does."""
    spec = {"scenario": "cert-throttle", "devices": {"count": 12}, "load": {"executor": "max-rate"}}
    means = planned(spec)
    stage = watched(means, Faults({Fault.THROTTLED: 1.0}), executor="max-rate", scenario="cert-throttle")
    assert stage.run().stop is Stop.SCHEDULE
    hanging = planned(spec)
    done = watched(hanging, Faults(SILENT), executor="max-rate", scenario="cert-throttle").run()
    assert_stopped_early(done, hanging)


def test_search_is_not_ended_by_what_it_seeks() -> None:
    """Neither by throttling nor by the outcome that its rates are judged by."""
    for outcome, stops in ((Outcome.THROTTLED, False), (Outcome.CONFLICT, False), (Outcome.SERVER, True)):
        search = {"stopWhen": {"metric": "cert.issued:conflict", "expr": "share>0.05"}}
        load = {"executor": "rate-search", "search": search}
        means = planned({"scenario": "cert-renewal", "load": load})
        told(means, 0, starts(1.0, 60.0, outcome), at=60.0)
        assert watch_run(ORDER, means)["stop"] is stops
    means = planned({"scenario": "cert-renewal", "load": {"executor": "rate-search"}})
    told(means, 0, starts(1.0, 60.0, Outcome.THROTTLED), at=60.0)
    assert watch_run(ORDER, means)["stop"] is False
    load = {"executor": "rate-search", "search": {"stopWhen": {"metric": "cert.issued", "expr": "p(95)>5"}}}
    means = planned({"scenario": "cert-renewal", "load": load})
    told(means, 0, starts(1.0, 60.0, Outcome.SERVER), at=60.0)
    assert watch_run(ORDER, means)["stop"] is True


def test_windows_without_data_stop_nothing() -> None:
    """Nobody has told anything, or there was nothing to tell, or what is there cannot be read."""
    means = planned({**ONE, "thresholds": [{**ABORT, "expr": "p(95)<5"}]})
    going_on = {"stop": False, "needed": True}
    assert watch_run(ORDER, means) == going_on
    told(means, 0, Timeline(10.0, 0), at=120.0)
    assert watch_run(ORDER, means) == going_on
    record.fenced_write(means.store, keys.windows_key("run-a", 0), 1, b"damaged")
    assert watch_run(ORDER, means) == going_on
    told(means, 0, starts(1.0, 9.0, Outcome.SERVER), at=9.9)
    assert watch_run(ORDER, means) == going_on


def test_batches_are_judged_together() -> None:
    """One that fails is no reason to end a run of which half goes well; nobody is judged by windows of the others'."""
    means = planned(TWO)
    told(means, 0, starts(1.0, 60.0, Outcome.SERVER), at=60.0)
    told(means, 1, starts(1.0, 60.0), at=61.0)
    assert watch_run(ORDER, means)["stop"] is False
    told(means, 1, starts(1.0, 49.0, Outcome.SERVER), at=49.0)
    assert watch_run(ORDER, means)["stop"] is False
    told(means, 1, starts(1.0, 60.0, Outcome.SERVER), at=60.0)
    assert watch_run(ORDER, means) == {"stop": True, "needed": False}


def test_batch_that_is_silent_or_over_holds_nobody_up() -> None:
    """It died, or has nothing more to tell; what it told counts."""
    for changes in ({"at": 60.0 - SILENT_S - 1.0}, {"at": 35.0, "is_over": True}):
        means = planned(TWO)
        told(means, 0, starts(1.0, 60.0, Outcome.SERVER), at=60.0)
        told(means, 1, starts(0.1, 20.0, Outcome.SERVER), **changes)
        assert watch_run(ORDER, means)["stop"] is True


def test_threshold_that_aborts_fails_the_run() -> None:
    """Not aborted: the numbers are bad, not the run. Every one that failed is a reason."""
    thresholds = [
        {**ABORT, "expr": "max<100", "window": "20s"},
        {**ABORT, "expr": "rate>=2", "delay": "10s"},
        {"metric": "cert.issued", "expr": "count==0"},
    ]
    means = planned({**ONE, "thresholds": thresholds, "autoStop": None})
    told(means, 0, starts(1.0, 18.0), at=18.0)
    assert watch_run(ORDER, means) == {"stop": False, "needed": True}
    told(means, 0, starts(1.0, 22.0), at=22.0)
    assert watch_run(ORDER, means) == {"stop": True, "needed": False}
    found = stopped(means)
    assert found is not None
    assert found.verdict == "failed"
    assert [reason.split(":")[1] for reason in found.reasons] == [" cert.issued max<100", " cert.issued rate>=2"]


def test_rate_is_that_of_whole_windows() -> None:
    """The seconds that the last one has gone on, and those of the drain, are not counted in."""
    rate = [{**ABORT, "expr": "rate>=0.99"}]
    means = planned({**ONE, "thresholds": rate, "autoStop": None})
    told(means, 0, starts(1.0, 29.0), at=29.0)
    assert watch_run(ORDER, means)["stop"] is False
    spent = {Phase.RAMP: 8.0, Phase.STEADY: 7.0, Phase.DRAIN: 14.0}
    told(means, 0, starts(1.0, 15.0), at=29.0, durations_s=spent)
    assert watch_run(ORDER, means)["stop"] is False
    told(means, 0, starts(0.5, 29.0), at=29.0)
    assert watch_run(ORDER, means)["stop"] is True


def test_waves_that_have_not_begun_are_not_waited_for() -> None:
    """A rate is that of the waves that have."""
    registered = Series(Operation.DPS_REGISTER, Phase.STEADY)
    timeline = Timeline(10.0, 0)
    for n in range(20):
        timeline.begin(registered, float(n))
        timeline.settle(Sample(registered, float(n), float(n), n + 0.5, Outcome.OK))
    thresholds = [{"metric": "dps.register", "expr": "rate>=0.9", "abortOnFail": True}]
    means = planned({**WAVES, "thresholds": thresholds})
    told(means, 0, timeline, at=20.0)
    assert watch_run(ORDER, means)["stop"] is False


def test_threshold_against_a_baseline_is_judged_by_it() -> None:
    """By what the other run measured; without one it ends nothing."""
    means = planned({**ONE, "thresholds": [{**ABORT, "expr": "max<=0.5*baseline"}], "autoStop": None})
    told(means, 0, starts(1.0, 20.0), at=20.0)
    assert watch_run(ORDER, means)["stop"] is False
    state.amend(means.store, "run-a", lambda found: replace(found, baseline="run-b"))
    assert watch_run(ORDER, means)["stop"] is False
    write_merged(means.store, "run-b", Measured(starts(1.0, 30.0), {Phase.STEADY: 30.0}))
    assert watch_run(ORDER, means)["stop"] is True


def test_run_that_nothing_can_end_is_not_watched() -> None:
    """No autoStop, no threshold that aborts: no look is needed, and the batches show nothing."""
    means = planned({**ONE, "autoStop": None, "thresholds": [{"metric": "cert.issued", "expr": "count>5"}]})
    assert watch_run(ORDER, means) == {"stop": False, "needed": False}
    spec = read_spec(means.store, "run-a")
    assert (is_watched(spec), watch_of(spec)) == (False, None)
    assert is_watched(read_spec(planned().store, "run-a"))


def test_look_again_is_the_same() -> None:
    """A run that was asked to stop is; one that drains for another reason, or of another attempt, needs no look."""
    means = planned()
    told(means, 0, starts(1.0, 60.0, Outcome.SERVER), at=60.0)
    assert watch_run(ORDER, means) == watch_run(ORDER, means) == {"stop": True, "needed": False}
    assert watch_run({"runId": "run-a", "attempt": 2}, means) == {"stop": False, "needed": False}
    cancelled = planned()
    state.ask_cancel(cancelled.store, "run-a", now=1.0)
    assert watch_run(ORDER, cancelled) == {"stop": False, "needed": False}


def test_run_that_ends_meanwhile_is_not_stopped() -> None:
    """It was past its last batch when the look had come to its end."""
    means = planned()
    told(means, 0, starts(1.0, 60.0, Outcome.SERVER), at=60.0)
    store = _Ending(means)
    assert watch_run(ORDER, replace(means, store=store)) == {"stop": False, "needed": False}
    assert stopped(means) is None


class _Ending:
    """A store: once its windows were read the run's batches are done, and somebody gives it up."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def __getattr__(self, name: str) -> Any:
        return getattr(self._means.store, name)

    def read(self, key: str) -> Any:
        """As the store."""
        if key == keys.windows_key("run-a", 0):
            for event in (Event.BATCHES_DONE, Event.GIVEN_UP):
                state.advance(self._means.store, "run-a", event, now=1.0)
        return self._means.store.read(key)


def test_next_attempt_is_judged_by_what_it_measures_itself() -> None:
    """Neither by what an earlier one had shown last, nor by the windows that a checkpoint brought along."""
    means = planned({**ONE, "thresholds": [{**ABORT, "expr": "fail_rate<0.5"}]})
    told(means, 0, starts(1.0, 60.0, Outcome.SERVER), at=60.0)
    order = {"runId": "run-a", "attempt": 2}
    resumed(means, at=100.0)
    assert watch_run(order, means) == {"stop": False, "needed": True}
    timeline = starts(1.0, 60.0, Outcome.SERVER)
    timeline.merge(starts(1.0, 130.0, since_s=60.0))
    told(means, 0, timeline, at=90.0, since=61.0, told_at=103.0)
    assert watch_run(order, means)["stop"] is False
    timeline.merge(starts(2.0, 130.0, Outcome.SERVER, since_s=70.0))
    told(means, 0, timeline, at=131.0, since=61.0, told_at=144.0)
    assert watch_run(order, means)["stop"] is True


def resumed(means: Means, at: float) -> None:
    """The run ended then, was resumed an hour later, and is under way in its second attempt."""
    wall = means.clock.wall()
    for event in (Event.BATCHES_DONE, Event.CLOSED):
        state.advance(means.store, "run-a", event, now=wall + at)
    state.advance(
        means.store,
        "run-a",
        Event.RESUMED,
        now=wall + at + 3600.0,
        change=lambda found: replace(found, paused_s=3600.0),
    )
    assert state.read_state(means.store, "run-a").stage is Stage.RUNNING


def test_watch_ends_where_nobody_listens_any_more() -> None:
    """Its run has gone on to waves that another watch looks at."""
    means = planned()
    assert watch_run({**ORDER, "untilWave": 1}, means)["needed"] is True
    state.amend(means.store, "run-a", lambda found: replace(found, wave=1))
    assert watch_run({**ORDER, "untilWave": 1}, means) == {"stop": False, "needed": False}
