"""Where an app and its callers find the orchestrations: the addresses that the Durable extension hands out."""

import json
from dataclasses import dataclass
from urllib.parse import quote

from engine.localhost.messages import ParameterBinding, parameter
from engine.localhost.worker import Function

HOOK = "/runtime/webhooks/durabletask"
"""Source: Durable Functions documentation, "HTTP API reference"."""


@dataclass(frozen=True, slots=True)
class Links:
    """One host's addresses: base is its URL, backend where clients reach the orchestrations."""

    base: str
    backend: str
    hub: str

    def of(self, instance_id: str) -> dict[str, str]:
        """The management URLs of an instance, with placeholders `{eventName}` and `{text}`."""
        return {"id": instance_id} | self._urls(quote(instance_id, safe=""))

    def client_bindings(self, function: Function) -> list[ParameterBinding]:
        """The function's Durable client arguments; the SDK makes a client of the text."""
        names = [binding["name"] for binding in function.bindings if binding["type"] == "durableClient"]
        return [parameter(name, string=self._client()) for name in names]

    def _client(self) -> str:
        hook = f"{self.base}{HOOK}"
        creation = f"{hook}/orchestrators/{{functionName}}[/{{instanceId}}]?{self._query}"
        return json.dumps(
            {
                "taskHubName": self.hub,
                "connectionName": "Storage",
                "rpcBaseUrl": f"http://{self.backend}",
                "baseUrl": hook,
                "httpBaseUrl": hook,
                "requiredQueryStringParameters": self._query,
                "creationUrls": {"createNewInstancePostUri": creation},
                "managementUrls": self.of("INSTANCEID"),
            }
        )

    @property
    def _query(self) -> str:
        return f"taskHub={quote(self.hub)}&connection=Storage"

    def _urls(self, quoted_id: str) -> dict[str, str]:
        instance = f"{self.base}{HOOK}/instances/{quoted_id}"
        return {
            "statusQueryGetUri": f"{instance}?{self._query}",
            "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}?{self._query}",
            "terminatePostUri": f"{instance}/terminate?reason={{text}}&{self._query}",
            "purgeHistoryDeleteUri": f"{instance}?{self._query}",
        }
