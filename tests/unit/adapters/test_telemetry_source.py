"""Who speaks."""

import os
import socket

import pytest

from engine.adapters.telemetry.source import source_of

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
    assert source_of("worker", environ, version="1.2.3") == {
        "service.namespace": "certfleet",
        "service.name": "worker",
        "service.instance.id": instance,
        "service.version": "1.2.3",
    }
