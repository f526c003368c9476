"""What can go wrong: errors we raise, and failures we count.

An exception means that we refuse, or that something is broken. A device that fails is data: a `Failure`
with one of the outcomes below, each of which blames someone, because the first question about a load test
is whose fault a number is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Blame(StrEnum):
    """Whose fault an outcome is."""

    NOBODY = "nobody"
    SERVICE = "service"
    NETWORK = "network"
    HARNESS = "harness"


class Outcome(StrEnum):
    """How an operation ended: a closed list, stable for ever."""

    OK = "ok"
    THROTTLED = "throttled"
    CONFLICT = "conflict"
    PRECONDITION = "precondition"
    SERVER = "server"
    UNUSABLE = "unusable"
    PROTOCOL = "protocol"
    LATE = "late"
    LOST = "lost"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not-found"
    BAD_REQUEST = "bad-request"
    TIMEOUT = "timeout"
    TLS = "tls"
    NETWORK = "network"
    DISCONNECTED = "disconnected"
    DROPPED = "dropped"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


BLAMES: Mapping[Outcome, Blame] = {
    Outcome.OK: Blame.NOBODY,
    Outcome.THROTTLED: Blame.SERVICE,
    Outcome.CONFLICT: Blame.SERVICE,
    Outcome.PRECONDITION: Blame.SERVICE,
    Outcome.SERVER: Blame.SERVICE,
    Outcome.UNUSABLE: Blame.SERVICE,
    Outcome.PROTOCOL: Blame.SERVICE,
    Outcome.LATE: Blame.SERVICE,
    Outcome.LOST: Blame.SERVICE,
    Outcome.UNAUTHORIZED: Blame.SERVICE,
    Outcome.NOT_FOUND: Blame.SERVICE,
    Outcome.BAD_REQUEST: Blame.HARNESS,
    Outcome.TIMEOUT: Blame.NETWORK,
    Outcome.TLS: Blame.NETWORK,
    Outcome.NETWORK: Blame.NETWORK,
    Outcome.DISCONNECTED: Blame.NETWORK,
    Outcome.DROPPED: Blame.HARNESS,
    Outcome.BLOCKED: Blame.HARNESS,
    Outcome.CANCELLED: Blame.HARNESS,
    Outcome.INTERNAL: Blame.HARNESS,
}

RETRIED = frozenset(
    {Outcome.THROTTLED, Outcome.SERVER, Outcome.TIMEOUT, Outcome.TLS, Outcome.NETWORK, Outcome.DISCONNECTED}
)
"""Outcomes after which another attempt can help (product rule 7); all others are final at once."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not end `ok`.

    code is the service's own number or word ("429002", "connack 5", "alert 45"), "" when it named none.
    detail is one line for people and never holds a key, a token or a certificate.
    retry_after_s is what the service asked for, None when it asked for nothing.
    """

    outcome: Outcome
    code: str = ""
    detail: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document; path is a JSON pointer, allowed says what would have been right."""

    path: str
    message: str
    allowed: str = ""


class HarnessError(Exception):
    """The root of every error that is ours."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False


class SpecError(HarnessError):
    """A spec or target document that cannot be accepted; `problems` holds every reason at once."""

    code = "spec-invalid"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{p.path or '/'}: {p.message}" for p in problems))
        self.problems = tuple(problems)


class SpecTooLarge(HarnessError):
    """A body over the limit; nothing of it was parsed."""

    code = "too-large"

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"the body has {size_bytes} bytes, at most {limit_bytes} are accepted")
        self.size_bytes, self.limit_bytes = size_bytes, limit_bytes


class SettingsError(HarnessError):
    """Settings that are missing or wrong; `problems` maps every such variable to what is wrong with it."""

    code = "settings-invalid"

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in problems.items()))
        self.problems = dict(problems)


class RunRefused(HarnessError):
    """A valid spec that must not run here: names the limit in the way, its value, what was needed, and who set it.

    reason is the stable code of the answer: "over-quota", "over-budget", "blocked" (422),
    "overlap", "key-reused", "in-use" (409), "too-many-runs" (429).
    """

    code = "refused"

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        limit: str = "",
        value: str = "",
        need: str = "",
        unit: str = "",
        source: str = "",
    ) -> None:
        super().__init__(message)
        self.reason, self.limit, self.value, self.need = reason, limit, value, need
        self.unit, self.source = unit, source


class Unauthorized(HarnessError):
    """A request from nobody that is known."""

    code = "unauthorized"


class Forbidden(HarnessError):
    """A request from somebody who may not make it."""

    code = "forbidden"


class IllegalMove(HarnessError):
    """The run's table of moves has no entry for this event in this state."""

    code = "illegal-move"

    def __init__(self, stage: str, event: str) -> None:
        super().__init__(f"a run that is {stage} cannot take {event}")
        self.stage, self.event = stage, event


class ClaimLost(HarnessError):
    """Someone newer owns the batch: stop driving, stop writing."""

    code = "claim-lost"

    def __init__(self, batch: str, holder: str) -> None:
        super().__init__(f"{batch} is held by {holder}")
        self.batch, self.holder = batch, holder


class ProtocolError(HarnessError):
    """Never raised itself."""

    code = "protocol"


class LocalProtocolError(ProtocolError):
    """We were about to break the protocol: a bug of ours."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol; a session turns it into a Failure."""


class StoreError(HarnessError):
    """A store refused or could not do what was asked of `key`."""

    code = "store"

    def __init__(self, key: str, detail: str = "") -> None:
        super().__init__(f"{key}: {detail}" if detail else key)
        self.key, self.detail = key, detail


class NotFound(StoreError):
    """There is nothing under the key."""

    code = "not-found"


class AlreadyExists(StoreError):
    """There is something under the key, and only a first write was asked for."""

    code = "already-exists"


class VersionConflict(StoreError):
    """What the key holds is not the version that was to be replaced."""

    code = "version-conflict"


class StoreUnavailable(StoreError):
    """The store could not be reached or could not write; trying again later can help."""

    code = "store-unavailable"
    retryable = True


class LaunchError(HarnessError):
    """A process or job for a batch could not be started."""

    code = "launch"

    def __init__(self, batch: str, detail: str) -> None:
        super().__init__(f"{batch}: {detail}")
        self.batch, self.detail = batch, detail
