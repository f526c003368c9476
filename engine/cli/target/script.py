"""What setting up consists of: requests, pauses, and lines that tell how far it is.

A script is a generator: it yields what it wants, and is sent a Reply for every Ask, the clock's seconds after a Pause.
It raises SetupFailed where it cannot go on. Services are asked again, on the same clock and within a bound, while what
they say passes: a token bucket that is empty, a gateway in the way, no answer at all. So nothing may be asked for that
must not happen twice.
"""

from collections.abc import Collection, Generator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from engine.cli.errors import CommandFailed
from engine.errors import Failure, Outcome, RemoteProtocolError
from engine.protocol import adr, arm, dps_service
from engine.protocol.body import Fields, read_object
from engine.protocol.http import Request, Response

PATIENCE_S: Final = 600.0
"""Nothing is asked again later than this after it was first asked. Roles take minutes to arrive everywhere (infra
reference, section 3); ten is our margin."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 30.0
"""Between two tries, doubled each time, where the service names no time."""

POLL_EVERY_S: Final = 5.0
DONE_WITHIN_S: Final = 1800.0
"""How often, and how long, an operation that was accepted is asked about."""

_PASSING_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})


class SetupFailed(CommandFailed):
    """Setting up cannot go on; the message says what was asked for, what came of it, and what to do."""

    code: ClassVar[str] = "setup"


@dataclass(frozen=True, slots=True)
class Ask:
    """A request; scope is what its token must be good for, what names its object to people.

    Of what a service says to one that is secret only the status and the code are told.
    """

    request: Request
    scope: str
    what: str
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing, for a while."""

    for_s: float


@dataclass(frozen=True, slots=True)
class Say:
    """A line for people."""

    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of an Ask: the answer, or why there is none; at is seconds on the clock."""

    at: float
    answer: Response | Failure


type Script[T] = Generator[Ask | Pause | Say, Any, T]


def patiently(ask: Ask, *, passing: Collection[str] = (), within_s: float = PATIENCE_S) -> Script[Response]:
    """The answer, whatever its status, to a request that is repeated while what is wrong passes.

    passing are the services' codes that pass here, besides what passes everywhere.
    """
    began: float | None = None
    pause_s = FIRST_PAUSE_S
    while True:
        reply: Reply = yield ask
        began = reply.at if began is None else began
        failure = failure_of(reply.answer)
        if not _passes(reply.answer, failure, passing):
            if isinstance(reply.answer, Failure):
                raise SetupFailed(f"{ask.what}: {reply.answer.detail}")
            return reply.answer
        wait_s = max(failure.retry_after_s or 0.0, pause_s) if failure else pause_s
        if reply.at + wait_s > began + within_s:
            raise SetupFailed(f"{told(ask, reply.answer)}; given up after {reply.at - began:.0f} s")
        yield Say(f"{told(ask, reply.answer)}; asked again in {wait_s:g} s")
        yield Pause(wait_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def accepted(ask: Ask, *, passing: Collection[str] = ()) -> Script[Response]:
    """The answer of a request that has to succeed. Raises SetupFailed."""
    response = yield from patiently(ask, passing=passing)
    if failure_of(response) is not None:
        raise SetupFailed(told(ask, response))
    return response


def carried_out(ask: Ask, *, passing: Collection[str] = ()) -> Script[None]:
    """A request that changes a resource has succeeded, and so has what went on after its answer. Raises SetupFailed.

    An operation that failed with a code that passes is asked for again.
    """
    began: float | None = None
    now = 0.0
    while True:
        response = yield from accepted(ask, passing=passing)
        state = adr.read_answer(response, ask.request.url)
        while isinstance(state, adr.Running):
            now = yield Pause(state.retry_after_s or POLL_EVERY_S)
            began = now if began is None else began
            if now > began + DONE_WITHIN_S:
                raise SetupFailed(f"{ask.what}: not done after {DONE_WITHIN_S:.0f} s")
            state = adr.read_poll((yield from _poll(ask, state)), state)
        if state is None:
            return
        if state.code not in passing or (began is not None and now > began + PATIENCE_S):
            raise SetupFailed(f"{ask.what}: {_words(ask, state)}")
        yield Say(f"{ask.what}: {_words(ask, state)}; asked for again in {LONGEST_PAUSE_S:g} s")
        yield Pause(LONGEST_PAUSE_S)


def read(address: arm.Address, what: str) -> Script[Fields | None]:
    """A resource as it is, None where there is none. Raises SetupFailed."""
    ask = Ask(arm.get(address), adr.token_scope(address.endpoint), what)
    response = yield from patiently(ask)
    if response.status == 404:
        return None
    if failure_of(response) is not None:
        raise SetupFailed(told(ask, response))
    return read_object(response.body)


def failure_of(answer: Response | Failure) -> Failure | None:
    """The failure that an answer tells, in the words of whichever service gave it; None for a 2xx."""
    if isinstance(answer, Failure):
        return answer
    try:
        is_provisioning = "errorCode" in read_object(answer.body).values
    except RemoteProtocolError:
        is_provisioning = False
    return dps_service.read_failure(answer) if is_provisioning else adr.read_failure(answer)


def told(ask: Ask, answer: Response | Failure) -> str:
    """What came of a request that failed, for people."""
    if isinstance(answer, Failure):
        return f"{ask.what}: {answer.code} ({answer.detail})"
    failure = failure_of(answer)
    return f"{ask.what}: {answer.status} {_words(ask, failure) if failure else ''}"


def _words(ask: Ask, failure: Failure) -> str:
    detail = "" if ask.is_secret or not failure.detail else f", {failure.detail}"
    return f"{failure.code}{detail}"


def _passes(answer: Response | Failure, failure: Failure | None, passing: Collection[str]) -> bool:
    if failure is None:
        return False
    if isinstance(answer, Failure):
        return answer.outcome is Outcome.NETWORK
    return answer.status in _PASSING_STATUSES or failure.code in passing


def _poll(ask: Ask, running: adr.Running) -> Script[Response]:
    """How an operation stands. Where the service leads away from itself our token does not follow."""
    there, here = Request("GET", running.url), ask.request
    if (there.scheme, there.host, there.port) != (here.scheme, here.host, here.port):
        raise SetupFailed(f"{ask.what}: the answer leads to another host, {there.host}")
    return (yield from patiently(Ask(there, ask.scope, ask.what, ask.is_secret)))
