"""What happened, counted. The numbers are compared with those of the harness: each event counts exactly once."""

from collections.abc import Mapping

_SINGLE = (
    "dials",
    "opens",
    "connects",
    "subscribes",
    "telemetry",
    "telemetryBytes",
    "dropped",
    "takeovers",
    "undelivered",
    "wills",
    "revoked",
    "websockets",
    "http.get",
)
_GROUPED = (
    "tls.failed",
    "connacks",
    "hub.connects",
    "closes",
    "dps.register",
    "dps.poll",
    "dps.lookup",
    "cert",
    "twin",
    "adr",
)


class Stats:
    """Counters by name, and groups of counters by name and kind."""

    def __init__(self) -> None:
        self._single = dict.fromkeys(_SINGLE, 0)
        self._grouped: dict[str, dict[str, int]] = {name: {} for name in _GROUPED}

    def add(self, name: str, n: int = 1) -> None:
        """Count n events."""
        self._single[name] += n

    def add_to(self, group: str, kind: str | int) -> None:
        """Count one event of a kind in a group."""
        counts = self._grouped[group]
        counts[str(kind)] = counts.get(str(kind), 0) + 1

    def to_json(self) -> dict[str, int | Mapping[str, int]]:
        """Every counter, in the order they are declared; kinds that never happened are left out of their group."""
        return {**self._single, **{name: dict(sorted(counts.items())) for name, counts in self._grouped.items()}}
