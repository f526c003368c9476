"""Keeps the garbage collector away from what lives as long as a load.

Theory of operation. A full collection walks every object there is: with 10,000 devices it holds the loop up for a
quarter of a second, and that would be measured as the service's. While a load runs, what existed at its beginning is
frozen, so that collections walk only what came since. Nothing of a batch forms cycles on purpose, so little of what is
frozen is garbage; it is looked at again when the last load of the process is over.
Source: Python documentation, gc.freeze.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_loads = 0


@contextmanager
def hushed() -> Iterator[None]:
    """Collections are short inside the block. Loads may overlap in threads."""
    global _loads
    with _lock:
        _loads += 1
        gc.freeze()
    try:
        yield
    finally:
        with _lock:
            _loads -= 1
            if not _loads:
                gc.unfreeze()
