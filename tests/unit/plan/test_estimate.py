"""The dry run."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import RunRefused
from engine.plan.estimate import Estimate, estimate
from engine.plan.spec.runspec import RunSpec
from engine.plan.target import Targets

type Parse = Callable[[dict[str, Any]], RunSpec]


@pytest.fixture
def estimated(parse: Parse, targets: Targets) -> Callable[[dict[str, Any]], Estimate]:
    """From a document to its estimate, against staging unless it says otherwise."""

    def to_estimate(document: dict[str, Any]) -> Estimate:
        spec = parse({"target": "staging", **document})
        return estimate(spec, targets.by_name[spec.target])

    return to_estimate


type Estimated = Callable[[dict[str, Any]], Estimate]


def test_estimate_of_a_roll_out_by_jobs(estimated: Estimated):
    """Batches, waves, cores, connections, time and cost of 10,000 devices in two minutes."""
    document = {
        "scenario": "provision", "devices": {"count": 10_000}, "load": {"rampUp": "2m"}, "execution": {"runner": "job"}
    }  # fmt: skip
    shown = estimated(document).to_json()
    assert shown["binding"]["limit"] == "dps.registrations"
    assert "dps.registrations" not in [need["limit"] for need in shown["limits"]]
    assert {name: shown[name] for name in ("batches", "waves", "runner", "cores", "outboundAddresses")} == {
        "batches": 20, "waves": 2, "runner": "job", "cores": 10, "outboundAddresses": 1
    }  # fmt: skip
    assert shown["inFlight"] == 2_584
    assert shown["duration"] == "3m2s"
    assert shown["operations"] == {"dps.register": 10_000, "hub.connect": 10_000}
    assert shown["cost"] == {"computeUsd": 0.06, "targetSide": "not included: 10,000 DPS registrations"}
    assert shown["warnings"] == [
        "dps.registrations: about 80 % throttled; rampUp 11m7s would fit",
        "aca.timeout: needs a job whose replicaTimeout is 4173 at least",
        "cert.issue: unknown: put what the service tells into the profile's quotas",
        "aca.parallelism: unknown: nobody published it",
    ]
    assert json.dumps(shown, allow_nan=False)


def test_estimate_of_jobs_with_several_cores_counts_replicas(estimated: Estimated):
    """Twice the batches in the same replicas, each with two cores: twice the price."""
    document = {"scenario": "provision", "devices": {"count": 10_000}, "load": {"rampUp": "2m"}}
    one, two = (estimated({**document, "execution": {"runner": "job", "cpu": cpu}}) for cpu in (1, 2))
    assert (one.batches, one.waves, one.cores, one.compute_usd) == (20, 2, 10, 0.06)
    assert (two.batches, two.waves, two.cores, two.compute_usd) == (40, 2, 20, 0.11)


def test_estimate_against_the_emulator_has_no_limits(estimated: Estimated):
    """The embedded target binds nothing and costs nothing."""
    shown = estimated({"scenario": "cert-lifecycle", "target": "local"}).to_json()
    assert shown["binding"]["limit"] == "emulator"
    assert shown["binding"]["effect"] == "emulator: none"
    assert (shown["limits"], shown["warnings"]) == ([], [])
    assert shown["cost"] == {"computeUsd": 0.0, "targetSide": "none: the embedded emulator"}
    assert shown["runner"] == "activity"


RAMPING = {
    "executor": "ramping-arrival-rate",
    "stages": [{"duration": "60s", "target": 10}, {"duration": "30s", "target": 0}],
}


@pytest.mark.parametrize(
    ("document", "in_flight"),
    [
        ({"scenario": "cert-renewal", "devices": {"count": 3_000}}, 3_000),
        ({"scenario": "provision", "devices": {"count": 2_000}, "load": {"rampUp": "62s"}}, 1_000),
        ({"scenario": "provision", "devices": {"count": 2_000}, "load": {"rampUp": "62s", "maxInFlight": 9}}, 9),
        ({"scenario": "connect-churn", "devices": {"count": 2_000}, "load": {"executor": "max-rate"}}, 2_000),
        ({"scenario": "provision", "devices": {"count": 2_000}, "load": RAMPING}, 310),
        ({"scenario": "provision", "devices": {"count": 2_000}, "load": {**RAMPING, "maxInFlight": 50}}, 50),
        ({"scenario": "provision", "devices": {"count": 1}, "load": {"rampUp": "1h"}}, 1),
        ({"scenario": "connect-storm", "devices": {"count": 700}}, 700),
        ({"scenario": "telemetry", "devices": {"count": 700}, "load": {"pacing": {"interval": "1m"}}}, 700),
        (
            {
                "scenario": "telemetry",
                "devices": {"count": 600},
                "connection": {"hold": "0s"},
                "load": {"pacing": {"interval": "1m"}, "rampUp": "60s"},
            },
            11,
        ),
    ],
)
def test_estimate_counts_connections(estimated: Estimated, document: dict[str, Any], in_flight: int):
    """Rate times time held, at most the places there are, or all devices where they stay connected."""
    assert estimated(document).in_flight == in_flight


@pytest.mark.parametrize(
    ("document", "duration_s"),
    [
        ({"scenario": "cert-renewal"}, 300 + 16),
        ({"scenario": "provision", "load": {"rampUp": "60s"}}, 60 + 31),
        ({"scenario": "provision", "load": {"rampUp": "60s", "maxInFlight": 2}}, 155),
        ({"scenario": "provision", "load": {"rampUp": "60s"},
          "execution": {"batchSize": 5, "maxParallelBatches": 1}}, 60 + 2 * 31),
        ({"scenario": "cert-renewal", "devices": {"count": 1_500, "source": "create"}}, 300 + 16 + 100),
        ({"scenario": "adr-patch", "devices": {"count": 1_500, "source": "create"}}, 300 + 5),
        ({"scenario": "cert-renewal", "target": "local", "devices": {"source": "create"}}, 300 + 5),
        ({"scenario": "cert-throttle", "devices": {"count": 5}}, 12 * 60 + 10),
        ({"scenario": "cert-renewal", "load": RAMPING}, 90 + 16),
        ({"scenario": "cert-renewal", "load": {"executor": "max-rate", "duration": "80s"}}, 80 + 16),
        ({"scenario": "connect-storm", "devices": {"count": 500}}, 61),
        ({"scenario": "telemetry", "load": {"duration": "60s"}}, 60),
    ],
)  # fmt: skip
def test_estimate_adds_up_the_time(estimated: Estimated, document: dict[str, Any], duration_s: float):
    """Load or turns, an iteration for each wave's end, and preparing where every device is new."""
    assert estimated(document).duration_s == pytest.approx(duration_s, abs=1)


