"""The provisioning service over HTTPS: the requests of MQTT, each with its own proof.

Source: azure-iot-sdk-csharp, provisioning/transport/http, RuntimeRegistration.cs (paths and methods); that 202 and 429
have a `Retry-After` header is likely, no source shows one.
"""

import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from engine.emulator.dps import BAD_REQUEST, LOOKUP, NOT_FOUND, POLL, REGISTER, UNAUTHORIZED, Answer, Provisioning
from engine.emulator.faults import Faults
from engine.errors import RemoteProtocolError
from engine.protocol import dps
from engine.protocol.http import Request, Response
from engine.protocol.topic import parse_query

_PATH = re.compile(
    r"/(?P<scope>[^/]+)/registrations/(?P<id>[A-Za-z0-9._:-]{1,128})(?P<rest>/register|/operations/(?P<operation>[^/]+))?",
    re.ASCII,
)
_WRONG_METHOD = 405000

type Proof = Callable[[str, str], bool]
"""Whether the device with that registration id proves itself with that password."""


class Registrations:
    """The HTTP face of a `Provisioning`, for one id scope."""

    def __init__(self, id_scope: str, provisioning: Provisioning) -> None:
        self._id_scope, self._provisioning = id_scope, provisioning

    def answer(self, request: Request, proof: Proof, *, faults: Faults, now: float) -> Response | None:
        """The answer to a request, None when its path is none of these."""
        url = urlsplit(request.url)
        found = _PATH.fullmatch(unquote(url.path))
        if found is None:
            return None
        kind = POLL if found["operation"] else REGISTER if found["rest"] else LOOKUP
        self._provisioning.begin(kind, now)
        answer = self._refusal(request, kind, scope=found["scope"], now=now)
        if answer is None and not proof(found["id"], request.header("authorization")):
            answer = self._provisioning.refuse(UNAUTHORIZED, "Unauthorized.", now=now, kind=kind)
        if answer is None:
            answer = self._serve(request, found, faults=faults, now=now)
        return _write(answer)

    def _refusal(self, request: Request, kind: str, *, scope: str, now: float) -> Answer | None:
        """What is wrong before anybody proves anything."""
        method = {REGISTER: "PUT", POLL: "GET", LOOKUP: "POST"}[kind]
        if request.method != method:
            return self._provisioning.refuse(_WRONG_METHOD, f"Expected {method}.", now=now, kind=kind)
        try:
            version = parse_query(urlsplit(request.url).query).get("api-version")
        except RemoteProtocolError:
            version = None
        if not version:
            return self._provisioning.refuse(BAD_REQUEST, "There is no api-version.", now=now, kind=kind)
        if scope != self._id_scope:
            return self._provisioning.refuse(NOT_FOUND, "Id scope not found.", now=now, kind=kind)
        return None

    def _serve(self, request: Request, found: re.Match[str], *, faults: Faults, now: float) -> Answer:
        if found["operation"]:
            return self._provisioning.poll(found["id"], found["operation"], now)
        if not found["rest"]:
            return self._provisioning.look_up(found["id"], now)
        try:
            wanted = dps.read_registration(request.body)
        except dps.BadRegistration as error:
            return self._provisioning.refuse(BAD_REQUEST, str(error), now=now)
        return self._provisioning.register(found["id"], wanted, faults=faults, now=now)


def _write(answer: Answer) -> Response:
    headers = [("content-type", "application/json; charset=utf-8")]
    if answer.wait_s is not None:
        headers.append(("retry-after", str(answer.wait_s)))
    return Response(answer.status, tuple(headers), answer.body)
