"""What is wrong around a run ends it with a verdict that names it, never with a traceback."""

import json
import os
import signal
import socket
from base64 import b64encode
from pathlib import Path
from typing import Any

from doubles.stage import Stage, counts_of, emulator_counted, open_stage

ONCE = {"executor": "once", "rampUp": "1s", "gracefulStop": "5s"}
IMPATIENT = {"register": 1, "connect": 1, "backoff": {"base": "100ms"}}


def provisioning(prefix: str, **rest: Any) -> dict[str, Any]:
    """A spec that registers ten devices in two batches."""
    devices = {"count": 10, "prefix": prefix}
    return {
        "scenario": "provision",
        "devices": devices,
        "load": ONCE,
        "retries": IMPATIENT,
        "execution": {"batchSize": 5},
        **rest,
    }


def test_wrong_group_key_fails_as_unauthorized_for_every_device(directory: Path) -> None:
    """Nobody gets past DPS, at once, and the verdict says why."""
    with open_stage(directory, group_key=b64encode(b"not the key of this group" * 2).decode()) as stage:
        provisioned = stage.run(provisioning("wrong-"))
        renewed = stage.run({"scenario": "cert-renewal", "devices": {"count": 10, "prefix": "wrong-"}, "load": ONCE})
    for summary in (provisioned, renewed):
        assert summary["verdict"] == "failed"
        assert "unauthorized" in summary["reasons"][0]["text"]
        assert counts_of(summary, "dps.register")["outcomes"] == {"unauthorized": 10}
        assert summary["conservation"]["holds"]


def test_services_that_cannot_be_reached_or_trusted_are_named(directory: Path, tmp_path: Path) -> None:
    """A closed port ends every device as `network`, a certificate of another CA as `tls`."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with open_stage(directory) as running:
            emulator = next(child.ready() for child in running.station.children if child.name == "the emulator")
            dps = {"host": "127.0.0.1", "idScope": emulator["idScope"], "secret": "local-group-key"}
            with open_stage(tmp_path / "foreign") as other:
                foreign = next(child.ready() for child in other.station.children if child.name == "the emulator")
                ca_file = tmp_path / "foreign.pem"
                ca_file.write_bytes(Path(foreign["caFile"]).read_bytes())
            profile = {"dps": [dps], "hubs": ["127.0.0.1"]}
            targets = {
                "closed": {**profile, "port": port},
                "foreign": {**profile, "port": emulator["port"], "caFile": str(ca_file)},
            }
            environ = {"TARGETS": json.dumps(targets), "ALLOWED_HOSTS": "127.0.0.1"}
            with open_stage(tmp_path / "second", environ=environ) as stage:
                unreachable = stage.run(provisioning("closed-", target="closed"))
                untrusted = stage.run(provisioning("foreign-", target="foreign"))
    assert (unreachable["verdict"], untrusted["verdict"]) == ("failed", "failed")
    assert counts_of(unreachable, "dps.register")["outcomes"] == {"network": 10}
    assert counts_of(untrusted, "dps.register")["outcomes"] == {"tls": 10}
    assert {row["code"] for row in unreachable["failures"]} == {"ECONNREFUSED"}


def test_host_killed_in_a_run_comes_back_and_counts_nothing_twice(directory: Path) -> None:
    """After SIGKILL the orchestration goes on, batches change hands when their leases end, and sums agree."""
    load = {"duration": "25s", "rampUp": "3s", "pacing": {"interval": "4s"}, "gracefulStop": "10s"}
    body = {
        "scenario": "cert-renewal",
        "devices": {"count": 20, "prefix": "killed-"},
        "load": load,
        "connection": {"hold": "200ms"},
        "execution": {"batchSize": 10},
        "results": {"interval": "5s"},
    }
    with open_stage(directory) as stage:
        run_id = stage.start(body)
        stage.wait(run_id, lambda view: view.get("operations", {}).get("cert.issued", {}).get("ok", 0) > 10)
        _kill_host(stage)
    with open_stage(directory) as stage:
        summary = stage.summary(run_id)
    assert summary["verdict"] == "passed"
    assert summary["conservation"]["holds"]
    assert [batch["token"] for batch in summary["batches"]] == [2, 2]
    assert any("holder died" in warning for warning in summary["warnings"])


def _kill_host(stage: Stage) -> None:
    host = next(child for child in stage.station.children if child.name == "the host")
    os.kill(host.process.pid, signal.SIGKILL)
    host.process.wait()


def test_run_is_told_apart_from_what_the_emulator_counted_before(directory: Path) -> None:
    """A run's summary shows the emulator's counts since the run was planned, not those of runs before."""
    with open_stage(directory) as stage:
        stage.run(provisioning("before-"))
        summary = stage.run(provisioning("after-"))
    assert emulator_counted(summary, "dps.register 200") == 10
