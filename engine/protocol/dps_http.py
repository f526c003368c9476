"""The device provisioning service over HTTPS: the requests that a device makes, and its answers read.

Bodies are those of MQTT. The token that is the password there is a header here, and a certificate is presented in TLS
either way.
Source: azure-iot-sdk-csharp, provisioning/transport/http, RuntimeRegistration.cs (paths, headers).
"""

from dataclasses import dataclass, field
from urllib.parse import quote

from engine.errors import Failure, RemoteProtocolError
from engine.protocol import dps
from engine.protocol.headers import retry_after_s
from engine.protocol.http import PORTS, Request, Response
from engine.protocol.mqtt import Identity
from engine.protocol.status import outcome_of_status

_ACCEPT = ("Accept", "application/json")
_CONTENT = ("Content-Type", "application/json; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Caller:
    """One device at one provisioning service, with the token or the certificate that it proves itself by."""

    host: str
    port: int
    id_scope: str
    registration_id: str
    token: str | None = field(default=None, repr=False)
    identity: Identity | None = None

    def register(self, csr: bytes | None) -> Request:
        """The register request; csr is a DER request for a certificate, None for none."""
        return self._request("PUT", "register", dps.register_payload(self.registration_id, csr))

    def poll(self, operation_id: str) -> Request:
        """The question how the operation is."""
        return self._request("GET", f"operations/{quote(operation_id, safe='')}")

    def _request(self, method: str, what: str, body: bytes = b"") -> Request:
        origin = self.host if self.port == PORTS["https"] else f"{self.host}:{self.port}"
        place = dps.sas_resource(self.id_scope, self.registration_id)
        url = f"https://{origin}/{place}/{what}?api-version={dps.API_VERSION}"
        headers = [_ACCEPT]
        headers += [_CONTENT] if body else []
        headers += [("Authorization", self.token)] if self.token is not None else []
        return Request(method, url, tuple(headers), body, self.identity)


def read_response(response: Response) -> dps.Reply:
    """What the service answers. An error whose body is not the service's own is told by its status alone: a gateway
    before it writes HTML.

    Raises RemoteProtocolError on a success the service would not send.
    """
    wait_s = retry_after_s(response)
    try:
        return dps.read_reply(response.status, response.body, wait_s)
    except RemoteProtocolError:
        if response.status < 300:
            raise
        failure = Failure(outcome_of_status(response.status), str(response.status), "", wait_s)
        return dps.Reply("", response.status, wait_s, failure=failure)
