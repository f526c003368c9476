"""Asking for a page: proof of network, telemetry and orchestration without IoT."""

from engine.device.identity import Device
from engine.device.script import Begin, End, Script, StepFailed
from engine.device.steps.connect import blocked
from engine.device.steps.exchange import exchange
from engine.errors import Failure, Outcome, RemoteProtocolError
from engine.measure.operation import Operation
from engine.protocol import headers, http
from engine.protocol.status import outcome_of_status

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""Statuses that send a GET elsewhere. Source: RFC 9110, section 15.4; RFC 9110, section 15.4.9 (308)."""

MOST_REDIRECTS = 5

_SENT = (("Accept", "*/*"),)


def probe(device: Device) -> Script[None]:
    """The page was there: a 2xx, after as many as five redirects, all within the one operation and its time-out."""
    device.doing = "probing"
    within_s = device.setup.timeouts.http
    began: float = yield Begin(Operation.HTTP_GET, within_s)
    try:
        yield from _fetch(device, device.setup.probe_url, began + within_s)
    except StepFailed as failed:
        yield End(Operation.HTTP_GET, failed.failure)
        raise
    yield End(Operation.HTTP_GET)


def _fetch(device: Device, url: str, until: float) -> Script[None]:
    """A 2xx from url or from where it leads; StepFailed on anything else."""
    for _ in range(1 + MOST_REDIRECTS):
        request = http.Request("GET", url, _SENT)
        if not device.setup.allows(request.host):
            raise StepFailed(blocked(request.host))
        answer = yield from exchange(device, request, until)
        if answer.response.status not in REDIRECTS:
            _demand_success(answer.response)
            return
        url = _next(request, answer.response)
    raise StepFailed(Failure(Outcome.PROTOCOL, "redirects", f"more than {MOST_REDIRECTS} redirects"))


def _next(request: http.Request, response: http.Response) -> str:
    """Where a redirect leads; StepFailed where it leads nowhere, or out of TLS."""
    code = str(response.status)
    try:
        url = headers.resolve(request.url, response.header("location"))
    except RemoteProtocolError as broken:
        raise StepFailed(Failure(Outcome.PROTOCOL, code, f"a redirect: {broken}")) from broken
    if request.scheme == "https" and not url.startswith("https:"):
        raise StepFailed(Failure(Outcome.BLOCKED, "downgrade", "a redirect leads from https to http"))
    return url


def _demand_success(response: http.Response) -> None:
    outcome = outcome_of_status(response.status)
    if outcome is not Outcome.OK:
        raise StepFailed(Failure(outcome, str(response.status), retry_after_s=headers.retry_after_s(response)))
