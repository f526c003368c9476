"""Where batches run, and how many there are."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import SpecError
from engine.plan.spec.execution import Runner
from engine.plan.spec.runner import (
    at_once_of,
    batches_of,
    processes_of,
    replicas_of,
    run_by,
    runner_of,
    runs_in_waves,
    settled,
    why_job,
)
from engine.plan.spec.runspec import RunSpec

type Parse = Callable[[dict[str, Any]], RunSpec]

LARGE = {"scenario": "provision", "devices": {"count": 5_001}}
LONG = {"scenario": "cert-renewal", "load": {"duration": "21m"}}
LONGEST = {"scenario": "cert-renewal", "load": {"duration": "61m"}}
WIDE = {"scenario": "cert-renewal", "execution": {"cpu": 1.5}}


@pytest.mark.parametrize(
    ("document", "runner", "why"),
    [
        ({"scenario": "provision", "devices": {"count": 5_000}}, Runner.ACTIVITY, ""),
        (LARGE, Runner.JOB, "5001 devices are more than 5000"),
        ({"scenario": "cert-renewal", "load": {"duration": "20m"}}, Runner.ACTIVITY, ""),
        (LONG, Runner.JOB, "21m of load are more than 20m"),
        ({"scenario": "provision", "load": {"rampUp": "21m"}}, Runner.JOB, "21m of load are more than 20m"),
        ({"scenario": "cert-throttle"}, Runner.ACTIVITY, ""),
        (
            {"scenario": "cert-throttle", "load": {"search": {"hold": "2m"}}},
            Runner.JOB,
            "24m of load are more than 20m",
        ),
        (WIDE, Runner.JOB, "cpu is 1.5"),
        ({"scenario": "cert-renewal", "execution": {"cpu": 0.25}}, Runner.ACTIVITY, ""),
    ],
)
def test_auto_is_a_job_for_a_reason_only(parse: Parse, document: dict[str, Any], runner: Runner, why: str):
    """Many devices, much time or several cores make a job; the reason is told."""
    spec = parse(document)
    assert (runner_of(spec), why_job(spec)) == (runner, why)


@pytest.mark.parametrize("runner", [Runner.JOB, Runner.ACTIVITY])
@pytest.mark.parametrize("document", [LARGE, {"scenario": "provision"}])
def test_runner_that_is_named_is_the_runner(parse: Parse, document: dict[str, Any], runner: Runner):
    """Whatever would do better, who asks for one of the two gets it."""
    assert runner_of(parse({**document, "execution": {"runner": runner}})) is runner


@pytest.mark.parametrize("document", [LARGE, LONG, WIDE, {"scenario": "provision"}])
@pytest.mark.parametrize("has_jobs", [True, False])
def test_settled_spec_never_says_auto_and_divides_as_before(parse: Parse, document: dict[str, Any], has_jobs: bool):
    """What was concluded from the spec that was asked for holds for the one that is carried out."""
    spec = parse(document)
    if not has_jobs and document is WIDE:
        return
    found = settled(spec, has_jobs=has_jobs)
    assert found.execution.runner is (runner_of(spec) if has_jobs else Runner.ACTIVITY)
    assert settled(found, has_jobs=has_jobs) == found
    assert found == run_by(spec, found.execution.runner)
    assert (batches_of(found), at_once_of(found), processes_of(found)) == (
        batches_of(spec), at_once_of(spec), processes_of(spec)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("document", "message", "allowed"),
    [
        ({"scenario": "provision", "execution": {"runner": "job"}}, "a job runner is not set up on this server",
         "activity"),
        (WIDE, "a job runner is not set up on this server, and auto means job: cpu is 1.5",
         "activity, without a cpu above 1"),
        (LONGEST, "a job runner is not set up on this server, and auto means job: 1h1m of load are more than 20m",
         'activity, with a load of ≤ "1h"'),
    ],
)  # fmt: skip
def test_server_without_jobs_refuses_what_takes_one(parse: Parse, document: dict[str, Any], message: str, allowed: str):
    """A job that was asked for, several cores, and a load that no activity lasts for."""
    with pytest.raises(SpecError) as caught:
        settled(parse(document), has_jobs=False)
    (problem,) = caught.value.problems
    assert (problem.path, problem.message, problem.allowed) == ("/execution/runner", message, allowed)


def test_batches_are_as_many_as_devices_fill(parse: Parse):
    """The last batch may be smaller; a rate search is one batch."""
    execution = {"batchSize": 4}
    assert batches_of(parse({"scenario": "cert-renewal", "devices": {"count": 9}, "execution": execution})) == 3
    assert batches_of(parse({"scenario": "cert-throttle", "devices": {"count": 5_000}})) == 1


def test_only_once_without_a_barrier_runs_in_waves(parse: Parse):
    """Whatever shares one schedule or one list of cases, or waits for all, runs together."""
    assert runs_in_waves(parse({"scenario": "provision"}))
    assert not runs_in_waves(parse({"scenario": "connect-storm"}))
    assert not runs_in_waves(parse({"scenario": "cert-renewal"}))
    assert not runs_in_waves(parse({"scenario": "conformance"}))


@pytest.mark.parametrize(
    ("execution", "batches", "replicas"),
    [
        ({"runner": "job", "cpu": 2, "batchSize": 10}, 4, 2),
        ({"runner": "job", "cpu": 2.5, "batchSize": 10}, 6, 2),
        ({"runner": "job", "cpu": 4, "batchSize": 3}, 20, 5),
        ({"runner": "job", "cpu": 1, "batchSize": 10}, 2, 2),
        ({"runner": "job", "cpu": 0.25, "batchSize": 10}, 2, 2),
        ({"cpu": 2, "batchSize": 10}, 4, 2),
        ({"cpu": 1, "batchSize": 10}, 2, 2),
        ({"runner": "activity", "batchSize": 10}, 2, 2),
    ],
)
def test_batches_of_a_job_are_one_per_process(parse: Parse, execution: dict[str, Any], batches: int, replicas: int):
    """A replica's devices are shared out once more, among its cores; no batch is without a device."""
    spec = parse({"scenario": "cert-renewal", "devices": {"count": 20}, "execution": execution})
    assert (batches_of(spec), replicas_of(spec, batches_of(spec))) == (batches, replicas)


def test_search_by_a_job_is_one_batch(parse: Parse):
    """Its answers set one pace: more cores do not divide it."""
    document = {"load": {"executor": "rate-search"}, "execution": {"runner": "job", "cpu": 4}}
    assert batches_of(parse({"scenario": "cert-throttle", **document})) == 1
