"""Secrets that sing when they are seen: runs of the whole product, and a search through everything they leave.

One station onboards its devices by an enrollment group's key, the other by certificates that its CA signs. Both are
used as people use them, by the command line and by HTTP, with an emulator that misbehaves, activities and workers.
"""

import base64
import json
import re
import runpy
import stat
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient

from doubles.canary import files, forms, places, rows
from engine.cli.client import Api
from engine.cli.environment import connection_string
from engine.device import bundle as bundles
from engine.emulator.vault import Vault, open_vault
from engine.protocol import adr, issuing, sas, x509
from tests.e2e.commanding import ROOT, Command, Commands, open_commands

GROUP_KEY = b"canary-group-key-that-sings-when-it-is-seen-anywhere"
STATE_KEY = b"canary-wrapping-key-".ljust(64, b"!")
HOLDERS = ("state/emulator/secrets.json", "state/state.key")
"""The only files that may hold a secret, and that nobody but their owner may read."""

FAULTS = {"throttled": 0.2, "conflict": 0.1, "unusable": 0.2, "dropped": 0.2, "server": 0.1, "adr.throttled": 0.2}
PATIENCE_S = 120.0
COMMON: dict[str, Any] = {
    "load": {"rampUp": "1s", "gracefulStop": "5s"},
    "retries": {"backoff": {"base": "100ms", "max": "200ms"}},
}
LIFECYCLE = {
    **COMMON,
    "scenario": "cert-lifecycle",
    "name": "by-activities",
    "devices": {"count": 8, "prefix": "canary-"},
    "connection": {"hold": "0s"},
    "telemetry": {"messages": 1},
    "timeouts": {"certificate": "2s"},
    "execution": {"batchSize": 4},
}
BY_WORKERS = {**LIFECYCLE, "name": "by-workers", "execution": {"runner": "job", "batchSize": 4}}
BY_DPS = {
    **COMMON,
    "scenario": "cert-renewal",
    "devices": {"count": 4, "prefix": "canary-"},
    "certificate": {"path": "dps", "reuseKey": False},
    "load": {"executor": "once", "rampUp": "1s", "gracefulStop": "5s"},
    "timeouts": {"certificate": "2s"},
}
REGISTRY = {
    "scenario": "adr-get-patch",
    "devices": {"count": 4, "prefix": "canary-"},
    "load": {"duration": "4s", "rampUp": "1s", "pacing": {"interval": "1s"}, "gracefulStop": "5s"},
}
HISTORY = "showInput=true&showHistory=true&showHistoryOutput=true"


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a station's runs, by where; the secrets that it had; and the files that may hold some."""

    remains: Mapping[str, bytes]
    secrets: Mapping[str, bytes]
    holders: Mapping[str, bytes]
    modes: Mapping[str, int]


@pytest.fixture(scope="module", params=["symmetric-key-group", "x509"])
def left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    """What a station leaves whose devices prove themselves so."""
    folder = tmp_path_factory.mktemp("canary")
    vault = planted(folder / "state")
    with open_commands(folder) as commands:
        yield carried_out(commands, vault, str(request.param))


def planted(state: Path) -> Vault:
    """A state directory whose keys are ours, as a station of before would have left it."""
    vault = open_vault(state / "emulator", time.time())
    secrets = state / "emulator" / "secrets.json"
    held = json.loads(secrets.read_text()) | {"groupKey": base64.b64encode(GROUP_KEY).decode()}
    secrets.write_text(json.dumps(held))
    key = state / "state.key"
    key.touch(mode=0o600)
    key.write_bytes(base64.b64encode(STATE_KEY))
    return vault


