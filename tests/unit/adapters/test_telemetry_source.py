"""Who speaks."""

import os
import socket
import tomllib
from pathlib import Path

import pytest

from engine.adapters.telemetry.source import VERSION, source_of

HOST = socket.gethostname()
EXECUTION = {"CONTAINER_APP_JOB_EXECUTION_NAME": "job-1"}


@pytest.mark.parametrize(
    ("environ", "instance"),
    [
        ({}, f"{HOST}/{os.getpid()}"),
        ({"WEBSITE_INSTANCE_ID": "abc"}, "abc"),
        (EXECUTION | {"CONTAINER_APP_REPLICA_NAME": "job-1-xyz"}, "job-1/job-1-xyz"),
        (EXECUTION, f"job-1/{HOST}"),
    ],
)
def test_source_names_the_process(environ: dict[str, str], instance: str) -> None:
    """By its replica in a job, its instance in Functions, its host and number elsewhere."""
    assert source_of("worker", environ) == {
        "service.namespace": "certfleet",
        "service.name": "worker",
        "service.instance.id": instance,
        "service.version": VERSION,
    }


def test_version_is_the_products() -> None:
    """The one that pyproject.toml has."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == VERSION
