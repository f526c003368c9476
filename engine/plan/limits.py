"""What the services, the hosting and our own processes can take, as far as anybody published it.

None of the figures was confirmed since the date that stands beside it; a target profile's `quotas` override them.
A value of None is not published: the profile may say what the service tells its owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit; value is in `unit`, and of one service, hub, namespace, account or address each."""

    name: str
    value: float | None
    unit: str
    source: str
    date: str
    adjustable: bool


_DPS = "Azure docs, DPS limits"
_HUB = "IoT Hub quotas and throttling"
_PREVIEW = "device SDK previews"
_JOBS = "Container Apps jobs"
_GENERAL = "general knowledge"

_ROWS: Final = (
    Limit("dps.registrations", 1_000, "1/min", _DPS, "2024-03", adjustable=True),
    Limit("dps.operations", 1_000, "1/min", _DPS, "2024-03", adjustable=True),
    Limit("dps.polls", 5, "1/10s per device", _DPS, "2024-03", adjustable=False),
    Limit("dps.stored", 1_000_000, "devices", _DPS, "2024-03", adjustable=False),
    Limit("hub.connects", 100, "1/s", f"{_HUB}, S1 with one unit", "2019", adjustable=True),
    Limit("hub.messages", 100, "1/s", f"{_HUB}, S1 with one unit", "2019", adjustable=True),
    Limit("hub.messagesPerDay", 400_000, "1/day", "IoT Hub limits, S1 with one unit", "2018", adjustable=True),
    Limit("hub.devices", 1_000_000, "devices", "IoT Hub limits", "2018", adjustable=False),
    Limit("cert.issue", None, "1/min", f"{_PREVIEW}, not published", "2026", adjustable=True),
    Limit("cert.pending", 1, "requests per device", _PREVIEW, "2026", adjustable=False),
    Limit("cert.csr", 8, "KB per request", _PREVIEW, "2026", adjustable=False),
    Limit(
        "cert.validity", 90, "days at most, 1 or 7 at least", "overview and renewal article", "2025-11", adjustable=True
    ),
    Limit("adr.devices", 10_000, "devices", "registry best practices", "undated", adjustable=True),
    Limit("aca.cores", 100, "vCPU", "Container Apps quotas", "undated", adjustable=True),
    Limit("aca.replica", 4, "vCPU per replica", "Container Apps quotas", "undated", adjustable=False),
    Limit("aca.timeout", 1_800, "s per replica", f"{_JOBS}, unless the job sets it", "2023-04", adjustable=True),
    Limit(
        "aca.parallelism",
        None,
        "replicas",
        f"{_JOBS}, not published; azure-container-apps 1216",
        "2023-04",
        adjustable=False,
    ),
    Limit("functions.flex", 1_000, "instances", "Functions limits", "2025-02", adjustable=False),
    Limit("functions.memory", 512_000, "MB per region", _GENERAL, "2025", adjustable=True),
    Limit("durable.actions", 500, "1/s", "Durable Task Scheduler, consumption", "2025", adjustable=True),
    Limit("durable.status", 16, "KB", "Durable Task Scheduler", "2025", adjustable=False),
    Limit("storage.requests", 20_000, "1/s", _GENERAL, "undated", adjustable=True),
    Limit("storage.message", 64, "KB", "issue artillery 3503", "undated", adjustable=False),
    Limit("net.ports", 64_000, "connections per address", "emqtt-bench README", "undated", adjustable=False),
    Limit("insights.events", 32_000, "1/s", _GENERAL, "undated", adjustable=True),
)

LIMITS: Mapping[str, Limit] = {limit.name: limit for limit in _ROWS}
"""Every limit by name, one row each."""

WINDOWS_S: Mapping[str, float] = {"1/s": 1.0, "1/min": 60.0, "1/day": 86_400.0}
"""The seconds over which a limit on a rate counts, by its unit."""

DEVICES_PER_CORE: Final = 2_500
"""Connected devices that one vCPU with 2 GiB carries: our assumption until the benchmark says otherwise."""

GIB_PER_CORE: Final = 2.0
MB_PER_GIB: Final = 1_024

ACTIONS_PER_BATCH: Final = 2
"""What a batch asks of the orchestrator's store: to be begun, and to be over."""

STORE_REQUESTS_PER_S: Final = 2.0
"""What a batch asks of the store a second beside keeping devices: the run's state each second, and now and then its
claim, progress and checkpoint, rounded up."""

SAVES_PER_S: Final = 50.0
"""How often a batch keeps devices at most: what piles up for 20 ms is kept together."""

JOB_CORE_USD_PER_S: Final = 0.000024
JOB_GIB_USD_PER_S: Final = 0.000003
FLEX_GIB_USD_PER_S: Final = 0.000026
"""Prices: Container Apps per vCPU-second and GiB-second, Flex Consumption per GB-second; list prices, undated."""
