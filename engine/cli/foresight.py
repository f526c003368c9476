"""What a run on this machine would come to, told without starting anything: the server's own arithmetic.

The profiles are those that `run` would give its host, with stand-ins for what only running services know: the
emulator's ports and keys, neither of which an estimate looks at.
"""

import base64
import json
from collections.abc import Mapping
from typing import Final

from engine.cli.asking import Asking
from engine.cli.environment import OTHER_STORES, emulator_facts
from engine.plan.document import Json
from engine.plan.estimate import estimate
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.runner import settled
from engine.settings import STATE_KEY_BYTES, Settings

SEED: Final = 0
"""A run draws its own; no number of an estimate depends on it."""

_STAND_IN: Final = {"host": "localhost", "port": 8883, "idScope": "0ne00000000", "hubs": ["localhost"]}
_KEY: Final = base64.b64encode(bytes(STATE_KEY_BYTES)).decode()


def foresee(asked: Asking, environ: Mapping[str, str], *, now: float) -> Json:
    """The answer of a dry run; now is wall seconds. Raises SettingsError, SpecError, SpecTooLarge, RunRefused."""
    from engine.wiring import make_targets  # it brings the Azure libraries, which few commands need

    settings = Settings.from_env(_environment(asked, environ))
    targets, body = make_targets(settings), json.dumps(asked.spec).encode()
    spec = parse_spec(body, profiles=targets, max_devices=settings.max_devices, seed=SEED, now=now)
    found = estimate(settled(spec, has_jobs=True), targets.by_name[spec.target])
    echo = {name: value for name, value in spec.echo().items() if name != "randomSeed" or name in asked.spec}
    return {"spec": echo, "estimate": found.to_json()}


def _environment(asked: Asking, environ: Mapping[str, str]) -> dict[str, str]:
    emulator = {
        "LOCAL_EMULATOR": emulator_facts(_STAND_IN, {}),
        "LOCAL_GROUP_KEY": _KEY,
        "LOCAL_ONBOARDING_CA": "",
    }
    ours = {
        "STATE_KEY": _KEY,
        "STATE_KEY_OLD": "",
        "STORAGE_CONN_STR": "",
        **dict.fromkeys(OTHER_STORES, ""),
        "LOCAL_STORE": ".",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "BATCH_JOB": "",
        **(emulator if asked.with_emulator else dict.fromkeys(emulator, "")),
    }
    return {**environ, **ours}
