"""Azure Device Registry over ARM: the calls of the registry scenarios, as HTTP values.

Source: azure-iot-scale, src/locust_pkg/adr_utils.py and adr_user.py, which run against the live service.
"""

from dataclasses import dataclass

API_VERSION = "2025-11-01-preview"
ENDPOINT = "https://management.azure.com"


@dataclass(frozen=True, slots=True)
class Namespace:
    """One device-registry namespace; endpoint is a URL without a path."""

    subscription: str
    resource_group: str
    name: str
    location: str
    endpoint: str = ENDPOINT

    def device_url(self, device_id: str) -> str:
        """Where a device of the namespace is."""
        path = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        path += f"/providers/Microsoft.DeviceRegistry/namespaces/{self.name}/devices/{device_id}"
        return f"{self.endpoint}{path}?api-version={API_VERSION}"
