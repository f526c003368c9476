"""Who speaks: the part of the product, and which of its processes. It becomes `ai.cloud.role` and role instance."""

import os
import socket
from collections.abc import Mapping
from typing import Final

NAMESPACE: Final = "certfleet"


def source_of(role: str, environ: Mapping[str, str], *, version: str) -> dict[str, str]:
    """The attributes of OpenTelemetry's resource; role is app or worker.

    No detector knows Container Apps, so none is asked. Sources: OpenTelemetry, "Service" semantic conventions;
    Container Apps, "Environment variables" for jobs; App Service, "Environment variables": WEBSITE_INSTANCE_ID.
    """
    return {
        "service.namespace": NAMESPACE,
        "service.name": role,
        "service.instance.id": _instance(environ),
        "service.version": version,
    }


def _instance(environ: Mapping[str, str]) -> str:
    host = socket.gethostname()
    if execution := environ.get("CONTAINER_APP_JOB_EXECUTION_NAME"):
        return f"{execution}/{environ.get('CONTAINER_APP_REPLICA_NAME') or host}"
    return environ.get("WEBSITE_INSTANCE_ID") or f"{host}/{os.getpid()}"
