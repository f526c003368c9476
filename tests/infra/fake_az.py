"""`az` for tests: writes down what it is asked, and answers from a file of deployments, secrets and groups."""

import json
import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

OUTPUTS = {
    "AZURE_LOCATION": "westeurope",
    "AZURE_RESOURCE_GROUP": "rg-dev",
    "AZURE_CONTAINER_REGISTRY_ENDPOINT": "crx.example",
    "AZURE_KEY_VAULT_URI": "https://kv-x.example/",
    "SERVICE_ORCHESTRATOR_NAME": "func-x",
    "BATCH_JOB": "/subscriptions/s/jobs/job-x",
    "CERTFLEET_URL": "https://func-x.example",
    "FUNCTION_PRINCIPAL_ID": "f-id",
    "WORKER_PRINCIPAL_ID": "w-id",
    "certificateModel": "certificateAuthority",
}


def answer(words: list[str], known: dict[str, Any]) -> str:
    """What it prints. known is changed by what is asked."""
    options = dict(pairwise(words))
    match words:
        case ["account", "show", *_]:
            if not known["loggedIn"]:
                sys.exit(1)
        case ["ad", *_]:
            return "me"
        case ["deployment", "sub", "show", *_]:
            if options["--name"] not in known["deployed"]:
                sys.exit(3)
            name = options["--query"].removeprefix("properties.outputs").strip(".").removesuffix(".value")
            return OUTPUTS[name] if name else json.dumps(OUTPUTS)
        case ["deployment", "sub", "create", *_]:
            known["deployed"].append(options["--name"])
            image = [word.partition("=")[2] for word in words if word.startswith("workerImage=")]
            known["image"] = image[0] if image else known["image"]
        case ["keyvault", *_]:
            return "state-key"
        case ["resource", "show", *_]:
            return str(known["image"])
        case ["role", "definition", "list", *_]:
            return "role-id"
        case ["group", "exists", *_]:
            return str(options["--name"] in known["groups"]).lower()
        case ["group", "delete", *_]:
            known["groups"].remove(options["--name"])
    return ""


def main() -> None:
    """One call of it."""
    state = Path(os.environ["FAKE_AZ"])
    known = json.loads(state.read_text())
    known["calls"].append(sys.argv[1:])
    state.write_text(json.dumps(known))
    found = answer(sys.argv[1:], known)
    state.write_text(json.dumps(known))
    if found:
        print(found)


if __name__ == "__main__":
    main()
