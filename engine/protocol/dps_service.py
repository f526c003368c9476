"""The service API of a device provisioning service: what its owner may ask of it, no device.

Source: IoT DPS REST API, "Device Registration State - Delete" (request, 204); "Control access to Azure IoT Hub Device
Provisioning Service (DPS) by using Microsoft Entra ID" (the resource that a token is for).
"""

from urllib.parse import quote

from engine.errors import Failure, Outcome, RemoteProtocolError
from engine.protocol import body
from engine.protocol.headers import retry_after_s
from engine.protocol.http import Request, Response
from engine.protocol.status import outcome_of_status

API_VERSION = "2021-10-01"
TOKEN_SCOPE = "https://azure-devices-provisioning.net/.default"


def delete_registration(origin: str, registration_id: str, token: str) -> Request:
    """Forget that the device ever registered; 404 when it did not. origin is a URL without a path."""
    url = f"{origin}/registrations/{quote(registration_id, safe='')}?api-version={API_VERSION}"
    return Request("DELETE", url, (("Authorization", f"Bearer {token}"), ("Accept", "application/json")))


def read_failure(response: Response) -> Failure | None:
    """The failure that an answer tells, None for a 2xx. A body that is not the service's own is no mistake here:
    gateways on the way answer in their own words."""
    outcome = outcome_of_status(response.status)
    if outcome is Outcome.OK:
        return None
    wait_s = retry_after_s(response)
    try:
        return body.read_failure(response.status, response.body, wait_s)
    except RemoteProtocolError:
        return Failure(outcome, str(response.status), "", wait_s)
