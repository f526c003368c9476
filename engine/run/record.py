"""Shared blobs: the only two ways in which they change.

`update` is compare-and-swap: read, change, replace by version, and again if somebody was faster. In every round of
a race one writer wins, so a writer loses at most as often as others write.

A fenced blob belongs to whoever holds a claim. It carries the fencing token of its last writer in a line before the
body, and a write under an older token is refused. A process that was frozen while its claim went to another thus
cannot spoil what the other wrote. The new holder raises the fence *before* it reads what to go on from: from then on
what it read cannot change behind its back.

    certfleet-fence 1 17\n          format 1, token 17
    <body>                          any bytes; none means that only the fence was raised
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import AlreadyExists, ClaimLost, StoreError, VersionConflict
from engine.ports import Held, Store

TRIES = 256
"""More rounds than writers of one key can win before one of them gets its turn: a wave has 100 batches."""

_FENCE = re.compile(rb"certfleet-fence 1 (\d{1,18})\n")


def update(store: Store, key: str, change: Callable[[bytes | None], bytes]) -> bytes:
    """Apply `change` to what `key` holds, however many writers race; give up after TRIES.

    change may be called often, and may raise to refuse. What it leaves as it was is not written.
    Raises VersionConflict when it never got its turn.
    """
    return _swap(store, key, change).body


@dataclass(frozen=True, slots=True)
class Fenced:
    """The body under a fence and the token of its last writer; no body (b"") when only the fence was raised."""

    token: int
    body: bytes


def read_fenced(store: Store, key: str) -> Fenced | None:
    """What a fenced key holds, None if nothing. Raises StoreError when it was not written under a fence."""
    return unfenced(key, store.read(key))


def unfenced(key: str, held: Held | None) -> Fenced | None:
    """What was read from a fenced key, None if nothing. Raises StoreError when it was not written under a fence."""
    return None if held is None else _parse_fenced(key, held.body)


def fenced_write(store: Store, key: str, token: int, body: bytes, *, version: str | None = None) -> str:
    """Put body under a key under the token, and return the key's version.

    version is what this writer's last write of the key returned: while nobody else wrote, it saves reading.
    Raises ClaimLost when someone with a newer token was there.
    """
    sealed = _fence(token) + body
    if version is not None:
        try:
            return store.replace(key, sealed, version)
        except VersionConflict:
            pass  # somebody else wrote: whose token is higher?

    def change(held: bytes | None) -> bytes:
        _admit(key, held, token)
        return sealed

    return _swap(store, key, change).version


def raise_fence(store: Store, key: str, token: int) -> bytes:
    """The body under a key, b"" if none, from now on out of reach of every older token.

    Raises ClaimLost when someone with a newer token was there.
    """
    fence = _fence(token)
    return _swap(store, key, lambda held: fence + _admit(key, held, token)).body[len(fence) :]


def _swap(store: Store, key: str, change: Callable[[bytes | None], bytes]) -> Held:
    for _ in range(TRIES):
        held = store.read(key)
        body = change(held.body if held else None)
        if held is not None and held.body == body:
            return held
        try:
            version = store.create(key, body) if held is None else store.replace(key, body, held.version)
        except (AlreadyExists, VersionConflict):
            continue
        return Held(body, version)
    raise VersionConflict(key, f"other writers were faster {TRIES} times")


def _admit(key: str, held: bytes | None, token: int) -> bytes:
    """The body a writer with this token may replace."""
    if held is None:
        return b""
    found = _parse_fenced(key, held)
    if found.token > token:
        raise ClaimLost(key, f"token {found.token}")
    return found.body


def _fence(token: int) -> bytes:
    return b"certfleet-fence 1 %d\n" % token


def _parse_fenced(key: str, body: bytes) -> Fenced:
    found = _FENCE.match(body)
    if found is None:
        raise StoreError(key, f"expected a line with a fencing token, found {body[:20]!r}")
    return Fenced(int(found[1]), body[found.end() :])
