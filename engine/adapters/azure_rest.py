"""Azure's REST services: one request, one answer, with this identity's token. Nothing is repeated here."""

from typing import Any, Final

from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, UserAgentPolicy
from azure.core.rest import HttpRequest

from engine.errors import Failure, Outcome
from engine.protocol.http import Request, Response

CONNECT_WITHIN_S: Final = 10.0
ANSWER_WITHIN_S: Final = 60.0


class AzureRest:
    """Sends requests with a token of the credential's; client_options go to the client as they are.

    Redirects are not followed: requests carry our token, some carry a secret.
    """

    def __init__(self, credential: TokenCredential, **client_options: Any) -> None:
        self._credential, self._options = credential, client_options
        self._clients: dict[str, PipelineClient[HttpRequest, Any]] = {}

    def send(self, request: Request, scope: str) -> Response | Failure:
        """The answer, or why there is none; scope is what the token must be good for.

        What azure says of a failure is left out but for its kind: it may repeat what was sent.
        """
        sent = HttpRequest(request.method, request.url, headers=dict(request.headers), content=request.body or None)
        try:
            answer = self._client(scope).send_request(sent)
            body = answer.read()
        except ClientAuthenticationError as error:
            return Failure(Outcome.UNAUTHORIZED, "no-token", f"this identity gets no token: {type(error).__name__}")
        except AzureError as error:
            return Failure(Outcome.NETWORK, "no-answer", type(error).__name__)
        headers = tuple((name.lower(), value) for name, value in answer.headers.items())
        return Response(answer.status_code, headers, body)

    def _client(self, scope: str) -> "PipelineClient[HttpRequest, Any]":
        if scope not in self._clients:
            policies = [UserAgentPolicy("certfleet"), BearerTokenCredentialPolicy(self._credential, scope)]
            options = {"connection_timeout": CONNECT_WITHIN_S, "read_timeout": ANSWER_WITHIN_S, **self._options}
            self._clients[scope] = PipelineClient("", policies=policies, **options)
        return self._clients[scope]
