"""The ingestion endpoint of Application Insights: what all outboxes of a process have in common."""

import logging
import os
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential

from engine.adapters.telemetry.fate import Answer, Fate, fate_of
from engine.adapters.telemetry.lanes import Parcel
from engine.adapters.telemetry.switches import switch_off
from engine.adapters.telemetry.transport import Notes, NotingCredential, NotingTransport

if TYPE_CHECKING:
    from engine.adapters.telemetry.exporters import Exporters

CONNECT_S: Final = 3.0
ANSWER_S: Final = 5.0
"""How long a connection, and each piece of an answer, may take: who waits for the end of telemetry has seconds."""

_log = logging.getLogger("certfleet.telemetry")


class Ingestion:
    """Carries parcels to the endpoint of a connection string. Safe to call from several threads.

    Nobody else is contacted: see `switches`, and redirections are followed within the endpoint's host or between those
    of Azure Monitor only. A proxy of the environment is used for https.
    """

    def __init__(
        self,
        connection_string: str,
        source: Mapping[str, str],
        *,
        credential: TokenCredential | None = None,
        connect_s: float = CONNECT_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        """source is what `source_of` gives; credential is for a component that takes no instrumentation key alone, and
        is left out where the endpoint is http, on which a token must not travel."""
        self._connection_string, self._source = connection_string, dict(source)
        self._is_safe = _scheme(connection_string) == "https"
        self._credential = credential if self._is_safe else None
        self._times = {"connection_timeout": connect_s, "read_timeout": answer_s}
        self._notes = Notes()
        self._lock = threading.Lock()
        self._exporters: Exporters | None = None
        self._told: set[str] = set()

    def opened(self) -> Self:
        """Itself, with everything made that takes long to make: what is left is sending."""
        self._open()
        return self

    def carry(self, parcel: Parcel) -> Fate:
        """See Carrier."""
        exporters = self._open()
        self._notes.take()
        exporters.export(parcel)
        answer = self._notes.take()
        self._tell(answer)
        return fate_of(answer, len(parcel.signals), now=time.time())

    def _open(self) -> "Exporters":
        with self._lock:
            if self._exporters is None:
                switch_off(os.environ)
                from engine.adapters.telemetry.exporters import Exporters  # half a second, and after the switches

                credential = NotingCredential(self._credential, self._notes) if self._credential else None
                self._exporters = Exporters(
                    self._connection_string,
                    self._source,
                    credential=credential,
                    transport=NotingTransport(self._notes, use_env_settings=self._is_safe, **self._times),
                )
            return self._exporters

    def _tell(self, answer: Answer | None) -> None:
        """Every way not to be taken is said once: an endpoint that is away for long fills no log."""
        if answer is not None and answer.status == HTTPStatus.OK:
            return
        text = "nothing was asked" if answer is None else answer.why or f"the answer was {answer.status}"
        with self._lock:
            is_new = text not in self._told
            self._told.add(text)
        if is_new:
            _log.warning("telemetry was not taken as a whole: %s; said once, counted always", text)


def _scheme(connection_string: str) -> str:
    parts = dict(part.partition("=")[::2] for part in connection_string.split(";"))
    endpoint = {name.lower(): value for name, value in parts.items()}.get("ingestionendpoint", "")
    return urlsplit(endpoint).scheme.lower()
