"""What the settings of the app and of the job must say, so that runs find the target."""

import json
from typing import Any

from engine.cli.target.story import Ready
from engine.cli.target.wanted import Wanted
from engine.plan.target import parse_targets


def profile(wanted: Wanted, ready: Ready) -> dict[str, Any]:
    """The value of TARGETS: one profile under its name. It names the secret, it does not hold it."""
    dps = {
        "host": ready.device_host,
        "idScope": ready.id_scope,
        "secret": wanted.secret_name,
        "serviceHost": ready.service_host,
    }
    made: dict[str, Any] = {"dps": [dps], "hubs": list(ready.hub_hosts)}
    if wanted.namespace is not None:
        place = {"subscription": wanted.namespace.subscription, "resourceGroup": wanted.namespace.group}
        made["adr"] = {**place, "namespace": wanted.namespace.name, "location": ready.location}
    return {wanted.profile: made}


def hosts(ready: Ready) -> list[str]:
    """The hosts of ALLOWED_HOSTS, each once, in the profile's order."""
    return list(dict.fromkeys((ready.device_host, ready.service_host, *ready.hub_hosts)))


def settings(wanted: Wanted, ready: Ready) -> dict[str, str]:
    """Both settings as text, as the app reads them. Raises SpecError where the app would refuse them."""
    targets = json.dumps(profile(wanted, ready), separators=(",", ":"))
    parse_targets(targets, allowed_hosts=hosts(ready))
    return {"TARGETS": targets, "ALLOWED_HOSTS": ",".join(hosts(ready))}
