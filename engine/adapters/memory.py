"""A store in this process's memory: what tests use, and what is gone when the process ends."""

from collections.abc import Iterator
from itertools import count
from threading import Lock

from engine.errors import AlreadyExists, VersionConflict
from engine.ports import Held


class MemoryStore:
    """A `Store` that is a dict. A version is never given twice."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._versions = count(1)
        self._held: dict[str, Held] = {}

    def read(self, key: str) -> Held | None:
        """What key holds, None if nothing."""
        with self._lock:
            return self._held.get(key)

    def create(self, key: str, body: bytes) -> str:
        """Put body under a key that holds nothing yet; its version. Raises AlreadyExists."""
        with self._lock:
            if key in self._held:
                raise AlreadyExists(key)
            return self._put(key, body)

    def replace(self, key: str, body: bytes, version: str) -> str:
        """Put body in place of exactly that version; the new one. Raises VersionConflict, also when key is gone."""
        with self._lock:
            held = self._held.get(key)
            if held is None or held.version != version:
                raise VersionConflict(key)
            return self._put(key, body)

    def delete(self, key: str) -> None:
        """Make key hold nothing, whatever it held."""
        with self._lock:
            self._held.pop(key, None)

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that begin with prefix, sorted, as they were at the call."""
        with self._lock:
            return iter(sorted(key for key in self._held if key.startswith(prefix)))

    def _put(self, key: str, body: bytes) -> str:
        self._held[key] = Held(body, str(next(self._versions)))
        return self._held[key].version
