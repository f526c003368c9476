"""Quotas, and the token buckets that hold devices to them.

As JSON: `dps.registrations`, `certificates` and `adr.requests` a minute, `hub.connects` a second.
"""

import json
from dataclasses import dataclass

from engine.errors import Problem, SpecError


class Bucket:
    """Lets per_s events a second through, and burst of them at once after a rest.

    Source: article "IoT Hub quotas and throttling", traffic shaping. The queue that the service keeps before it
    rejects is not modelled: what does not fit is refused at once.
    """

    def __init__(self, per_s: float, burst: float) -> None:
        self.per_s, self.burst = per_s, burst
        self._tokens = burst
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Whether one more event fits at now; if so it is counted."""
        if self._at is not None:
            self._tokens = min(self.burst, self._tokens + max(0.0, now - self._at) * self.per_s)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    @property
    def wait_s(self) -> int:
        """Whole seconds after which one event fits, at least 1: what a refusal tells the device."""
        return max(1, -int(-(1.0 - self._tokens) // self.per_s))


@dataclass(frozen=True, slots=True)
class Quotas:
    """Events a second that are let through, None for all."""

    dps_registers_per_s: float | None = None
    hub_connects_per_s: float | None = None
    certificates_per_s: float | None = None
    adr_requests_per_s: float | None = None


def parse_quotas(text: str) -> Quotas:
    """Quotas from JSON, in the units the services use. Raises SpecError with every problem."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpecError([Problem("", f"the quotas are not JSON: {type(error).__name__}")]) from error
    if not isinstance(document, dict):
        raise SpecError([Problem("", "the quotas are not a JSON object")])
    problems = [problem for key, value in document.items() if (problem := _check(key, value))]
    if problems:
        raise SpecError(problems)
    per_s = {key: float(document[key]) / unit_s for key, unit_s in _UNITS_S.items() if key in document}
    return Quotas(
        per_s.get("dps.registrations"), per_s.get("hub.connects"), per_s.get("certificates"), per_s.get("adr.requests")
    )


def bucket_of(per_s: float | None) -> Bucket | None:
    """A bucket that starts full with what one second lets through, None for no limit."""
    return None if per_s is None else Bucket(per_s, max(1.0, per_s))


_UNITS_S = {"dps.registrations": 60.0, "hub.connects": 1.0, "certificates": 60.0, "adr.requests": 60.0}


def _check(key: str, value: object) -> Problem | None:
    if key not in _UNITS_S:
        return Problem(f"/{key}", "unknown quota", ", ".join(_UNITS_S))
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1e9:
        return None
    return Problem(f"/{key}", "not a quota", "above 0, at most 10^9")
