"""The directory that keeps what services on this machine remember: one user at a time."""

import base64
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.cli.errors import CommandFailed
from engine.settings import STATE_KEY_BYTES

ROOT: Final = Path(__file__).resolve().parents[2]
"""Where function_app.py and host.json are."""

DEFAULT: Final = ROOT / ".certfleet"


@dataclass(frozen=True, slots=True)
class StateDir:
    """The paths in it."""

    path: Path

    @property
    def emulator(self) -> Path:
        """The emulator's keys and certificates."""
        return self.path / "emulator"

    @property
    def storage(self) -> Path:
        """Azurite's blobs."""
        return self.path / "azurite-data"

    @property
    def host(self) -> Path:
        """The local host's orchestrations."""
        return self.path / "host.db"

    @property
    def telemetry(self) -> Path:
        """What Application Insights would get, since the services were last started."""
        return self.path / "telemetry" / "items.jsonl"

    def log(self, name: str) -> Path:
        """Where a service's messages go."""
        return self.path / "logs" / f"{name}.log"

    def state_key(self) -> str:
        """The key that wraps device keys at rest, base64; made once, readable by its owner only."""
        file = self.path / "state.key"
        if not file.exists():
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
                new.write(base64.b64encode(os.urandom(STATE_KEY_BYTES)) + b"\n")
        return file.read_text(encoding="ascii").strip()


@contextmanager
def held(path: Path, what: str) -> Iterator[StateDir]:
    """The directory, made if need be and ours inside the block. Raises CommandFailed when somebody else has it."""
    directory = StateDir(path.resolve())
    try:
        directory.log("any").parent.mkdir(parents=True, exist_ok=True)
        file = (directory.path / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"{directory.path} cannot be used: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise CommandFailed(
                f"{directory.path} is in use by {holder}: wait for it, stop it, or give another one with --dir"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} (certfleet {what})")
        file.flush()
        try:
            yield directory
        finally:
            file.truncate(0)
