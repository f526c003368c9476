"""Who does which part: shares, waves, deadlines, and the plan as JSON."""

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import RunRefused, SpecError
from engine.plan.batches import Batch, RunPlan, longest_batch_s, plan_run, schedule_of, wave_devices
from engine.plan.pacer import Grid, Steady
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.runner import replicas_of
from engine.plan.spec.runspec import RunSpec
from engine.plan.target import Targets

type Parse = Callable[[dict[str, Any]], RunSpec]

_sharing = [HealthCheck.function_scoped_fixture]


def ranges_of(count: int, pieces: list[int]) -> list[tuple[int, int]]:
    """Ranges with gaps between them, of these sizes until they make up the count."""
    ranges, first = [], 100
    for size in [*pieces, count]:
        taken = min(size, count)
        if taken:
            ranges.append((first, taken))
        first, count = first + taken + 7, count - taken
    return ranges


RATED: dict[str, dict[str, Any]] = {
    "constant-arrival-rate": {"rate": 5},
    "ramping-arrival-rate": {"stages": [{"duration": "100s", "target": 5}, {"duration": "200s", "target": 0}]},
}


@st.composite
def plans(draw: st.DrawFn) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    """A document of any built executor, and ranges for its devices."""
    count = draw(st.integers(1, 300))
    executor = draw(st.sampled_from(["once", "per-device-pacing", "max-rate", *RATED]))
    load: dict[str, Any] = {"executor": executor}
    load |= RATED.get(executor, {"rampUp": "100s"})
    if draw(st.booleans()):
        load["iterations"] = draw(st.integers(1, 1_000))
    size = draw(st.integers(1, 60))
    least = 1 if executor == "once" else -(-count // size)
    load["maxInFlight"] = draw(st.integers(least, count))
    parallel = draw(st.integers(1, 1_000)) if executor == "once" else 1_000
    runner = draw(
        st.sampled_from([{}, {"runner": "activity"}, {"runner": "job", "cpu": 1}, {"runner": "job", "cpu": 3}])
    )
    if runner.get("cpu") == 3:
        load["maxInFlight"] = count
    document = {
        "scenario": "cert-renewal",
        "devices": {"count": count},
        "load": load,
        "execution": {"batchSize": size, "maxParallelBatches": parallel, **runner},
    }
    return document, ranges_of(count, draw(st.lists(st.integers(1, 100), max_size=4)))


def planned(targets: Targets, document: dict[str, Any], ranges: list[tuple[int, int]]) -> tuple[RunSpec, RunPlan]:
    """The spec of a document, and its plan against its target."""
    spec = parse_spec(json.dumps(document).encode(), profiles=targets, max_devices=10**7, seed=7, now=0)
    return spec, plan_run(spec, run_id="run-1", ranges=ranges, target=targets.by_name[spec.target])


@settings(suppress_health_check=_sharing)
@given(plans())
def test_plan_partitions_devices_and_names(targets: Targets, drawn: tuple[dict[str, Any], list[tuple[int, int]]]):
    """Every device of the ranges is in exactly one batch, in order, and batches' sizes differ by at most one."""
    spec, plan = planned(targets, *drawn)
    indexes = [batch.device_index(own) for batch in plan.batches for own in range(batch.devices)]
    assert indexes == [first + n for first, count in drawn[1] for n in range(count)]
    sizes = [batch.devices for batch in plan.batches]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= spec.execution.batch_size
    assert [batch.index for batch in plan.batches] == list(range(len(plan.batches)))


@settings(suppress_health_check=_sharing)
@given(plans())
def test_plan_partitions_the_ordinals_of_each_wave(
    targets: Targets, drawn: tuple[dict[str, Any], list[tuple[int, int]]]
):
    """The ordinals of a wave's batches are all of the wave's, each once."""
    _, plan = planned(targets, *drawn)
    assert [index for wave in plan.waves for index in wave] == [batch.index for batch in plan.batches]
    for number, wave in enumerate(plan.waves):
        batches = [plan.batches[index] for index in wave]
        ordinals = sorted(batch.ordinal(own) for batch in batches for own in range(batch.devices))
        assert ordinals == list(range(batches[0].wave_devices))
        assert {batch.wave for batch in batches} == {number}
        assert {batch.wave_devices for batch in batches} == {sum(batch.devices for batch in batches)}


@settings(suppress_health_check=_sharing)
@given(plans())
def test_plan_shares_out_what_the_run_may(targets: Targets, drawn: tuple[dict[str, Any], list[tuple[int, int]]]):
    """Iterations sum to the run's, a wave's in-flight places to no more than the run's, and the ramp is whole."""
    spec, plan = planned(targets, *drawn)
    if spec.load.iterations is not None:
        assert sum(batch.iterations or 0 for batch in plan.batches) == spec.load.iterations
    for wave in plan.waves:
        batches = [plan.batches[index] for index in wave]
        places = sum(batch.max_in_flight for batch in batches)
        assert places == min(spec.load.max_in_flight, batches[0].wave_devices)
        assert all(1 <= batch.max_in_flight <= batch.devices for batch in batches)
        assert replicas_of(spec, len(wave)) <= spec.execution.max_parallel_batches
    ramps_s = sum(plan.batches[wave[0]].ramp_s for wave in plan.waves)
    assert ramps_s == pytest.approx(spec.load.ramp_up_s)


@settings(suppress_health_check=_sharing, max_examples=50)
@given(plans())
def test_plan_survives_json(targets: Targets, drawn: tuple[dict[str, Any], list[tuple[int, int]]]):
    """A plan written and read is equal to itself."""
    _, plan = planned(targets, *drawn)
    assert RunPlan.from_json(plan.to_json()) == plan


def test_plan_of_an_open_load_offers_the_asked_rate(targets: Targets):
    """All batches' starts together are the whole schedule's, each due when it says."""
    document = {
        "scenario": "cert-renewal",
        "devices": {"count": 10},
        "load": {"executor": "constant-arrival-rate", "rate": 2, "duration": "10s"},
        "execution": {"batchSize": 3},
    }
    spec, plan = planned(targets, document, [(0, 10)])
    assert len(plan.waves) == 1
    due = sorted(
        at
        for batch in plan.batches
        for own in range(20)
        if (at := _steady(spec, batch).due(batch.ordinal(own))) is not None
    )
    assert due == [n / 2 for n in range(20)]


def _steady(spec: RunSpec, batch: Batch) -> Steady:
    schedule = schedule_of(spec, batch)
    assert isinstance(schedule, Steady)
    return schedule


def test_plan_of_paced_devices_spreads_every_batch_over_the_ramp(targets: Targets):
    """The devices of one batch are not the first ones: they lie between those of the others."""
    document = {"scenario": "cert-renewal", "devices": {"count": 6}, "load": {"rampUp": "60s"},
                "execution": {"batchSize": 3}}  # fmt: skip
    spec, plan = planned(targets, document, [(0, 6)])
    for batch, offsets_s in zip(plan.batches, ([0, 20, 40], [10, 30, 50]), strict=True):
        grid = schedule_of(spec, batch)
        assert isinstance(grid, Grid)
        assert [grid.due(batch.ordinal(own), 0) for own in range(3)] == offsets_s


def test_waves_of_once_follow_each_other_with_their_share_of_the_ramp(targets: Targets):
    """Batches beyond what may run at once come later, and the last wave may be smaller."""
    document = {"scenario": "provision", "devices": {"count": 25}, "load": {"rampUp": "50s"},
                "execution": {"batchSize": 5, "maxParallelBatches": 2}}  # fmt: skip
    _, plan = planned(targets, document, [(0, 25)])
    assert plan.waves == ((0, 1), (2, 3), (4,))
    assert [plan.batches[wave[0]].ramp_s for wave in plan.waves] == [20, 20, 10]
    assert [batch.stride for batch in plan.batches] == [2, 2, 2, 2, 1]


def test_waves_are_no_wider_than_the_places_in_flight(targets: Targets):
    """Every batch of a wave can have at least one device in flight."""
    document = {"scenario": "provision", "devices": {"count": 6}, "load": {"maxInFlight": 2},
                "execution": {"batchSize": 1}}  # fmt: skip
    _, plan = planned(targets, document, [(0, 6)])
    assert plan.waves == ((0, 1), (2, 3), (4, 5))
    assert {batch.max_in_flight for batch in plan.batches} == {1}


JOB = {"runner": "job", "cpu": 2, "batchSize": 5, "maxParallelBatches": 2}


def test_waves_of_jobs_are_counted_in_replicas(targets: Targets):
    """Two replicas of two processes have four batches at a time, which together have the wave's ramp."""
    document = {"scenario": "provision", "devices": {"count": 25}, "load": {"rampUp": "50s"}, "execution": JOB}
    _, plan = planned(targets, document, [(0, 25)])
    assert plan.waves == ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9))
    assert sum(plan.batches[wave[0]].ramp_s for wave in plan.waves) == 50
    assert {batch.devices for batch in plan.batches} == {2, 3}


