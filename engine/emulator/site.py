"""What the emulator serves over HTTP: DPS, the device registry, and a page to probe.

Source of the paths: `dps_http` and `adr`. The page stands for whatever a probe asks for in Azure.
"""

from urllib.parse import urlsplit

from engine.emulator.adr import DeviceRegistry
from engine.emulator.dps_http import Proof, Registrations
from engine.emulator.faults import Faults
from engine.emulator.stats import Stats
from engine.protocol.http import Headers, Request, Response

_PAGE = b"<!doctype html>\n<title>certfleet emulator</title>\n<p>It serves DPS, IoT Hub and a device registry.</p>\n"
_HTML: Headers = (("content-type", "text/html; charset=utf-8"),)
_TEXT: Headers = (("content-type", "text/plain; charset=utf-8"),)
_ARM = "/subscriptions/"


class Site:
    """Every path."""

    def __init__(self, registrations: Registrations, devices: DeviceRegistry, stats: Stats) -> None:
        self._registrations, self._devices, self._stats = registrations, devices, stats

    def answer(self, request: Request, proof: Proof, *, faults: Faults, now: float) -> Response:
        """The answer to a request; proof is for what proves itself the way devices do."""
        path = urlsplit(request.url).path
        if path.lower().startswith(_ARM):
            return self._devices.answer(request, faults=faults, now=now)
        if path in ("", "/"):
            return self._page(request.method)
        answer = self._registrations.answer(request, proof, faults=faults, now=now)
        return answer or Response(404, _TEXT, b"not found\n")

    def _page(self, method: str) -> Response:
        if method not in ("GET", "HEAD"):
            return Response(405, (*_TEXT, ("allow", "GET, HEAD")), b"method not allowed\n")
        self._stats.add("http.get")
        return Response(200, _HTML, _PAGE)
