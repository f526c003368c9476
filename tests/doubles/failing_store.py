"""A store that is away for a while: a store around a store."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock

from engine.errors import StoreUnavailable
from engine.ports import Held, Store


@dataclass(slots=True)
class FailingStore:
    """A `Store` that fails calls on keys with a prefix, after so many of them and for so many; None is for ever.

    only_writes leaves reading alone, as a full disk does. is_away, when given, decides instead of counting.
    """

    store: Store
    prefix: str = ""
    after: int = 0
    calls: int | None = None
    only_writes: bool = False
    detail: str = "nobody answers"
    is_away: Callable[[], bool] | None = None
    failed: int = 0
    _seen: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def read(self, key: str) -> Held | None:
        """See Store."""
        self._spend(key, is_write=False)
        return self.store.read(key)

    def create(self, key: str, body: bytes) -> str:
        """See Store."""
        self._spend(key, is_write=True)
        return self.store.create(key, body)

    def replace(self, key: str, body: bytes, version: str) -> str:
        """See Store."""
        self._spend(key, is_write=True)
        return self.store.replace(key, body, version)

    def delete(self, key: str) -> None:
        """See Store."""
        self._spend(key, is_write=True)
        self.store.delete(key)

    def keys(self, prefix: str) -> Iterator[str]:
        """See Store."""
        self._spend(prefix, is_write=False)
        return self.store.keys(prefix)

    def _spend(self, key: str, *, is_write: bool) -> None:
        with self._lock:
            if self._is_hit(key, is_write=is_write):
                self.failed += 1
                raise StoreUnavailable(key, self.detail)

    def _is_hit(self, key: str, *, is_write: bool) -> bool:
        if not key.startswith(self.prefix) or (self.only_writes and not is_write):
            return False
        if self.is_away is not None:
            return self.is_away()
        self._seen += 1
        return self._seen > self.after and (self.calls is None or self.failed < self.calls)