def test_plan_refuses_more_replicas_than_may_run_at_once(targets: Targets):
    """What is needed is said in batches of batchSize devices, as it was asked for."""
    document = {"scenario": "cert-renewal", "execution": JOB}
    assert len(planned(targets, {**document, "devices": {"count": 10}}, [(0, 10)])[1].waves[0]) == 4
    with pytest.raises(RunRefused) as caught:
        planned(targets, {**document, "devices": {"count": 11}}, [(0, 11)])
    assert (caught.value.value, caught.value.need) == ("2", "3")


@pytest.mark.parametrize(
    "more", [{"scenario": "cert-renewal"}, {"scenario": "provision", "execution": {"startBarrier": True}}]
)
def test_plan_refuses_what_cannot_run_at_once(targets: Targets, more: dict[str, Any]):
    """One schedule for everybody needs everybody: fewer parallel batches are a refusal that names both numbers."""
    execution = {**more.get("execution", {}), "batchSize": 1, "maxParallelBatches": 9}
    with pytest.raises(RunRefused) as caught:
        planned(targets, {**more, "execution": execution}, [(0, 10)])
    refused = caught.value
    assert (refused.reason, refused.limit) == ("over-quota", "execution.maxParallelBatches")
    assert (refused.value, refused.need, refused.unit) == ("9", "10", "batches")


