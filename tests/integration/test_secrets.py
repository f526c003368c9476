"""Everything that a small run leaves behind, searched for what must not be there."""

import base64
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from doubles.emulator import Emulator, run_emulator
from doubles.means import contents
from engine import wiring
from engine.device import bundle as bundles
from engine.protocol import sas
from engine.run import activities, api, closing, planning
from engine.run.answers import Request, answer
from engine.run.means import Means
from engine.settings import Settings
from tests.integration.test_orchestrator import hosted

CANARY = b"canary-group-key-that-sings-when-it-is-seen-anywhere"
STATE_KEY = b"canary-wrapping-key-".ljust(64, b"!")
FAULTS = {"throttled": 0.2, "conflict": 0.1, "unusable": 0.2, "dropped": 0.1}
SPEC = {
    "scenario": "cert-lifecycle",
    "devices": {"count": 8, "prefix": "secret-"},
    "load": {"rampUp": "1s", "gracefulStop": "2s"},
    "connection": {"hold": "0s"},
    "telemetry": {"messages": 1},
    "timeouts": {"certificate": "2s"},
    "retries": {"backoff": {"base": "100ms", "max": "200ms"}},
}


@pytest.fixture(scope="module")
def means(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Means]:
    """Means over files, with an emulator that misbehaves and knows the canary."""
    folder = tmp_path_factory.mktemp("secrets")
    options = ("--group-key", base64.b64encode(CANARY).decode(), "--faults", json.dumps(FAULTS))
    with run_emulator(folder / "emulator", *options) as emulator:
        environ = environ_for(emulator, folder)
        yield wiring.make_means(Settings.from_env(environ), environ)


def environ_for(emulator: Emulator, folder: Path) -> dict[str, str]:
    """The settings of a process that works with the emulator."""
    return {
        "STATE_KEY": base64.b64encode(STATE_KEY).decode(),
        "LOCAL_STORE": str(folder / "store"),
        "LOCAL_EMULATOR": json.dumps(emulator.facts),
        "LOCAL_GROUP_KEY": base64.b64encode(CANARY).decode(),
    }


@pytest.fixture(scope="module")
def left_behind(means: Means) -> dict[str, bytes]:
    """What a run leaves, by where: blobs, documents, answers, the orchestration's history, the log, reprs."""
    log = Recording()
    logging.getLogger().addHandler(log)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        headers = {"idempotency-key": "run-a"}
        answers = [answer(api.post_run, Request(body=json.dumps(SPEC).encode(), headers=headers), means)]
        history = _orchestrated(means)
        handlers = (api.get_run, api.get_runs, api.get_results, api.get_intervals, api.get_report, api.get_targets)
        answers += [answer(handler, Request(run_id="run-a"), means) for handler in handlers]
    finally:
        logging.getLogger().setLevel(level)
        logging.getLogger().removeHandler(log)
    assert [found.status for found in answers] == [202] + [200] * 6
    return {
        **contents(means.store),
        **{f"results: {key}": body for key, body in contents(means.results).items()},
        **{f"answer {n}": found.body for n, found in enumerate(answers)},
        "history": json.dumps(history).encode(),
        "log": "\n".join(log.lines).encode(),
        "repr of means": repr(means).encode(),
    }


def _orchestrated(means: Means) -> Any:
    """The run, by the SDK's worker; its history."""
    bodies = {
        "plan_run": planning.plan_run,
        "run_batch": activities.run_batch,
        "stop_run": planning.stop_run,
        "close_run": closing.close_run,
        "give_up": closing.give_up,
    }
    with hosted({name: lambda order, body=body: body(order, means) for name, body in bodies.items()}) as host:
        host.start()
        host.outcome()
        return [*host.history(), *host.history("run-a:block-000000")]


class Recording(logging.Handler):
    """Keeps every line of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, traceback included."""
        self.lines.append(self.format(record))


def devices_of(means: Means) -> dict[str, bundles.Bundle]:
    """The devices that the run left, unsealed."""
    bodies = [bundles.decode(body) for key, body in contents(means.store).items() if key.startswith("data/")]
    return {
        name: bundles.from_record(kept, bundles.WrappingKey(STATE_KEY)) for name, kept in bundles.newest(bodies).items()
    }


def forms(secret: bytes) -> Mapping[str, bytes]:
    """How a secret could be written."""
    return {
        "raw": secret,
        "base64": base64.b64encode(secret),
        "base64url": base64.urlsafe_b64encode(secret),
        "hex": secret.hex().encode(),
        "repr": repr(secret)[2:-1].encode(),
    }


def test_run_left_something_to_search(means: Means, left_behind: dict[str, bytes]) -> None:
    """Devices with keys, failures with details, a history and a report: else the search would prove nothing."""
    assert len(devices_of(means)) >= 4
    assert b'"throttled"' in left_behind["results: run-a/summary.json"]
    assert b"run_batch" in left_behind["history"]
    assert b"secret-" in b"".join(left_behind.values())


def places(left_behind: dict[str, bytes], secret: bytes) -> set[tuple[str, str]]:
    """Where a secret is, and in which form."""
    written = forms(secret).items()
    return {(place, form) for place, body in left_behind.items() for form, text in written if text in body}


@pytest.mark.parametrize("secret", [CANARY, STATE_KEY], ids=["group key", "wrapping key"])
def test_canary_is_nowhere(left_behind: dict[str, bytes], secret: bytes) -> None:
    """In no blob, state, history, log, answer or report, in no form."""
    assert places(left_behind, secret) == set()


def test_device_keys_are_nowhere_but_sealed(means: Means, left_behind: dict[str, bytes]) -> None:
    """Neither a device's private key nor the symmetric key derived for it, nor the number that a key is."""
    for name, device in devices_of(means).items():
        number = device.key[36:68]  # of a P-256 key in PKCS#8
        for secret in (device.key, number, sas.derive_key(CANARY, name)):
            assert places(left_behind, secret) == set()


def test_tokens_are_nowhere(left_behind: dict[str, bytes]) -> None:
    """What a device signs in with is not written down."""
    for mark in (b"SharedAccessSignature", b"sig=", b"PRIVATE KEY"):
        assert {place for place, body in left_behind.items() if mark in body} == set()
