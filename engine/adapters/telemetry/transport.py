"""The SDK's way over HTTP, which notes what came of the last request: the SDK itself tells no more than yes or no."""

import threading
from typing import Any

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import RequestsTransport

from engine.adapters.telemetry.fate import Answer


class Notes(threading.local):
    """What came of this thread's last request, None where none was made."""

    answer: Answer | None = None

    def take(self) -> Answer | None:
        """It, and from then on nothing."""
        found, self.answer = self.answer, None
        return found


class NotingTransport(RequestsTransport):  # type: ignore[misc]  # shown by a __getattr__ only
    """Notes the answer, or that there was none."""

    def __init__(self, notes: Notes, **options: Any) -> None:
        """options are those of RequestsTransport."""
        super().__init__(**options)
        self._notes = notes

    def send(self, request: Any, **options: Any) -> Any:
        """See RequestsTransport. Raises AzureError."""
        try:
            response = super().send(request, **options)
        except AzureError as error:
            self._notes.answer = Answer(0, why=type(error).__name__)
            raise
        said = response.headers.get("Retry-After") or ""
        self._notes.answer = Answer(response.status_code, said, response.content)
        return response


class NotingCredential:
    """Another's tokens. That there is none is noted as if nobody had answered: later there may be one."""

    def __init__(self, credential: TokenCredential, notes: Notes) -> None:
        self._credential, self._notes = credential, notes

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """See TokenCredential. Raises AzureError."""
        try:
            return self._credential.get_token(*scopes, **options)
        except AzureError as error:
            self._notes.answer = Answer(0, why=f"no token: {type(error).__name__}")
            raise
