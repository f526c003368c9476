"""Microsoft's device SDK for Python, unmodified, against the emulator.

It lives in an environment of its own, because it needs an older paho-mqtt than the product.
"""

import base64
import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest
from integration import emulator_client

from engine.emulator.server import Emulator, Settings
from engine.protocol import sas, x509

REQUIREMENT = "azure-iot-device==2.14.0"
PORT = 8883  # the SDK knows no other
CACHE = Path(os.environ.get("CERTFLEET_CACHE", Path(__file__).parents[2] / ".certfleet" / "sdk"))
DEVICE = Path(__file__).with_name("sdk_device.py")


@dataclass(frozen=True)
class Sdk:
    """An emulator, and an interpreter that has the SDK."""

    emulator: Emulator
    python: Path

    @property
    def host(self) -> str:
        return str(self.emulator.ready["host"])

    @property
    def group_key(self) -> bytes:
        return base64.b64decode(str(self.emulator.ready["groupKey"]))

    def device_key(self, device_id: str) -> str:
        return base64.b64encode(sas.derive_key(self.group_key, device_id)).decode()

    def run(self, do: str, device_id: str, **more: str) -> dict[str, object]:
        """What the SDK's device says it did."""
        order = {
            "do": do,
            "host": self.host,
            "deviceId": device_id,
            "idScope": self.emulator.ready["idScope"],
            "ca": Path(str(self.emulator.ready["caFile"])).read_text(),
            **more,
        }
        done = subprocess.run(
            [self.python, "-I", DEVICE], input=json.dumps(order), capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, object] = json.loads(done.stdout)
        return answer


@pytest.fixture(scope="session")
def sdk_python() -> Path:
    """An interpreter with the SDK; made once, and kept for the next runs."""
    folder = CACHE / f"{REQUIREMENT.replace('==', '-')}-py{sys.version_info.major}{sys.version_info.minor}"
    python, finished = folder / "bin" / "python", folder / "finished"
    if not finished.exists():
        venv.create(folder, with_pip=True, clear=True)
        done = subprocess.run([python, "-m", "pip", "install", "-q", REQUIREMENT], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"{REQUIREMENT} cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
        finished.touch()
    return python


@pytest.fixture(scope="module")
def sdk(sdk_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sdk]:
    """An emulator on the first loopback address of its own whose port 8883 is free."""
    data = tmp_path_factory.mktemp("emulator")
    for last in range(9, 60):
        try:
            emulator = Emulator(Settings(data=data, host=f"127.0.0.{last}", port=PORT))
        except OSError:
            continue
        break
    else:
        pytest.skip("port 8883 is taken on every loopback address that was tried")
    thread = Thread(target=emulator.run)
    thread.start()
    yield Sdk(emulator, sdk_python)
    emulator.stop()
    thread.join()


def test_sdk_provisions_with_a_group_key(sdk: Sdk) -> None:
    """The SDK registers by its derived key and is assigned the hub."""
    answer = sdk.run("provision", "sdk-1", key=sdk.device_key("sdk-1"))
    assert answer == {"status": "assigned", "hub": sdk.host, "deviceId": "sdk-1"}


def test_sdk_connects_with_a_derived_key_and_sends(sdk: Sdk) -> None:
    """Three messages of the SDK are three messages of telemetry, and its twin keeps what it reported."""
    before = sdk.emulator.service.report()["telemetry"]
    answer = sdk.run("connect-sas", "sdk-2", key=sdk.device_key("sdk-2"))
    assert answer == {"connected": True, "reported": {"firmware": "1.2.3", "$version": 2}}
    assert sdk.emulator.service.report()["telemetry"] == before + 3


def test_sdk_connects_with_an_issued_certificate(sdk: Sdk, tmp_path: Path) -> None:
    """A certificate that DPS issued is good enough for the SDK's TLS, and for the hub."""
    key, csr = emulator_client.new_device("sdk-3")
    assignment = emulator_client.provision(
        sdk.host,
        PORT,
        emulator_client.make_context(str(sdk.emulator.ready["caFile"])),
        id_scope=str(sdk.emulator.ready["idScope"]),
        group_key=sdk.group_key,
        device_id="sdk-3",
        csr=csr,
    )
    cert_file, key_file = tmp_path / "chain.pem", tmp_path / "key.pem"
    cert_file.write_text("".join(emulator_client.pem("CERTIFICATE", der) for der in assignment.chain))
    key_file.write_text(emulator_client.pem("PRIVATE KEY", x509.key_to_der(key)))
    answer = sdk.run("connect-x509", "sdk-3", certFile=str(cert_file), keyFile=str(key_file))
    assert answer["connected"] is True
