"""Ctrl-C, and SIGTERM like it: the first asks, the second insists."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from engine.cli.errors import Interrupted

NUMBERS: Final = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Counts what comes inside the block. Outside `patiently` each raises KeyboardInterrupt at once."""

    def __init__(self) -> None:
        self.asked = 0
        self._is_patient = False

    def __enter__(self) -> "Interrupts":
        self._before = {number: signal.signal(number, self._caught) for number in NUMBERS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def patiently(self) -> Iterator[None]:
        """Inside the block the first only counts; whoever works there looks at `asked`."""
        self._is_patient = True
        try:
            yield
        finally:
            self._is_patient = False

    def _caught(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1
        if not self._is_patient or self.asked > 1:
            raise KeyboardInterrupt


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside the block interrupts wait until its end; for what is short and must not be left half done."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


@contextmanager
def told_when_interrupted(text: str) -> Iterator[None]:
    """An interrupt that ends the block becomes Interrupted, with this text."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(text) from None
