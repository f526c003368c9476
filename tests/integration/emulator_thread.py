"""An emulator in a thread of the test, and devices against it."""

import base64
import json
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from integration import emulator_client
from integration.emulator_client import Client

from engine.emulator.dps import Pace
from engine.emulator.registry import Registry
from engine.emulator.server import Emulator, Settings
from engine.emulator.service import Options
from engine.emulator.vault import open_vault
from engine.protocol import issuing, x509


class Running:
    """An emulator in a thread, and devices against it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.emulator = Emulator(settings)
        self.thread = Thread(target=self.emulator.run)
        self.thread.start()

    def stop(self) -> None:
        self.emulator.stop()
        self.thread.join()

    def context(self, identity: tuple[x509.PrivateKey, tuple[bytes, ...]] | None = None) -> ssl.SSLContext:
        context = emulator_client.make_context(str(self.emulator.ready["caFile"]))
        if identity:
            emulator_client.present(context, x509.key_to_der(identity[0]), identity[1])
        return context

    def client(self, context: ssl.SSLContext) -> Client:
        return Client(self.settings.host, self.emulator.port, context)

    def provision(self, device_id: str) -> tuple[x509.PrivateKey, tuple[bytes, ...]]:
        """A key and the chain that DPS issued for it."""
        key, csr = emulator_client.new_device(device_id)
        assignment = emulator_client.provision(
            self.settings.host,
            self.emulator.port,
            self.context(),
            id_scope=self.settings.id_scope,
            group_key=base64.b64decode(str(self.emulator.ready["groupKey"])),
            device_id=device_id,
            csr=csr,
        )
        assert assignment.hub == self.settings.host
        return key, assignment.chain

    def login(self, identity: tuple[x509.PrivateKey, tuple[bytes, ...]], device_id: str) -> int:
        with self.client(self.context(identity)) as client:
            return emulator_client.hub_login(client, self.settings.host, device_id)

    def ask(self, method: str, path: str, body: str | None = None) -> dict[str, object]:
        """The control port's answer."""
        request = urllib.request.Request(
            f"{self.emulator.ready['control']}{path}", None if body is None else body.encode(), method=method
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            document: dict[str, object] = json.load(answer)
        return document

    def forge(self, *, begins: float, ends: float, device_id: str = "d-1") -> tuple[x509.PrivateKey, tuple[bytes, ...]]:
        """A certificate of the emulator's own authority for any time."""
        vault, key = open_vault(self.settings.data, time.time()), x509.generate_key(x509.KeyType.EC_P256)
        mark = Registry("", vault.group_key, hubs=["h"]).mark_of(device_id)
        csr = issuing.read_csr(x509.build_csr(key, device_id))
        leaf = issuing.issue_leaf(vault.issuer, csr, mark=mark, begins=begins, ends=ends)
        return key, (leaf, vault.issuer.der, vault.root.der)


def options(**more: object) -> Options:
    """Registrations that are done by the first poll."""
    return Options(**{"pace": Pace(assign_s=0.0), **more})  # type: ignore[arg-type]


@contextmanager
def starter(folder: Path) -> Iterator[Callable[..., Running]]:
    """A starter of emulators on free ports, which keep their keys in the folder and all end with the block."""
    running: list[Running] = []

    def run(**settings: object) -> Running:
        defaults = {"data": folder / "data", "port": 0, "control_port": 0, "options": options()}
        running.append(Running(Settings(**{**defaults, **settings})))  # type: ignore[arg-type]
        return running[-1]

    try:
        yield run
    finally:
        for one in running:
            one.stop()
