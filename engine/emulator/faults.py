"""Misbehaviour to order: which share of what goes wrong, drawn from a seed.

`throttled`, `conflict`, `server`, `lost`, `dropped` and `unusable` happen to renewals. `dps.throttled` answers register
requests with 429. `adr.throttled` and `adr.server` answer any call of the device registry with 429, or with 503 and 504
in turn; `adr.failed` has a create, a patch or a delete accepted, and its operation end `Failed` with nothing changed.

A draw depends on the seed, the device and how many draws the device had before, and on nothing else: the same
requests of a device meet the same faults, whatever the other devices do and whenever they do it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.errors import Problem, SpecError

_DURATION = re.compile(r"(?P<value>[0-9]{1,9}(\.[0-9]{1,6})?)(?P<unit>ms|s|m|h)", re.ASCII)
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATIONS = {"issueDelay", "retryAfter"}


class Fault(StrEnum):
    """What can happen to one request; the values are the names in the document."""

    THROTTLED = "throttled"
    CONFLICT = "conflict"
    SERVER = "server"
    LOST = "lost"
    DROPPED = "dropped"
    UNUSABLE = "unusable"
    DPS_THROTTLED = "dps.throttled"
    ADR_THROTTLED = "adr.throttled"
    ADR_SERVER = "adr.server"
    ADR_FAILED = "adr.failed"


RENEWAL = (Fault.THROTTLED, Fault.CONFLICT, Fault.SERVER, Fault.LOST, Fault.DROPPED, Fault.UNUSABLE)
"""The faults of a renewal; at most one happens to each."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How often each fault happens, 0 to 1, and how long answers take.

    issue_delay_s is the time from a renewal's 202 to its 200. retry_after_s is what a 429 asks for.
    """

    shares: Mapping[Fault, float] = field(default_factory=dict)
    issue_delay_s: float = 0.15
    retry_after_s: int = 1

    def to_json(self) -> dict[str, object]:
        """The document that `parse_faults` reads, with every field."""
        shares = {fault.value: self.shares.get(fault, 0.0) for fault in Fault}
        return {"issueDelay": f"{self.issue_delay_s * 1000:g}ms", "retryAfter": f"{self.retry_after_s}s", **shares}


def parse_faults(text: str) -> Faults:
    """Faults from JSON: durations as strings, shares as numbers. Raises SpecError with every problem."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpecError([Problem("", f"the faults are not JSON: {type(error).__name__}")]) from error
    if not isinstance(document, dict):
        raise SpecError([Problem("", "the faults are not a JSON object")])
    problems = [problem for key, value in document.items() if (problem := _check(key, value))]
    if not problems and sum(document.get(fault, 0) for fault in RENEWAL) > 1 + 1e-9:
        problems.append(Problem("", "the shares of a renewal's faults are more than 1 together", " ".join(RENEWAL)))
    if problems:
        raise SpecError(problems)
    return Faults(
        {fault: float(document[fault]) for fault in Fault if fault in document},
        _seconds(document.get("issueDelay", "150ms")),
        max(1, round(_seconds(document.get("retryAfter", "1s")))),
    )


def _check(key: str, value: object) -> Problem | None:
    if key in _DURATIONS:
        if isinstance(value, str) and _DURATION.fullmatch(value):
            return None
        return Problem(f"/{key}", "not a duration", 'a string such as "150ms"')
    if key not in set(Fault):
        return Problem(f"/{key}", "unknown fault", ", ".join([*sorted(_DURATIONS), *Fault]))
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return None
    return Problem(f"/{key}", "not a share", "0 to 1")


def _seconds(text: str) -> float:
    found = _DURATION.fullmatch(text)
    return 0.0 if found is None else float(found["value"]) * _UNITS_S[found["unit"]]


class Dice:
    """Draws of every device, reproducible."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._draws: dict[str, int] = {}

    def renewal(self, faults: Faults, device: str) -> Fault | None:
        """The fault of the device's next renewal, None for none."""
        drawn = self._draw("renewal", device)
        for fault in RENEWAL:
            drawn -= faults.shares.get(fault, 0.0)
            if drawn < 0:
                return fault
        return None

    def happens(self, fault: Fault, faults: Faults, device: str) -> bool:
        """Whether a fault that stands alone happens to the device now."""
        return self._draw(fault, device) < faults.shares.get(fault, 0.0)

    def alternates(self, device: str) -> bool:
        """True and false in turn for one device, beginning with true."""
        return self._count(f"turn:{device}") % 2 == 0

    def _draw(self, what: str, device: str) -> float:
        """From 0 up to but not 1, evenly."""
        name = f"{what}:{device}"
        digest = hashlib.blake2b(f"{self._seed}:{self._count(name)}:{name}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64

    def _count(self, name: str) -> int:
        count = self._draws.get(name, 0)
        self._draws[name] = count + 1
        return count