def test_paces_are_ninety_percent_of_the_quota_over_those_at_work(targets: Targets):
    """Batches that run at the same time share 90 % of each quota; what is unknown sets no pace."""
    document = {"scenario": "provision", "target": "staging", "devices": {"count": 8},
                "execution": {"batchSize": 2, "maxParallelBatches": 2}}  # fmt: skip
    _, plan = planned(targets, document, [(0, 8)])
    paces = plan.batches[0].paces
    assert paces.register_per_s == pytest.approx(0.9 * 1_000 / 60 / 2)
    assert paces.connect_per_s == pytest.approx(0.9 * 100 / 2)
    assert paces.renew_per_s is None


def test_paces_of_the_emulator_are_none(targets: Targets):
    """The embedded emulator has no quota to keep."""
    _, plan = planned(targets, {"scenario": "cert-renewal"}, [(0, 10)])
    assert plan.batches[0].paces.model_dump() == {"register_per_s": None, "connect_per_s": None, "renew_per_s": None}


def deadline_of(targets: Targets, document: dict[str, Any]) -> tuple[float, float]:
    """The prepare and batch deadlines of the first batch, in seconds."""
    count = document.get("devices", {}).get("count", 10)
    _, plan = planned(targets, document, [(0, count)])
    return plan.batches[0].prepare_s, plan.batches[0].deadline_s


def test_deadline_of_a_timed_load_is_duration_prepare_drain_and_slack(targets: Targets):
    """Duration or stages, prepare, drain and five minutes."""
    for load in ({}, {"executor": "max-rate"}, {"executor": "ramping-arrival-rate", **RATED["ramping-arrival-rate"]}):
        prepare_s, deadline_s = deadline_of(targets, {"scenario": "cert-renewal", "load": load})
        assert deadline_s == prepare_s + 300 + 30 + 300


def test_prepare_is_as_long_as_what_is_missing(targets: Targets):
    """Stored devices only connect, new ones also register at the quota's pace, and some scenarios prepare nothing."""
    base = {"scenario": "cert-renewal", "target": "staging", "devices": {"count": 100}}
    stored, _ = deadline_of(targets, {**base, "devices": {"count": 100, "source": "stored-only"}})
    created, _ = deadline_of(targets, base)
    nothing, _ = deadline_of(targets, {"scenario": "provision", "target": "staging"})
    assert nothing == 60 + 300 + 120
    assert stored == pytest.approx(nothing + 2 * 100 * 0.1)
    assert created == pytest.approx(stored + 2 * 100 * 0.1)
    slow = {**base, "execution": {"batchSize": 5, "maxParallelBatches": 20}}
    assert deadline_of(targets, slow)[0] == pytest.approx(nothing + 2 * 5 * (20 / 15 + 20 / 90))


