"""Azure Monitor's three exporters, taught to do what they are told and nothing by themselves.

No global provider and no `configure_azure_monitor`: the processors behind those drop what their queues have no room for
without counting it, and sample. Here an exporter is a function from values to a request. It keeps nothing on disk,
tries nothing again and limits no rate, for whoever calls it does: that is how what became of every item is known.
Imported only where telemetry is on: it takes half a second.
"""

import logging
from collections.abc import Mapping
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.monitor.opentelemetry.exporter import (
    AzureMonitorLogExporter,
    AzureMonitorMetricExporter,
    AzureMonitorTraceExporter,
)
from opentelemetry.sdk.resources import Resource

from engine.adapters.telemetry import items
from engine.adapters.telemetry.lanes import Kind, Parcel
from engine.adapters.telemetry.transport import NotingTransport

_SDK = "azure.monitor.opentelemetry.exporter"


class Exporters:
    """One for each kind, over one connection pool."""

    def __init__(
        self,
        connection_string: str,
        source: Mapping[str, str],
        *,
        credential: TokenCredential | None,
        transport: NotingTransport,
    ) -> None:
        """source is what `source_of` gives."""
        self._resource = Resource(dict(source))  # not Resource.create, which asks detectors
        options: dict[str, Any] = {
            "connection_string": connection_string,
            "credential": credential,  # given even if None: the SDK else makes one of the environment's wish
            "disable_offline_storage": True,
            "max_envelopes_per_second": 0,
            "retry_total": 0,
            "transport": transport,
            "logging_policy": SansIOHTTPPolicy(),
            "http_logging_policy": SansIOHTTPPolicy(),
        }
        self._logs = AzureMonitorLogExporter(**options)
        self._metrics = AzureMonitorMetricExporter(**options)
        self._traces = AzureMonitorTraceExporter(**options)
        # What it would say of our requests is counted and told by us; it repeats whole items, the key included.
        logging.getLogger(_SDK).setLevel(logging.CRITICAL + 1)

    def export(self, parcel: Parcel) -> None:
        """One request, if the signals can be sent at all; what came of it the transport has noted."""
        match parcel.kind:
            case Kind.LOG:
                self._logs.export(items.logs(parcel.signals, self._resource))
            case Kind.METRIC:
                self._metrics.export(items.metrics(parcel.signals, self._resource))
            case Kind.SPAN:
                self._traces.export(items.spans(parcel.signals, self._resource))