def test_estimate_warns_of_preparing_that_may_be_needed(estimated: Estimated):
    """When stored devices may be missing, what registering all of them takes is a warning, not a refusal."""
    found = estimated(
        {
            "scenario": "cert-renewal",
            "devices": {"count": 100_000},
            "execution": {"maxParallelBatches": 200, "runner": "activity"},
        }
    )
    assert "prepare: up to 1h51m7s more when no device is stored yet" in found.warnings
    stored = estimated({"scenario": "cert-renewal", "devices": {"source": "stored-only"}})
    assert not any(warning.startswith("prepare: ") for warning in stored.warnings)


@pytest.mark.parametrize(
    ("document", "warns"),
    [
        ({"scenario": "provision", "devices": {"count": 5_001}}, []),
        ({"scenario": "provision", "devices": {"count": 5_001}, "execution": {"runner": "activity"}},
         ["runner: activities will do it, a job does better: 5001 devices are more than 5000"]),
        ({"scenario": "cert-renewal", "load": {"duration": "21m"}, "execution": {"runner": "activity"}},
         ["runner: activities will do it, a job does better: 21m of load are more than 20m"]),
        ({"scenario": "provision", "devices": {"count": 5_000}, "execution": {"runner": "activity"}}, []),
    ],
)  # fmt: skip
def test_estimate_warns_where_a_job_would_do_better(estimated: Estimated, document: dict[str, Any], warns: list[str]):
    """Activities that were asked for, or that are all there is, do not hide what `auto` would have been."""
    assert [warning for warning in estimated(document).warnings if warning.startswith("runner: ")] == warns


def test_estimate_says_what_auto_became(estimated: Estimated):
    """A job from more than 5,000 devices on."""
    assert estimated({"scenario": "provision", "devices": {"count": 5_000}}).runner == "activity"
    assert estimated({"scenario": "provision", "devices": {"count": 5_001}}).runner == "job"


@pytest.mark.parametrize(
    ("execution", "warning"),
    [
        ({"runner": "job"}, "cores: 6000 devices at once want 3, the replicas have 1"),
        ({"runner": "job", "cpu": 0.5}, "cores: 6000 devices at once want 3, the replicas have 0.5"),
        ({"runner": "activity"}, "cores: 6000 devices at once want 3, the replicas have 1"),
    ],
)
def test_estimate_warns_of_replicas_that_are_too_small(estimated: Estimated, execution: dict[str, Any], warning: str):
    """More devices than the cores of all replicas carry would measure the harness."""
    document = {"scenario": "cert-renewal", "devices": {"count": 6_000}}
    assert warning in estimated({**document, "execution": {"batchSize": 6_000, **execution}}).warnings
    roomy = estimated({**document, "execution": {"batchSize": 2_000, "runner": execution["runner"]}})
    assert not any(line.startswith("cores: ") for line in roomy.warnings)


