"""The workflow for users of the repository."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*"))
PUBLISHERS = ("actions/", "azure/")
"""Whose code may run there: the platform's, and Azure's."""


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    """The one workflow. YAML 1.1 takes the key `on` for true."""
    [file] = WORKFLOWS
    found: dict[Any, Any] = yaml.safe_load(file.read_text())
    return found


def steps_of(workflow: dict[Any, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every step, with the job it is of."""
    for name, job in workflow["jobs"].items():
        for step in job["steps"]:
            yield name, step


def runs_of(workflow: dict[Any, Any], job: str) -> str:
    """All that a job runs."""
    return "\n".join(step.get("run", "") for name, step in steps_of(workflow) if name == job)


def test_workflow_does_what_is_promised(workflow: dict[Any, Any]) -> None:
    """Check, tests, build, the compiler's word on every template, and what a deployment would change."""
    promised = {
        "check": ["make check-no-fix"],
        "test": ["make test"],
        "build": ["make build", "diff -r"],
        "infra": ["az bicep build", "az bicep lint", "make check-infra"],
        "what-if": ["az deployment sub what-if"],
    }
    assert workflow["jobs"].keys() == promised.keys()
    for job, words in promised.items():
        for word in words:
            assert word in runs_of(workflow, job)
    assert {"push", "pull_request"} <= workflow[True].keys()
    assert "pull_request_target" not in workflow[True]


def test_targets_and_templates_are_there(workflow: dict[Any, Any]) -> None:
    """Everything that is named lies in the repository."""
    makefile = (ROOT / "Makefile").read_text()
    for job in workflow["jobs"]:
        ran = runs_of(workflow, job)
        for target in re.findall(r"\bmake ([a-z-]+)", ran):
            assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target
        for template in re.findall(r"\binfra/[\w/-]+\.bicep\b", ran):
            assert (ROOT / template).is_file(), template


def test_parameters_given_are_all_that_templates_require(workflow: dict[Any, Any]) -> None:
    """A parameter without default that nobody gives would end the last job."""
    ran = runs_of(workflow, "what-if")
    given = set(re.findall(r"\b(\w+)=\"\$", ran))
    for template in re.findall(r"\binfra/[\w/-]+\.bicep\b", ran):
        assert set(re.findall(r"^param (\w+) \w+$", (ROOT / template).read_text(), re.MULTILINE)) == given


def test_rights_are_the_least(workflow: dict[Any, Any]) -> None:
    """All may read the repository; only the job that signs in to Azure may ask for a token, which forks never get."""
    assert workflow["permissions"] == {"contents": "read"}
    given = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert given == {"what-if": {"contents": "read", "id-token": "write"}}
    condition = workflow["jobs"]["what-if"]["if"]
    assert "vars.AZURE_CLIENT_ID != ''" in condition
    assert "fork != true" in condition
    for _, step in steps_of(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_there_are_no_secrets(workflow: dict[Any, Any]) -> None:
    """Azure is signed in to by a federated credential, whose names are variables."""
    [file] = WORKFLOWS
    assert "secrets." not in file.read_text()
    [login] = [step for _, step in steps_of(workflow) if step.get("uses", "").startswith("azure/login@")]
    assert login["with"].keys() == {"client-id", "tenant-id", "subscription-id"}
    assert all(re.fullmatch(r"\$\{\{ vars\.AZURE_\w+ \}\}", value) for value in login["with"].values())


def test_actions_are_of_known_publishers_at_full_versions(workflow: dict[Any, Any]) -> None:
    """The same action has the same version everywhere."""
    used = {step["uses"] for _, step in steps_of(workflow) if "uses" in step}
    assert len({action.partition("@")[0] for action in used}) == len(used)
    for action in used:
        assert action.startswith(PUBLISHERS), action
        assert re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", action), action


def test_scripts_get_what_is_given_as_variables(workflow: dict[Any, Any]) -> None:
    """What comes from outside is never put into a script's text, where it could be more than a value."""
    for job, step in steps_of(workflow):
        assert "${{" not in step.get("run", ""), job


def test_every_job_ends(workflow: dict[Any, Any]) -> None:
    """On a named system, within a bounded time."""
    for name, job in workflow["jobs"].items():
        assert 0 < job["timeout-minutes"] <= 90, name
        assert re.fullmatch(r"ubuntu-\d\d\.\d\d", job["runs-on"]), name
        assert set(job.get("needs", [])) <= workflow["jobs"].keys() - {name}