def test_deadline_of_once_covers_every_attempt(targets: Targets):
    """A load that ends by itself may take each attempt at its worst, in as many turns as places are reused."""
    base = {"scenario": "provision", "limits": {"maxDuration": "30d"}}
    one_turn = deadline_of(targets, base)[1]
    two_turns = deadline_of(targets, {**base, "load": {"maxInFlight": 5}})[1]
    longest_s = 5 * (300 + 60) + 2 * 3 * (120 + 60) + (300 + 60) + 3 * (10 + 1) + 30
    assert two_turns - one_turn == pytest.approx(longest_s)


def test_deadline_of_once_covers_renewals_by_dps(targets: Targets):
    """A renewal by registering again may take as long as a registration, where that is longer."""
    base = {"scenario": "cert-lifecycle", "timeouts": {"register": "900s"}, "limits": {"maxDuration": "30d"}}
    by_dps = {**base, "certificate": {"path": "dps"}}
    assert deadline_of(targets, by_dps)[1] - deadline_of(targets, base)[1] == pytest.approx(900 - 300)


def test_deadline_of_a_wave_is_by_its_share_of_the_ramp(targets: Targets):
    """A batch that ramps for an hour of ten is not waited for as long as for all ten."""
    document = {"scenario": "provision", "devices": {"count": 100}, "limits": {"maxDuration": "30d"},
                "load": {"rampUp": "10h"}, "execution": {"batchSize": 10, "maxParallelBatches": 10}}  # fmt: skip
    together = deadline_of(targets, document)[1]
    one_by_one = deadline_of(targets, {**document, "execution": {"batchSize": 10, "maxParallelBatches": 1}})[1]
    assert together - one_by_one == pytest.approx(9 * 3_600)


@settings(suppress_health_check=_sharing, max_examples=50)
@given(plans())
def test_longest_batch_is_known_without_a_plan(targets: Targets, drawn: tuple[dict[str, Any], list[tuple[int, int]]]):
    """No batch of the plan has a later deadline; the largest wave is the first."""
    spec, plan = planned(targets, *drawn)
    longest_s = longest_batch_s(spec, targets.by_name[spec.target])
    assert max(batch.deadline_s for batch in plan.batches) <= longest_s + 1e-6
    assert wave_devices(spec) == plan.batches[0].wave_devices == max(batch.wave_devices for batch in plan.batches)


def test_barrier_means_something_to_once_only(targets: Targets):
    """Other executors' batches begin together anyway: with it or without, the plan is the same."""
    for more in ({"scenario": "cert-renewal"}, {"scenario": "cert-renewal", "load": {"executor": "max-rate"}}):
        document = {**more, "execution": {"batchSize": 2}}
        behind = {**more, "execution": {"batchSize": 2, "startBarrier": True}}
        assert planned(targets, behind, [(0, 10)])[1] == planned(targets, document, [(0, 10)])[1]
    waves = {"scenario": "provision", "execution": {"batchSize": 1, "maxParallelBatches": 5}}
    assert len(planned(targets, waves, [(0, 10)])[1].waves) == 2


def test_deadline_never_exceeds_the_longest_run(targets: Targets):
    """The load of a batch ends with the run at the latest."""
    prepare_s, deadline_s = deadline_of(targets, {"scenario": "provision", "limits": {"maxDuration": "10m"}})
    assert deadline_s == prepare_s + 600 + 30 + 300
    prepare_s, deadline_s = deadline_of(targets, {"scenario": "cert-throttle", "devices": {"count": 10}})
    assert deadline_s == prepare_s + 7_200 + 30 + 300


def test_batch_has_no_device_beyond_its_own(targets: Targets):
    """Asking for a device of another batch is a bug."""
    _, plan = planned(targets, {"scenario": "cert-renewal"}, [(0, 10)])
    with pytest.raises(IndexError):
        plan.batches[0].device_index(10)


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": 1},
        {"extra": 1},
        {"batches": [{}]},
        {"waves": [[-1]]},
        {"waves": [["0"]]},
    ],
)
def test_plan_from_json_is_strict(targets: Targets, change: dict[str, Any]):
    """A plan that this version did not write is refused with every problem."""
    _, plan = planned(targets, {"scenario": "cert-renewal"}, [(0, 10)])
    with pytest.raises(SpecError) as caught:
        RunPlan.from_json(json.dumps({**json.loads(plan.to_json()), **change}))
    assert all(problem.path for problem in islice(caught.value.problems, 5))


def test_plan_from_json_refuses_what_is_no_json():
    """Bytes that are no JSON are one problem of the whole."""
    with pytest.raises(SpecError) as caught:
        RunPlan.from_json(b"{")
    assert [problem.path for problem in caught.value.problems] == [""]
