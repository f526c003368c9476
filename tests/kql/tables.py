"""The workspace's tables as far as the queries touch them: each column's Kusto type.

Source: Azure Monitor, "Log Analytics table reference", the pages AppEvents, AppMetrics, AppTraces, AppDependencies,
AppRequests, AppExceptions and ContainerAppSystemLogs.
"""

from collections.abc import Mapping
from typing import Final

_EVERYWHERE: Final = {
    "TimeGenerated": "datetime",
    "TenantId": "string",
    "Type": "string",
    "_BilledSize": "real",
    "_IsBillable": "string",
    "_ResourceId": "string",
}
_OF_AN_APP: Final = _EVERYWHERE | {
    "AppRoleInstance": "string",
    "AppRoleName": "string",
    "AppVersion": "string",
    "ItemCount": "int",
    "OperationId": "string",
    "OperationName": "string",
    "ParentId": "string",
    "Properties": "dynamic",
    "SDKVersion": "string",
}
_MEASURED: Final = _OF_AN_APP | {"Measurements": "dynamic"}
_CALL: Final = _MEASURED | {
    "DurationMs": "real",
    "Id": "string",
    "Name": "string",
    "ResultCode": "string",
    "Success": "bool",
}

TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "AppEvents": _MEASURED | {"Name": "string"},
    "AppMetrics": _OF_AN_APP | {"Name": "string", "Sum": "real", "Min": "real", "Max": "real"},
    "AppTraces": _MEASURED | {"Message": "string", "SeverityLevel": "int"},
    "AppDependencies": _CALL | {"Data": "string", "DependencyType": "string", "Target": "string"},
    "AppRequests": _CALL | {"Source": "string", "Url": "string"},
    "AppExceptions": _MEASURED | {"ExceptionType": "string", "OuterMessage": "string", "SeverityLevel": "int"},
    "ContainerAppSystemLogs": _EVERYWHERE
    | {
        "ComponentName": "string",
        "ComponentType": "string",
        "ContainerAppName": "string",
        "ContainerName": "string",
        "Count": "int",
        "EnvironmentName": "string",
        "EventSource": "string",
        "JobName": "string",
        "Location": "string",
        "Log": "string",
        "OperationName": "string",
        "Reason": "string",
        "ReplicaName": "string",
        "RevisionName": "string",
    },
}
