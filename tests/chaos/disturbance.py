"""What is done to a run, and when: the same for the same seed."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final


class Kind(StrEnum):
    """What happens to one process."""

    WORKER_KILLED = "worker-killed"
    WORKER_ENDED = "worker-ended"
    WORKER_FROZEN = "worker-frozen"
    HOST_KILLED = "host-killed"
    HOST_ENDED = "host-ended"
    STORAGE_ENDED = "storage-ended"


@dataclass(frozen=True, slots=True)
class Disturbance:
    """at is the share of the run's devices that are through when it happens, pick (0 to 1) chooses among workers.

    for_s is how many seconds a service is away, or a worker frozen.
    """

    kind: Kind
    at: float
    pick: float
    for_s: float


FIRST, LAST = 0.03, 0.65
"""Between these shares: the run has begun, and has enough to go that the last one is felt."""

CANCEL_FIRST, CANCEL_LAST = 0.2, 0.5
"""Between these shares a run is cancelled: some batches are whole, and some have not begun."""

AWAY_S: Final = 1.5
"""A service is away for at most so long before it is started again."""


def plan(seed: int, *, lease_s: float, takeover_s: float, more: int = 0) -> list[Disturbance]:
    """One of each kind in any order, then so many more of workers.

    A worker is frozen for longer than lease_s: half of the time too short for anybody to take its batch over, which
    is possible after takeover_s, and half of the time for longer than that.
    """
    random = Random(seed)
    kinds = list(Kind)
    random.shuffle(kinds)
    kinds += random.choices([Kind.WORKER_KILLED, Kind.WORKER_ENDED, Kind.WORKER_FROZEN], k=more)
    places = sorted(random.uniform(FIRST, LAST) for _ in kinds)
    return [
        Disturbance(kind, at, random.random(), _length_s(random, kind, lease_s=lease_s, takeover_s=takeover_s))
        for kind, at in zip(kinds, places, strict=True)
    ]


def cancel_at(seed: int) -> float:
    """The share of its batches at which the run of a seed is cancelled, to be resumed."""
    return Random(-seed).uniform(CANCEL_FIRST, CANCEL_LAST)


def _length_s(random: Random, kind: Kind, *, lease_s: float, takeover_s: float) -> float:
    if kind is not Kind.WORKER_FROZEN:
        return random.uniform(0.0, AWAY_S)
    if random.random() < 0.5:
        return random.uniform(lease_s + 0.5, takeover_s)
    return random.uniform(takeover_s, takeover_s + lease_s)
