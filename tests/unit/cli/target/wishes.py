"""Targets that tests want."""

from typing import Any

from engine.cli.target.wanted import CertificateModel, Wanted
from engine.protocol.arm import ResourceId

HUB = ResourceId("sub", "rg", "Microsoft.Devices/IotHubs", "iot-one")
DPS = ResourceId("sub", "rg", "Microsoft.Devices/provisioningServices", "dps-one")
NAMESPACE = ResourceId("sub", "rg", "Microsoft.DeviceRegistry/namespaces", "adr-one")


def wanted(model: CertificateModel = CertificateModel.CERTIFICATE_AUTHORITY, **more: Any) -> Wanted:
    """One hub, and a namespace where the model has one."""
    return Wanted(model, DPS, (HUB,), None if model is CertificateModel.NONE else NAMESPACE, **more)
