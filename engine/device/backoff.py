"""How long before the next try: exponential, capped, with jitter, and never sooner than the service asked."""

import hashlib
from dataclasses import dataclass


def fraction(seed: int, *numbers: int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments: the same seed gives the same run."""
    words = b"".join(n.to_bytes(16, "big", signed=True) for n in (seed, *numbers))
    return int.from_bytes(hashlib.blake2b(words, digest_size=7).digest(), "big") / 2**56


@dataclass(frozen=True, slots=True)
class Backoff:
    """base_s doubles with every failed attempt up to max_s; jitter is the share that chance may take off."""

    base_s: float = 2.0
    max_s: float = 60.0
    jitter: float = 0.5
    honor_retry_after: bool = True

    def delay_s(self, attempt: int, *, chance: float, retry_after_s: float | None = None) -> float:
        """Seconds to wait after the failed attempt (1 = the first); chance in [0, 1) picks the jitter."""
        full = min(self.max_s, self.base_s * 2.0 ** min(attempt - 1, 60))
        delay = full * (1.0 - self.jitter * chance)
        if self.honor_retry_after and retry_after_s is not None:
            return max(delay, retry_after_s)
        return delay
