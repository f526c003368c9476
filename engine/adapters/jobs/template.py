"""What an execution of a Container Apps job is started with.

A start replaces the job's template, it does not merge: what is left out is gone, image and variables included. So the
job's containers are copied whole, as far as a start may say anything about them: image, name, command, args, env and
resources. Volumes, probes, secrets, identity, parallelism and time-out stay the job's own.
Source: Container Apps, "Jobs in Azure Container Apps", "Start a job execution on demand"; azure-mgmt-appcontainers
5.1.0, JobExecutionContainer.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from azure.mgmt.appcontainers.models import (
    BaseContainer,
    ContainerResources,
    EnvironmentVar,
    Job,
    JobExecutionContainer,
    JobExecutionTemplate,
)

WORKER: Final = "worker"
"""The container that works, where the job has several; without one of that name it is the first."""

MANUAL: Final = "Manual"

GIB_PER_CPU: Final = 2
CPU_STEP: Final = 0.25
"""Source: Container Apps, "Containers in Azure Container Apps", "Allocations": 0.25 vCPU and 0.5 Gi, up to 4 and 8."""


def override(job: Job, *, args: Sequence[str], cpu: float, env: Mapping[str, str]) -> JobExecutionTemplate:
    """The job's containers, of which the working one has these args, vCPUs and variables besides its own.

    Vcpus are rounded up to what can be had. The job must have a container.
    """
    containers = [_copied(container) for container in job.template.containers]
    worker = next((container for container in containers if container.name == WORKER), containers[0])
    cpu = math.ceil(cpu / CPU_STEP) * CPU_STEP
    worker.args = list(args)
    worker.resources = ContainerResources(cpu=cpu, memory=f"{cpu * GIB_PER_CPU:g}Gi")
    kept = [variable for variable in worker.env or () if variable.name not in env]
    worker.env = [*kept, *(EnvironmentVar(name=name, value=value) for name, value in env.items())]
    return JobExecutionTemplate(
        containers=containers,
        init_containers=[_copied(container) for container in job.template.init_containers or ()] or None,
    )


def unfit(job: Job, replicas: int) -> str:
    """Why the job cannot be what runs so many replicas at once, "" when it can.

    A completion count below the parallelism would end the execution as soon as that many replicas found nothing to do.
    Source: Container Apps, "Jobs in Azure Container Apps", "Job settings": parallelism, replicaCompletionCount, both
    1 unless set.
    """
    configuration = job.configuration
    if job.template is None or not job.template.containers:
        return "it has no container"
    if configuration is None or configuration.trigger_type != MANUAL:
        found = configuration.trigger_type if configuration else "nothing"
        return f"its trigger is {getattr(found, 'value', found)}, expected {MANUAL}"
    trigger = configuration.manual_trigger_config
    parallelism = (trigger.parallelism if trigger else None) or 1
    completions = (trigger.replica_completion_count if trigger else None) or 1
    if replicas > parallelism:
        return f"its parallelism is {parallelism}, {replicas} replicas are needed at once"
    if completions < parallelism:
        return f"its replicaCompletionCount is {completions}, it must not be below its parallelism of {parallelism}"
    return ""


def has_variable(template: JobExecutionTemplate | None, name: str, value: str) -> bool:
    """Whether any container of an execution has the variable with that value."""
    containers = (template.containers if template else None) or ()
    return any(found.name == name and found.value == value for each in containers for found in each.env or ())


def _copied(container: BaseContainer) -> JobExecutionContainer:
    return JobExecutionContainer(
        image=container.image,
        name=container.name,
        command=container.command,
        args=container.args,
        env=container.env,
        resources=container.resources,
    )
