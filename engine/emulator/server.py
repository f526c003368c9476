"""The emulator as a program: one TLS port for DPS, hubs and the device registry, and a control port."""

import argparse
import base64
import binascii
import ipaddress
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.emulator.authority import DAY_S, Authority
from engine.emulator.control import Control, ControlServer
from engine.emulator.faults import Fault, Faults, parse_faults
from engine.emulator.loop import Loop
from engine.emulator.registry import Registry
from engine.emulator.service import Options, Service
from engine.emulator.throttle import parse_quotas
from engine.emulator.tls import make_context
from engine.emulator.vault import Vault, open_vault
from engine.errors import HarnessError
from engine.protocol import issuing
from engine.protocol.x509 import KeyType

ID_SCOPE = "0ne00000000"
_BACKLOG = 4096
_FAULTS = 'JSON, such as {"issueDelay": "150ms", "throttled": 0.2}; shares of ' + ", ".join(Fault)


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run an emulator. group_key None takes the one that the data directory keeps; control_port None is off."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8883
    hubs: tuple[str, ...] = ()
    id_scope: str = ID_SCOPE
    group_key: bytes | None = field(default=None, repr=False)
    options: Options = field(default_factory=Options)
    leaf_days: float = 30.0
    key_types: frozenset[KeyType] = frozenset({KeyType.EC_P256, KeyType.EC_P384})
    control_port: int | None = None


class PortTaken(HarnessError):
    """A port that cannot be listened on."""

    code = "port-taken"

    def __init__(self, host: str, port: int, error: OSError) -> None:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        super().__init__(f"cannot listen on {host}:{port}: {reason}")
        self.host, self.port = host, port


class Emulator:
    """An emulator that listens; it serves in `run` until `stop`.

    Raises PortTaken when it cannot listen, LocalProtocolError or OSError when the data directory is of no use.
    """

    def __init__(self, settings: Settings) -> None:
        now = time.time()
        self._vault = vault = open_vault(settings.data, now)
        hubs = settings.hubs or (settings.host,)
        self._group_key = settings.group_key or vault.group_key
        registry = Registry(settings.id_scope, self._group_key, hubs=hubs, revocations=vault.revocations())
        self.service = Service(registry, _authority(settings, vault), settings.options)
        names = dict.fromkeys(["localhost", "127.0.0.1", "::1", settings.host, *hubs])
        server = issuing.new_server(vault.server_root, list(names), now=now)
        context = make_context(self.service, server, (vault.issuer, vault.onboarding))
        self._settings = settings
        listener = _listen(settings.host, settings.port)
        self.port: int = listener.getsockname()[1]
        self._loop = Loop(self.service, listener, context)
        try:
            self._control = self._make_control(settings.control_port)
        except PortTaken:
            self._loop.close()
            raise

    def _make_control(self, port: int | None) -> ControlServer | None:
        if port is None:
            return None
        try:
            return ControlServer(Control(self.service, self._loop.lock, self._vault.keep_revocations), port)
        except OSError as error:
            raise PortTaken("127.0.0.1", port, error) from error

    @property
    def ready(self) -> dict[str, object]:
        """What a client has to know, as the ready line tells it: groupKey and onboardingCa are secrets."""
        return {
            "ready": True,
            "host": self._settings.host,
            "port": self.port,
            "hubs": list(self.service.registry.hubs),
            "idScope": self._settings.id_scope,
            "groupKey": base64.b64encode(self._group_key).decode("ascii"),
            "onboardingCa": base64.b64encode(issuing.authority_pem(self._vault.onboarding)).decode("ascii"),
            "caFile": str(self._vault.ca_file.resolve()),
            "control": self._control.url if self._control else None,
        }

    def run(self) -> None:
        """Serve until `stop`."""
        if self._control:
            self._control.start()
        try:
            self._loop.run()
        finally:
            if self._control:
                self._control.stop()

    def stop(self) -> None:
        """End `run` soon; callable from any thread and from a signal handler."""
        self._loop.stop()


def main(argv: Sequence[str]) -> int:
    """Run an emulator until SIGTERM or SIGINT. The first line on stdout says that it is ready, and where.

    1 when it cannot start, with one line on stderr that says why.
    """
    arguments = _parser().parse_args(argv)
    if not arguments.allow_remote and not _is_loopback(arguments.host):
        return _refuse(f"{arguments.host} is not a loopback address, and --allow-remote was not given")
    try:
        emulator = Emulator(_settings(arguments))
    except (HarnessError, binascii.Error) as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{arguments.data} is of no use: {error.strerror or error}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: emulator.stop())
    print(json.dumps(emulator.ready), flush=True)
    emulator.run()
    return 0


def _refuse(message: str) -> int:
    print(f"emulator: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emulate", description="DPS, IoT Hub, a device registry and a certificate authority, emulated."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=int, default=8883, help="port of MQTT, WebSocket and HTTPS, 0 for any (%(default)s)"
    )
    parser.add_argument("--allow-remote", action="store_true", help="accept a --host that is not loopback")
    parser.add_argument("--data", type=Path, default=Path(".certfleet/emulator"), help="where keys are kept")
    parser.add_argument(
        "--hub", action="append", default=[], help="name of a hub, repeatable: devices are dealt over them (the host)"
    )
    parser.add_argument("--id-scope", default=ID_SCOPE, help="the DPS instance's id scope (%(default)s)")
    parser.add_argument("--group-key", help="base64 key of the enrollment group (one kept in --data)")
    parser.add_argument("--seed", type=int, default=1, help="what faults and ids are drawn from (%(default)s)")
    parser.add_argument("--faults", default="{}", help=_FAULTS)
    parser.add_argument(
        "--quotas",
        default="{}",
        help='JSON: "dps.registrations", "certificates" and "adr.requests" a minute, "hub.connects" a second',
    )
    parser.add_argument("--leaf-days", type=float, default=30.0, help="validity of device certificates (%(default)s)")
    parser.add_argument("--key-type", action="append", choices=list(KeyType), help="accepted, repeatable (EC)")
    parser.add_argument("--control-port", type=int, help="port of the control interface, 0 for any (off)")
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    key_types: Sequence[KeyType] = arguments.key_type or (KeyType.EC_P256, KeyType.EC_P384)
    faults: Faults = parse_faults(arguments.faults)
    return Settings(
        data=arguments.data,
        host=arguments.host,
        port=arguments.port,
        hubs=tuple(arguments.hub),
        id_scope=arguments.id_scope,
        group_key=base64.b64decode(arguments.group_key, validate=True) if arguments.group_key else None,
        options=Options(seed=arguments.seed, faults=faults, quotas=parse_quotas(arguments.quotas)),
        leaf_days=arguments.leaf_days,
        key_types=frozenset(KeyType(key_type) for key_type in key_types),
        control_port=arguments.control_port,
    )


def _authority(settings: Settings, vault: Vault) -> Authority:
    return Authority(
        vault.root,
        vault.issuer,
        onboarding=vault.onboarding,
        validity_s=settings.leaf_days * DAY_S,
        key_types=settings.key_types,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise PortTaken(host, port, error) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
