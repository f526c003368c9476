"""What the services on one machine are told by their environment."""

import json
from collections.abc import Mapping
from typing import Any, Final

CONCURRENCY: Final = "AzureFunctionsJobHost__extensions__durableTask__maxConcurrentActivityFunctions"
BATCHES_AT_ONCE: Final = 16
"""The batches of a run drive their devices at the same time; host.json is sized for an instance in Azure."""

ACCOUNT: Final = "devstoreaccount1"
ACCOUNT_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The well-known account that every Azurite has; no secret. Source: Azurite README, "Default Storage Account"."""

OTHER_STORES: Final = ("STORAGE_ACCOUNT_URL", "LOCAL_STORE")
"""Places of state besides Azurite; empty ones also keep local.settings.json from naming one."""

TELEMETRY: Final = "APPLICATIONINSIGHTS_CONNECTION_STRING"
TELEMETRY_IDENTITY: Final = "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"

_LOOPBACK: Final = "127.0.0.1,localhost"


def connection_string(blob_port: int) -> str:
    """What a client of Azurite's blobs needs."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint=http://127.0.0.1:{blob_port}/{ACCOUNT};"
    )


_FACTS: Final = ("host", "port", "idScope", "hubs", "caFile", "control")


def emulator_facts(ready: Mapping[str, Any], chosen: Mapping[str, Any]) -> str:
    """The profile `local` as the server reads it, from the emulator's ready line and what was chosen besides:
    faults, and transport and attestation of its DPS; of these, what is empty is left out."""
    facts = {name: ready[name] for name in _FACTS if ready.get(name)}
    return json.dumps({**facts, **{name: value for name, value in chosen.items() if value}})


def host_environment(
    environ: Mapping[str, str],
    *,
    storage: str,
    state_key: str,
    emulator: Mapping[str, str],
    logs: str,
    telemetry: str = "",
) -> dict[str, str]:
    """The host's environment: the caller's, with what has to be so on one machine.

    The caller's STATE_KEY stays. emulator is empty, or LOCAL_EMULATOR, LOCAL_GROUP_KEY and
    LOCAL_ONBOARDING_CA. logs is the folder of messages, those of workers included. telemetry is the connection string
    of this machine's ingestion, which no token goes to, "" where the caller's is to stay.
    """
    given = {**environ, **_without_proxy(environ)}
    ours = {
        "STATE_KEY": given.get("STATE_KEY") or state_key,
        "STORAGE_CONN_STR": storage,
        **dict.fromkeys(OTHER_STORES, ""),
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "LOCAL_WORKERS": logs,
        "BATCH_JOB": "",
        CONCURRENCY: given.get(CONCURRENCY) or str(BATCHES_AT_ONCE),
        **dict.fromkeys(("LOCAL_EMULATOR", "LOCAL_GROUP_KEY", "LOCAL_ONBOARDING_CA"), ""),
        **emulator,
        **({TELEMETRY: telemetry, TELEMETRY_IDENTITY: ""} if telemetry else {}),
    }
    return {**given, **ours}


def _without_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """No proxy for loopback, where there is a proxy at all."""
    if not any(name.lower().endswith("_proxy") and name.lower() != "no_proxy" for name in environ):
        return {}
    beside = [environ[name] for name in ("no_proxy", "NO_PROXY") if environ.get(name)][:1]
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join([*beside, _LOOPBACK]))