def carried_out(commands: Commands, vault: Vault, attestation: str) -> Left:
    """Runs of every kind, one after the other, and then a look everywhere."""
    folder = commands.folder
    spec = folder / "spec.json"
    spec.write_text(json.dumps(LIFECYCLE))
    options = ["--dir", str(folder / "state"), "--out", str(folder / "out"), "--keep-up", "--json"]
    options += ["--attestation", attestation, "--faults", json.dumps(FAULTS)]
    environ = {"CLAIM_LEASE": "5s", "SSLKEYLOGFILE": str(folder / "tls.keys"), "TMPDIR": str(folder / "tmp")}
    (folder / "tmp").mkdir()
    command = commands.start([sys.executable, "-m", "engine", "run", "--spec", str(spec), *options], ROOT, **environ)
    command.comes_to_say("everything stays up", within_s=PATIENCE_S)
    told = command.stderr.read_text()
    host = re.search(r"(http://127\.0\.0\.1:\d+)/api/runs", told)
    storage = re.search(r"http://127\.0\.0\.1:(\d+) \(Azurite\)", told)
    assert host is not None, told
    assert storage is not None, told
    url = host[1]
    runs = [str(run["runId"]) for run in json.loads(asked(f"{url}/api/runs"))["runs"]]
    runs += [finished(Api(url), wanted) for wanted in (BY_WORKERS, BY_DPS, REGISTRY)]
    remains = {"a refusal": refused(url), "command lines": "\n".join(commands.left()).encode()}
    remains |= answers(url, runs) | histories(url) | blobs(int(storage[1]))
    secrets = secrets_of(vault, remains)
    remains["stdout"] = stopped(command)
    remains |= {f"file {name}": body for name, body in files(folder).items()} | rows(folder / "state" / "host.db")
    holders = {name: remains.pop(f"file {name}") for name in HOLDERS}
    modes = {name: stat.S_IMODE((folder / name).stat().st_mode) for name in HOLDERS}
    return Left(remains, secrets, holders, modes)


def stopped(command: Command) -> bytes:
    """What it printed, once it was interrupted."""
    command.interrupt()
    return command.end()[1]


def finished(api: Api, spec: Mapping[str, Any]) -> str:
    """The id of a run of this spec that is over."""
    run_id = str(api.post_run(json.dumps(spec).encode(), None)["runId"])
    give_up = time.monotonic() + PATIENCE_S
    while api.look(run_id)["state"] != "finished":
        assert time.monotonic() < give_up, api.look(run_id)
        time.sleep(0.2)
    return run_id


