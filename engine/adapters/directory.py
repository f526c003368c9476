"""A store in a folder: a file per key, for runs on one machine.

A file holds exactly the body, so people can read it. Writers take turns by a lock on `~lock` in the folder, whatever
process or thread they are in; readers take none, because a file changes by being replaced whole. `~` cannot be part
of a key, so our own files never meet anybody's.

A version is the file's time stamp and the start of its body's hash. The stamp of every write is later than that of any
write before it, though the clock go backwards: the last one is kept as the time stamp of `~lock`.

What is written survives the end of any process, also a killed one, but perhaps not a power cut. A key cannot be the
folder of another key: where `a` holds something, `a/b` cannot. Ours never are.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from engine.errors import AlreadyExists, StoreUnavailable, VersionConflict
from engine.ports import Held

TURN_WITHIN_S = 10.0
"""How long a writer waits for its turn: writes take milliseconds, only a stopped process holds the lock for long."""

_POLL_S = 0.002


class DirectoryStore:
    """A `Store` whose keys are files below `root`, which is made when it is not there."""

    def __init__(self, root: Path, *, turn_within_s: float = TURN_WITHIN_S) -> None:
        self._root, self._turn_within_s = root, turn_within_s
        self._lock = root / "~lock"

    def read(self, key: str) -> Held | None:
        """What key holds, None if nothing."""
        path = self._path(key)
        with _translated(key, path):
            return _read(path)

    def create(self, key: str, body: bytes) -> str:
        """Put body under a key that holds nothing yet; its version. Raises AlreadyExists."""
        path = self._path(key)
        with _translated(key, path), self._turn(key) as lock:
            if path.exists():
                raise AlreadyExists(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            return self._put(path, body, lock)

    def replace(self, key: str, body: bytes, version: str) -> str:
        """Put body in place of exactly that version; the new one. Raises VersionConflict, also when key is gone."""
        path = self._path(key)
        with _translated(key, path), self._turn(key) as lock:
            held = _read(path)
            if held is None or held.version != version:
                raise VersionConflict(key)
            return self._put(path, body, lock)

    def delete(self, key: str) -> None:
        """Make key hold nothing, whatever it held, and remove the folders that are empty then."""
        path = self._path(key)
        with _translated(key, path), self._turn(key):
            path.unlink(missing_ok=True)
            for folder in path.parents[: key.count("/")]:
                if not folder.is_dir() or any(folder.iterdir()):
                    break
                folder.rmdir()

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that begin with prefix, sorted, as they were at the call."""
        top = self._root / prefix.rpartition("/")[0]
        with _translated(prefix, top):
            found = (
                Path(folder, name).relative_to(self._root).as_posix()
                for folder, _, names in os.walk(top, onerror=_raise_unless_gone)
                for name in names
                if not name.startswith("~")
            )
            return iter(sorted(key for key in found if key.startswith(prefix)))

    def _path(self, key: str) -> Path:
        """The key's file, never one outside the root: a key that would lead there is a bug."""
        if any(word in ("", ".", "..") or word.startswith("~") for word in key.split("/")):
            raise ValueError(f"not a key: {key!r}")
        return self._root / key

    @contextmanager
    def _turn(self, key: str) -> Iterator[int]:
        """The lock, as its descriptor, while no other writer has it."""
        self._root.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            give_up_at = time.monotonic() + self._turn_within_s
            while not _locked(lock):
                if time.monotonic() > give_up_at:
                    raise StoreUnavailable(key, f"another process has held {self._lock} for {self._turn_within_s} s")
                time.sleep(_POLL_S)
            yield lock
        finally:
            os.close(lock)

    def _put(self, path: Path, body: bytes, lock: int) -> str:
        """Write a file whole, with a new stamp; the caller has the turn."""
        stamp = max(time.time_ns(), os.fstat(lock).st_mtime_ns + 1)
        os.utime(lock, ns=(stamp, stamp))
        draft = self._root / "~draft"
        try:
            draft.write_bytes(body)
            os.utime(draft, ns=(stamp, stamp))
            version = _version(draft.stat().st_mtime_ns, body)  # what the file system made of the stamp
            os.replace(draft, path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        return version


def _read(path: Path) -> Held | None:
    try:
        with path.open("rb") as file:
            body = file.read()
            return Held(body, _version(os.fstat(file.fileno()).st_mtime_ns, body))
    except FileNotFoundError:
        return None


def _version(stamp_ns: int, body: bytes) -> str:
    return f"{stamp_ns:x}-{sha256(body).hexdigest()[:16]}"


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


@contextmanager
def _translated(key: str, path: Path) -> Iterator[None]:
    """What the file system raises inside, as StoreUnavailable naming the path, the cause kept."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(key, f"{error.strerror or type(error).__name__}: {error.filename or path}") from error
