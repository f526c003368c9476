"""Bounds that the services have and their type data does not tell: least and most by resource and property."""

from collections.abc import Mapping
from typing import Final

LIMITS: Final[Mapping[str, Mapping[str, tuple[int, int]]]] = {
    "Microsoft.Insights/scheduledQueryRules": {
        "properties.severity": (0, 4),
        "properties.criteria.allOf[].failingPeriods.numberOfEvaluationPeriods": (1, 6),
        "properties.criteria.allOf[].failingPeriods.minFailingPeriodsToAlert": (1, 6),
    },
    "Microsoft.OperationalInsights/workspaces": {"properties.retentionInDays": (4, 730)},
    "Microsoft.Insights/components": {"properties.RetentionInDays": (30, 730)},
    "Microsoft.KeyVault/vaults": {"properties.softDeleteRetentionInDays": (7, 90)},
    "Microsoft.Storage/storageAccounts/blobServices": {
        "properties.deleteRetentionPolicy.days": (1, 365),
        "properties.containerDeleteRetentionPolicy.days": (1, 365),
    },
    "Microsoft.Web/sites": {
        "properties.functionAppConfig.scaleAndConcurrency.maximumInstanceCount": (1, 1000),
        "properties.functionAppConfig.scaleAndConcurrency.instanceMemoryMB": (512, 4096),
    },
    "Microsoft.App/jobs": {
        "properties.configuration.replicaTimeout": (1, 2**31 - 1),
        "properties.configuration.replicaRetryLimit": (0, 2**31 - 1),
        "properties.configuration.manualTriggerConfig.parallelism": (1, 2**31 - 1),
        "properties.configuration.manualTriggerConfig.replicaCompletionCount": (1, 2**31 - 1),
    },
    "Microsoft.Devices/provisioningServices": {"sku.capacity": (1, 200)},
    "Microsoft.Devices/IotHubs": {"sku.capacity": (1, 200)},
    "Microsoft.DeviceRegistry/namespaces/credentials/policies": {
        "properties.certificate.leafCertificateConfiguration.validityPeriodInDays": (7, 90),
    },
}
"""Source: the REST reference of each resource, its page "Create Or Update", and the documented limits of the service:
Azure Monitor, "Create or edit a log search alert rule"; Key Vault, "Soft-delete overview"; Blob Storage, "Soft delete
for blobs"; Functions, "Flex Consumption plan hosting"; IoT Hub, "Quotas and throttling"."""


def limits_of(resource: str, path: str) -> tuple[int, int] | None:
    """The least and the most of a property, None where nothing is known."""
    known = {name.lower(): limits for name, limits in LIMITS.items()}
    return known.get(resource.lower(), {}).get(path)