@pytest.mark.parametrize(
    ("execution", "facts"),
    [
        ({"runner": "job", "cpu": 4, "batchSize": 20, "maxParallelBatches": 30},
         ("aca.cores", "100", "104", "vCPU", "Container Apps quotas, undated")),
        ({"runner": "activity", "batchSize": 2, "maxParallelBatches": 1_000},
         ("functions.memory", "512000", "532480", "MB per region", "general knowledge, 2025")),
    ],
)  # fmt: skip
def test_estimate_refuses_what_its_hosting_does_not_have(
    estimated: Estimated, execution: dict[str, Any], facts: tuple[str, ...]
):
    """Cores and memory of our own are no subject of a test: what is over them cannot begin."""
    with pytest.raises(RunRefused) as caught:
        estimated({"scenario": "cert-renewal", "devices": {"count": 520}, "execution": execution})
    refused = caught.value
    assert refused.reason == "over-quota"
    assert (refused.limit, refused.value, refused.need, refused.unit, refused.source) == facts


def test_estimate_of_waves_connects_one_wave_at_a_time(estimated: Estimated):
    """However short the ramp, devices of a later wave are not there yet."""
    document = {"scenario": "provision", "devices": {"count": 1_050}, "load": {"rampUp": "1s"}}
    execution = {"batchSize": 100, "maxParallelBatches": 4}
    found = estimated({**document, "execution": execution})
    assert (found.batches, found.waves, found.in_flight) == (11, 3, 384)


MILLION = {"devices": {"count": 1_000_000}, "limits": {"maxDuration": "30d"}}


@pytest.mark.parametrize(("size", "batches", "waves"), [(500, 2_000, 200), (100, 10_000, 1_000), (2, 500_000, 50_000)])
def test_estimate_of_a_million_devices_is_by_arithmetic(estimated: Estimated, size: int, batches: int, waves: int):
    """1,000,000 registrations at 900 a minute, and the end of each wave: 10 replicas, whatever the fleet."""
    found = estimated(
        {"scenario": "provision", **MILLION, "execution": {"batchSize": size}, "load": {"rampUp": "66667s"}}
    )
    assert (found.batches, found.waves, found.cores, found.runner) == (batches, waves, 10, "job")
    assert found.duration_s == 66_667 + waves * 31
    assert found.in_flight == min(10 * size, math.ceil(31 * 1_000_000 / 66_667))
    assert found.compute_usd == math.ceil(found.duration_s * 10 * 0.00003 * 100) / 100
    assert [need.limit.name for need in found.needs[:2]] == ["adr.devices", "aca.timeout"]


def test_estimate_prices_activities_by_memory(estimated: Estimated):
    """Two batches for 316 s in 2 GiB each, in cents rounded up."""
    found = estimated({"scenario": "cert-renewal", "devices": {"count": 1_000}})
    assert found.compute_usd == 0.04
    assert found.cores == 1
    assert found.target_side == "not included: what the services charge by the unit"


@pytest.mark.parametrize(
    ("document", "facts"),
    [
        ({"scenario": "cert-renewal", "load": {"duration": "3h"}}, ("limits.maxDuration", "2h", "3h16s", "")),
        ({"scenario": "cert-renewal", "devices": {"count": 5_000}, "limits": {"maxCostUsd": 0.1}},
         ("limits.maxCostUsd", "0.1", "0.17", "USD")),
        ({"scenario": "cert-renewal", "target": "small", "load": {"duration": "50m"}},
         ("small.ceilings.costUsd", "0.01", "0.1", "USD")),
    ],
)  # fmt: skip
def test_estimate_refuses_what_is_over_budget(estimated: Estimated, document: dict[str, Any], facts: tuple[str, ...]):
    """Time and cost above what the spec or its target allow are refused with limit, value, need and unit."""
    with pytest.raises(RunRefused) as caught:
        estimated(document)
    refused = caught.value
    assert refused.reason == "over-budget"
    assert (refused.limit, refused.value, refused.need, refused.unit) == facts


def test_estimate_refuses_batches_that_cannot_run_at_once(estimated: Estimated):
    """Our own capacity refuses in the dry run as well."""
    with pytest.raises(RunRefused) as caught:
        estimated({"scenario": "cert-renewal", "devices": {"count": 5_001}})
    assert caught.value.reason == "over-quota"
