"""What a measured process is asked to do, and what it answers: plain values, JSON on the way."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Server:
    """The far side. identities is a file of device certificates that it lets in; without one devices register."""

    host: str
    port: int
    ca_file: str
    id_scope: str
    group_key: str
    pid: int
    identities: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """load names one of `loads.LOADS`; the others are what it needs: see there. core None leaves the choice."""

    load: str
    server: Server
    devices: int
    per_s: float = 0.0
    for_s: float = 0.0
    idle_s: float = 0.0
    at_once: int = 64
    repeats: int = 1
    core: int | None = None
    sources: tuple[str, ...] = ()

    def encode(self) -> str:
        """As one JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> "Order":
        """The order that was encoded."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "server": Server(**fields["server"]), "sources": tuple(fields["sources"])})


@dataclass(frozen=True, slots=True)
class Figures:
    """count is how many of the load's main operation ended well within the wall_s and the cpu_s that are given.

    server_cpu_s is what the far side spent meanwhile. rss_kib is what one open device added. idle_ are the seconds in
    which nothing was due. late_ms are p50 and p99 of how late starts began. dropped counts starts that never were.
    lag_p99_ms is the worst interval's, from the batch's own health. slopes are what grows a minute and where it began,
    fitted to the last three quarters of a soak: rssKib and descriptors by the second, latenessP99Ms by the interval.
    """

    count: int
    cpu_s: float
    wall_s: float
    server_cpu_s: float
    dropped: int
    lag_p99_ms: float
    rss_kib: float = 0.0
    idle_cpu_s: float = 0.0
    idle_wall_s: float = 0.0
    late_ms: tuple[float, float] = (0.0, 0.0)
    slopes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
