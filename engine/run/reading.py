"""Many keys read at once: a store takes milliseconds for each, and a run has thousands."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from engine.ports import Held, Store

AT_ONCE = 10
"""Reads under way at a time: as many connections as the storage client keeps. A thousand of 5 ms take half a second."""


def read_all(store: Store, keys: Sequence[str]) -> list[Held | None]:
    """What each key holds, None where nothing, in the order of the keys. Raises what the first read that failed did."""
    if len(keys) < 2:
        return [store.read(key) for key in keys]
    with ThreadPoolExecutor(min(AT_ONCE, len(keys)), thread_name_prefix="reading") as pool:
        return list(pool.map(store.read, keys))