def asked(url: str, body: bytes | None = None) -> bytes:
    """What is answered, whatever the status."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, body), timeout=30) as found:
            return bytes(found.read())
    except urllib.error.HTTPError as refusal:
        return refusal.read()


def refused(url: str) -> bytes:
    """The answer to somebody who put the keys into a spec."""
    key = base64.b64encode(GROUP_KEY).decode()
    spec = {**LIFECYCLE, "description": f"SharedAccessKey={key}", "sasKey": key, "randomSeed": key, "name": key}
    body = asked(f"{url}/api/runs", json.dumps(spec).encode())
    assert json.loads(body)["code"] == "spec-invalid"
    return body


def answers(url: str, runs: list[str]) -> dict[str, bytes]:
    """What every GET of the API answers, for every run."""
    functions = [one.get_trigger() for one in runpy.run_path(str(ROOT / "function_app.py"))["app"].get_functions()]
    routes = [
        str(one.route)
        for one in functions
        if one.get_binding_name() == "httpTrigger" and "GET" in {method.value for method in one.methods}
    ]
    assert len(routes) >= 6
    paths = {route.format(id=run_id, name="none") + f"?to={runs[0]}" for route in routes for run_id in runs}
    return {f"GET {path}": asked(f"{url}/api/{path}") for path in sorted(paths)}


def histories(url: str) -> dict[str, bytes]:
    """What the host says of itself and of every orchestration, the ones within others too."""
    hook = f"{url}/runtime/webhooks/durabletask/instances"
    whole = asked(f"{hook}?showInput=true")
    ids = [one["instanceId"] for one in json.loads(whole)]
    found = {f"history of {each}": asked(f"{hook}/{each}?{HISTORY}") for each in ids}
    return {"instances": whole, "admin": asked(f"{url}/admin/host/status"), **found}


def blobs(port: int) -> dict[str, bytes]:
    """Every blob of every container."""
    with BlobServiceClient.from_connection_string(connection_string(port)) as service:
        containers = [service.get_container_client(found.name) for found in service.list_containers()]
        return {
            f"blob {container.container_name}/{name}": container.download_blob(name).readall()
            for container in containers
            for name in container.list_blob_names()
        }


def secrets_of(vault: Vault, remains: Mapping[str, bytes]) -> dict[str, bytes]:
    """The keys that were planted, and all that follows from them or was made under way."""
    onboarding = x509.key_to_der(vault.onboarding.key)
    pem = base64.b64encode(issuing.authority_pem(vault.onboarding))
    found = {"group key": GROUP_KEY, "state key": STATE_KEY, "onboarding CA": onboarding, "its PEM": pem[40:80]}
    found |= {"its number": onboarding[36:68], "registry token": adr.local_token(GROUP_KEY).encode()}
    found |= {f"derived key {n}": sas.derive_key(GROUP_KEY, f"canary-{n}") for n in range(24)}
    for name, device in devices_of(remains).items():
        found |= {f"key of {name}": device.key, f"number of {name}": device.key[36:68]}
    return found


def devices_of(remains: Mapping[str, bytes]) -> dict[str, bundles.Bundle]:
    """The devices that the runs left, unsealed."""
    bodies = [bundles.decode(body) for name, body in remains.items() if name.startswith("blob scale/data/")]
    wrapping = bundles.WrappingKey(STATE_KEY)
    return {name: bundles.from_record(kept, wrapping) for name, kept in bundles.newest(bodies).items()}


def test_runs_left_something_to_search(left: Left) -> None:
    """Devices with keys, failures with details, histories, logs of host and workers: else nothing would be proven."""
    remains = left.remains
    assert sum(name.startswith("number of") for name in left.secrets) >= 4
    summaries = [json.loads(body) for name, body in remains.items() if name.endswith("/summary.json")]
    assert any(one["failures"] for one in summaries)
    assert any(batch["token"] for one in summaries for batch in one["batches"])
    assert any(name.startswith("history of") and b"run_batch" in body for name, body in remains.items())
    for log in ("host", "emulator", "azurite", "workers"):
        assert f"file state/logs/{log}.log" in remains
    assert b"by-workers" in b"".join(body for name, body in remains.items() if name.startswith("GET runs"))
    assert json.loads(remains["stdout"])["verdict"]
    assert b"run_batch" in b"".join(body for name, body in remains.items() if name.startswith("host.db"))


def test_no_secret_is_left_anywhere(left: Left) -> None:
    """No key, token or private number, in no form and however packed."""
    assert places(left.remains, left.secrets) == set()


def test_tls_keys_are_not_logged(left: Left) -> None:
    """Also where the environment asks for it."""
    assert b"CLIENT_" not in left.remains.get("file tls.keys", b"")


def test_files_that_hold_secrets_are_their_owners_alone(left: Left) -> None:
    """They do hold them, so the search would have found them."""
    assert set(left.modes.values()) == {0o600}
    found = places(left.holders, left.secrets)
    assert {(HOLDERS[0], "group key"), (HOLDERS[0], "onboarding CA"), (HOLDERS[1], "state key")} <= found


@pytest.mark.parametrize(
    "pack", [bytes, lambda body: base64.b64encode(b"x" + body), lambda body: b"a" + body.hex().encode()]
)
def test_search_finds_what_is_there(left: Left, pack: Any) -> None:
    """Each of these secrets, had it been written down somewhere."""
    for name, secret in left.secrets.items():
        body = b"a line of a log\n" + pack(secret) + b"\nanother"
        assert ("log", name) in places({"log": body}, {name: secret}), name
        assert all(("log", name) in places({"log": form}, {name: secret}) for form in forms(secret))
