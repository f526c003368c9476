"""Kinds of identity: the same two words are written in two ways, and each provider takes one."""

from collections.abc import Iterator, Mapping
from typing import Final

from infra.bicep.kinds import strings_of
from infra.bicep.syntax import value_of
from infra.findings import Finding
from infra.project import Project

_ONE: Final = frozenset(("None", "SystemAssigned", "UserAssigned"))
_SPACED: Final = _ONE | {"SystemAssigned, UserAssigned"}
_TIGHT: Final = _ONE | {"SystemAssigned,UserAssigned"}

TAKEN: Final[Mapping[str, frozenset[str]]] = {
    "Microsoft.App/jobs": _TIGHT,
    "Microsoft.App/managedEnvironments": _TIGHT,
    "Microsoft.ContainerRegistry/registries": _SPACED,
    "Microsoft.DeviceRegistry/namespaces": frozenset(("None", "SystemAssigned")),
    "Microsoft.Devices/IotHubs": _SPACED,
    "Microsoft.Devices/provisioningServices": _TIGHT,
    "Microsoft.Insights/scheduledQueryRules": _ONE,
    "Microsoft.Insights/workbooks": _TIGHT,
    "Microsoft.OperationalInsights/workspaces": _ONE,
    "Microsoft.Storage/storageAccounts": _TIGHT,
    "Microsoft.Web/sites": _SPACED,
}
"""Source: Azure/bicep-types-az, the type of `identity.type` of each."""


def check(project: Project) -> Iterator[Finding]:
    """Kinds of identity that their provider does not take."""
    for source in project.template:
        for declared in source.of("resource").values():
            taken = TAKEN.get(declared.resource_type[0])
            for body in declared.bodies if taken else ():
                kind = value_of(body, "identity", "type")
                for word in strings_of(source, kind) if kind is not None else ():
                    if word not in (taken or ()):
                        text = f"{declared.resource_type[0]} takes no identity {word!r}"
                        yield source.finding(kind or body, "identity-kind", text)
