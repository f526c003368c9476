"""What the dry run of a large fleet costs, and what it says: a line for each size of batch, then one answer.

python tests/bench/bench_dry_run.py [devices]
"""

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from doubles.launcher import NotedLauncher
from doubles.means import make_means
from engine.adapters.memory import MemoryStore
from engine.plan.target import parse_targets
from engine.run.answers import Answer, Request, answer
from engine.run.api import post_run
from engine.run.means import Means

BUDGET_S = 2.0
SIZES = (500, 100, 2)


def ask(means: Means, devices: int, size: int) -> Answer:
    """POST /api/runs?dryRun=true: provisioning so many devices in batches of so many, ten at a time."""
    spec = {
        "scenario": "provision",
        "target": "staging",
        "devices": {"count": devices},
        "execution": {"batchSize": size},
        "limits": {"maxDuration": "30d"},
    }
    return answer(post_run, Request(body=json.dumps(spec).encode(), query={"dryRun": "true"}), means)


def on_a_server_for(devices: int) -> Means:
    """A server that may run so many, against one service of everything."""
    service = {"host": "dps.example", "idScope": "0ne00000000", "secret": "key"}
    profile = {"dps": [service], "hubs": ["hub.example"], "ceilings": {"devices": devices, "costUsd": 1_000}}
    targets = parse_targets(json.dumps({"staging": profile}), allowed_hosts=["*.example"])
    store = MemoryStore()
    return make_means(store, targets=targets, max_devices=devices, launcher=NotedLauncher(store))


def measure(means: Means, devices: int, size: int) -> dict[str, Any]:
    """Status, batches and waves of the answer, and the seconds of the first asking."""
    begun = perf_counter()
    found = ask(means, devices, size)
    taken_s = perf_counter() - begun
    told = json.loads(found.body)
    shown = {name: told["estimate"][name] for name in ("batches", "waves")} if found.status == 200 else told["limit"]
    return {"status": found.status, "batchSize": size, **shown, "seconds": round(taken_s, 6), "budget_s": BUDGET_S}


if __name__ == "__main__":
    devices = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    means = on_a_server_for(devices)
    for size in SIZES:
        print(json.dumps({"bench": "dry run", "devices": devices, **measure(means, devices, size)}))
    print(json.dumps(json.loads(ask(means, devices, SIZES[0]).body), indent=1, ensure_ascii=False))
