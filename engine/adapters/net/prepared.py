"""A paho client on a stream that is ready: the one private hook of paho that we use, and the check that it is there."""

from typing import Any

from paho.mqtt import __version__ as paho_version
from paho.mqtt import client as paho

from engine.adapters.net.stream import TlsStream
from engine.adapters.net.websocket import WebSocketStream
from engine.errors import SettingsError


class PreparedClient(paho.Client):
    """Takes the stream it was given where paho would dial."""

    prepared: TlsStream | WebSocketStream | None = None

    def _create_socket(self) -> Any:
        stream, self.prepared = self.prepared, None
        return stream


def require_hook() -> None:
    """Refuse a paho that would dial by itself. Raises SettingsError."""
    if not hasattr(paho.Client, "_create_socket") or not paho_version.startswith("2."):
        found = f"version {paho_version} is installed; 2.x, which can be given a prepared socket, is needed"
        raise SettingsError({"paho-mqtt": found})
