"""Requests to Azure's services as values, over a transport that sends nothing."""

from typing import Any

from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError, ServiceResponseError

from engine.adapters.azure_rest import AzureRest
from engine.errors import Failure, Outcome
from engine.protocol.http import Request

REQUEST = Request("PUT", "https://kv.example/secrets/one?api-version=7.4", (("Accept", "x"),), b'{"value": "canary"}')


class Broken:
    """A transport whose every request ends so."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.sent: list[Any] = []

    def __enter__(self) -> "Broken":
        return self

    def __exit__(self, *args: object) -> None:
        pass

    def send(self, request: Any, **options: Any) -> Any:
        """See HttpTransport."""
        self.sent.append(request)
        raise self._error


class Credential:
    """Tokens, or none."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """See TokenCredential."""
        if self._error:
            raise self._error
        return AccessToken(f"token for {scopes[0]}", 2**33)


def test_request_is_sent_once_with_the_token_of_its_scope():
    """Whatever comes of it, azure's client repeats nothing; its words, which may repeat ours, are left out."""
    for error in (ServiceResponseError("sent was canary"), ServiceRequestError("sent was canary")):
        transport = Broken(error)
        found = AzureRest(Credential(), transport=transport).send(REQUEST, "https://vault.example/.default")
        assert found == Failure(Outcome.NETWORK, "no-answer", type(error).__name__)
        (sent,) = transport.sent
        assert sent.headers["Authorization"] == "Bearer token for https://vault.example/.default"
        assert (sent.method, sent.url, sent.headers["Accept"]) == ("PUT", REQUEST.url, "x")


def test_identity_without_token_sends_nothing():
    """And does not say what was tried."""
    transport = Broken(ServiceRequestError("x"))
    rest = AzureRest(Credential(ClientAuthenticationError("tried canary")), transport=transport)
    found = rest.send(REQUEST, "scope")
    detail = "this identity gets no token: ClientAuthenticationError"
    assert found == Failure(Outcome.UNAUTHORIZED, "no-token", detail)
    assert not transport.sent


def test_token_does_not_leave_without_tls():
    """A URL of http is refused before anything is sent."""
    transport = Broken(ServiceRequestError("x"))
    found = AzureRest(Credential(), transport=transport).send(Request("GET", "http://kv.example/"), "scope")
    assert isinstance(found, Failure)
    assert not transport.sent
