"""What an execution of a job is started with."""

from copy import deepcopy
from typing import Any

import pytest
from azure.mgmt.appcontainers.models import Job, JobExecutionTemplate

from doubles.container_apps import job_document
from engine.adapters.jobs.template import has_variable, override, unfit

ENV = {"RUN_ID": "run-a", "LAUNCH_ID": "one"}


def job(document: dict[str, Any] | None = None) -> Job:
    """The job of a document, the double's if there is none."""
    return Job(document or job_document())


def template_of(found: Job, *, cpu: float = 1.0) -> dict[str, Any]:
    """The override as it is sent."""
    sent: dict[str, Any] = override(found, args=("worker", "run-a"), cpu=cpu, env=ENV).as_dict(exclude_readonly=True)
    return sent


@pytest.mark.parametrize(
    ("asked", "cpu", "memory"),
    [(0.25, 0.25, "0.5Gi"), (0.3, 0.5, "1Gi"), (1, 1, "2Gi"), (1.75, 1.75, "3.5Gi"), (3.9, 4, "8Gi"), (4, 4, "8Gi")],
)
def test_worker_has_vcpus_that_can_be_had_and_their_memory(asked: float, cpu: float, memory: str) -> None:
    """Rounded up to a quarter, two GiB for each."""
    worker = template_of(job(), cpu=asked)["containers"][1]
    assert worker["resources"] == {"cpu": cpu, "memory": memory}


def test_what_a_start_may_not_say_is_left_out() -> None:
    """Volumes are the job's; what the job leaves open stays open."""
    sent = template_of(job())
    assert set(sent) == {"containers", "initContainers"}
    assert set(sent["containers"][1]) == {"name", "image", "args", "env", "resources"}
    assert sent["initContainers"] == [{"name": "first", "image": "registry.example/first:1", "command": ["/bin/true"]}]


def test_variable_of_ours_replaces_the_jobs() -> None:
    """A name twice would be refused, or the first would win."""
    names = [each["name"] for each in template_of(job())["containers"][1]["env"]]
    assert names == ["STORAGE_ACCOUNT_URL", "STATE_KEY", "RUN_ID", "LAUNCH_ID"]


def test_worker_is_the_first_container_where_none_has_its_name() -> None:
    """A job with one container may call it anything."""
    document = job_document()
    del document["properties"]["template"]["initContainers"]
    document["properties"]["template"]["containers"] = [{"name": "fleet", "image": "i", "command": ["/start"]}]
    sent = template_of(job(document))
    (worker,) = sent["containers"]
    assert (worker["name"], worker["command"], worker["args"]) == ("fleet", ["/start"], ["worker", "run-a"])
    assert [each["name"] for each in worker["env"]] == ["RUN_ID", "LAUNCH_ID"]
    assert "initContainers" not in sent


def test_job_itself_is_left_as_it_was() -> None:
    """What was read may be read again."""
    document = job_document()
    before = deepcopy(document)
    template_of(job(document))
    assert document == before


def test_job_fits_up_to_its_parallelism() -> None:
    """Surplus replicas find nothing; missing ones would be waited for."""
    assert unfit(job(), 4) == unfit(job(), 1) == ""
    assert unfit(job(), 5) == "its parallelism is 4, 5 replicas are needed at once"
    more = job(job_document(parallelism=4, completions=9))
    assert unfit(more, 4) == ""


def test_job_that_would_end_too_soon_does_not_fit() -> None:
    """The first replicas that find nothing would be enough."""
    assert "replicaCompletionCount is 3, it must not be below" in unfit(job(job_document(completions=3)), 1)


@pytest.mark.parametrize("missing", ["configuration", "template"])
def test_job_that_is_no_job_does_not_fit(missing: str) -> None:
    """Half a document is not trusted."""
    document = job_document()
    del document["properties"][missing]
    assert unfit(job(document), 1)


def test_variable_is_looked_for_in_every_container() -> None:
    """By name and value; an execution may show no template at all."""
    template = JobExecutionTemplate(template_of(job()))
    assert has_variable(template, "LAUNCH_ID", "one")
    assert not has_variable(template, "LAUNCH_ID", "two")
    assert not has_variable(template, "STATE_KEY", "one")
    assert not has_variable(None, "LAUNCH_ID", "one")
    assert not has_variable(JobExecutionTemplate({}), "LAUNCH_ID", "one")
