"""What Application Insights takes: items in envelopes, and the table of the workspace that each comes to lie in.

Source: azure-rest-api-specs, Monitor.Exporters, preview 2020-09-15, swagger.json (TelemetryEnvelope and its data);
Azure Monitor reference, tables AppEvents, AppMetrics, AppTraces, AppDependencies, AppRequests and AppExceptions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from engine.errors import RemoteProtocolError
from engine.protocol.body import Fields

_KEY: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Table(StrEnum):
    """Where items lie; page views and availability results are none of ours."""

    EVENTS = "AppEvents"
    METRICS = "AppMetrics"
    TRACES = "AppTraces"
    DEPENDENCIES = "AppDependencies"
    REQUESTS = "AppRequests"
    EXCEPTIONS = "AppExceptions"


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of data: its table, the field that is its name there ("" for none), and the texts that it must have."""

    table: Table
    name: str
    texts: tuple[str, ...] = ()


_KINDS: Final[Mapping[str, _Kind]] = {
    "EventData": _Kind(Table.EVENTS, "name"),
    "MetricData": _Kind(Table.METRICS, ""),
    "MessageData": _Kind(Table.TRACES, "", ("message",)),
    "RemoteDependencyData": _Kind(Table.DEPENDENCIES, "name", ("duration",)),
    "RequestData": _Kind(Table.REQUESTS, "", ("id", "duration", "responseCode")),
    "ExceptionData": _Kind(Table.EXCEPTIONS, ""),
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """One item. name is "" where items of the table need none; an exception's is its type."""

    table: Table
    name: str
    properties: Mapping[str, str]

    @property
    def run_id(self) -> str:
        """The run that it tells of, "" for none: spans name it among attributes that begin with loadtest."""
        return self.properties.get("runId") or self.properties.get("loadtest.runId", "")


def read_envelope(value: object) -> Envelope:
    """The item in a JSON value. Raises RemoteProtocolError on what the service would not take, with the field.

    Any instrumentation key is good if it is a UUID; what is too long is cut by the service, and is not looked at here.
    """
    envelope = _object(value, "the item")
    envelope.text("name")
    _check_time(envelope.text("time"))
    if not _KEY.fullmatch(envelope.text("iKey")):
        raise RemoteProtocolError("field iKey is not an instrumentation key")
    data = envelope.optional_object("data")
    kind = _KINDS.get(base_type := data.text("baseType"))
    if kind is None:
        raise RemoteProtocolError(f"field baseType is not one of {', '.join(_KINDS)}, found {base_type[:64]!r}")
    base = data.optional_object("baseData")
    for field in kind.texts:
        base.text(field)
    for field, number in base.optional_object("measurements").values.items():
        if not _is_number(number):
            raise RemoteProtocolError(f"measurement {field[:64]} is not a number")
    return Envelope(kind.table, _name(kind, base), _properties(base))


def _name(kind: _Kind, base: Fields) -> str:
    match kind.table:
        case Table.METRICS:
            return _metric(base)
        case Table.EXCEPTIONS:
            first = _first(base, "exceptions")
            first.text("message")
            return first.optional_text("typeName")
        case _ if kind.name:
            return base.text(kind.name)
        case _:
            return base.optional_text("name")


def _metric(base: Fields) -> str:
    """The name of the metric; of several only the first is stored."""
    first = _first(base, "metrics")
    if not _is_number(first.values.get("value")):
        raise RemoteProtocolError("field value is not a number")
    return first.text("name")


def _properties(base: Fields) -> Mapping[str, str]:
    given = base.optional_object("properties")
    return {field: given.optional_text(field) for field in given.values}


def _first(base: Fields, field: str) -> Fields:
    values = base.values.get(field)
    if not isinstance(values, list) or not values:
        raise RemoteProtocolError(f"field {field} is missing or empty")
    return _object(values[0], f"the first of {field}")


def _object(value: object, what: str) -> Fields:
    if not isinstance(value, dict):
        raise RemoteProtocolError(f"{what} is not a JSON object")
    return Fields(value)


def _check_time(text: str) -> None:
    """Source: the same, TelemetryEnvelope, `time`: ISO 8601 in UTC with a trailing Z, any number of decimals."""
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise RemoteProtocolError("field time is not a time in ISO 8601") from error
    if not text.endswith("Z"):
        raise RemoteProtocolError("field time does not end with Z")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
