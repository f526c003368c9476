"""The access token of Azure's resource manager, held ready and renewed in the background."""

import logging
import threading
from typing import Final

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError

from engine.errors import SettingsError
from engine.ports import Clock

RENEW_BEFORE_S: Final = 300.0
"""A token is renewed this long before it expires. Source: azure-iot-scale, src/locust_pkg/adr_utils.py."""

TRY_EVERY_S: Final = 30.0
"""How soon after a token that could not be renewed, or was too short, the next is asked for."""

_log = logging.getLogger("certfleet.tokens")


class TokenKeeper:
    """One credential's token for a scope. `open` gets the first one, from then on `read` shows the current one.

    Safe to call from several threads. A token that cannot be renewed is kept: the service says when it is too old.
    """

    def __init__(self, credential: TokenCredential, scope: str, clock: Clock) -> None:
        self._credential, self._scope, self._clock = credential, scope, clock
        self._lock = threading.Lock()
        self._token = ""

    def open(self) -> None:
        """Get the first token, and see to it that it is renewed. Blocks; raises SettingsError where there is none."""
        with self._lock:
            if self._token:
                return
            try:
                wait_s = self.renew()
            except AzureError as error:
                # The cause is left out: it may tell at length what was tried with what.
                message = f"this identity gets no token for {self._scope}: {type(error).__name__}"
                raise SettingsError({"AZURE_CLIENT_ID": message}) from None
            threading.Thread(target=self._keep, args=(wait_s,), name="tokens", daemon=True).start()

    def read(self) -> str:
        """The current token. Never blocks."""
        return self._token

    def renew(self) -> float:
        """Ask for a token and hold it; seconds until it should be renewed. Raises AzureError."""
        found = self._credential.get_token(self._scope)
        self._token = found.token
        return max(TRY_EVERY_S, found.expires_on - self._clock.wall() - RENEW_BEFORE_S)

    def _keep(self, wait_s: float) -> None:
        while True:
            self._clock.sleep(wait_s)
            try:
                wait_s = self.renew()
            except AzureError as error:
                _log.warning("the token for %s was not renewed: %s", self._scope, type(error).__name__)
                wait_s = TRY_EVERY_S
