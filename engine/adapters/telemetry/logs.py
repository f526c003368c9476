"""Warnings of the product's own log as signals.

Theory of operation. A handler at the logger `certfleet` makes a line of each record and tells it; telling never waits.
What telemetry itself logs is left out, and so is what is logged while a line is told: nothing goes round in circles.
The way out is made with the first line. It is closed, within seconds, when the block ends or the process does; SIGTERM
runs no `atexit`, so where nobody else handles it, a handler here sends what waits and lets the signal do its work.
"""

import atexit
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from engine.errors import SettingsError
from engine.measure.signal import Line
from engine.ports import Telemetry

FLUSH_S: Final = 5.0
"""How long the end of a process may take for its last lines: orders to stop leave ten seconds and more."""

_NAME: Final = "certfleet"
_OURS: Final = "certfleet.telemetry"


class LineHandler(logging.Handler):
    """Tells warnings and worse, each with these properties besides its logger's name."""

    def __init__(self, open_way_out: Callable[[], Telemetry | None], properties: Mapping[str, str]) -> None:
        """open_way_out is asked at the first line; None, or a SettingsError, means that there is none."""
        super().__init__(logging.WARNING)
        self._open, self._properties = open_way_out, dict(properties)
        self._way_out: Telemetry | None = None
        self._is_open = True
        self._here = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        """See Handler."""
        if record.name == _OURS or getattr(self._here, "is_telling", False):
            return
        self._here.is_telling = True
        try:
            self._tell(Line(record.created, record.levelno, self.format(record), self._properties | _of(record)))
        except (LookupError, TypeError, ValueError):  # a record whose arguments do not fit its text
            self.handleError(record)
        finally:
            self._here.is_telling = False

    def flush_for(self, within_s: float) -> None:
        """What was told is sent within that time, or dropped; no line is told any more."""
        self.acquire()
        self._is_open, way_out = False, self._way_out
        self.release()
        if way_out is not None:
            way_out.close(within_s)

    def _tell(self, line: Line) -> None:
        if self._is_open and self._way_out is None:
            with suppress(SettingsError):  # whoever asks for the settings is told
                self._way_out = self._open()
            self._is_open = self._way_out is not None
        if self._is_open and self._way_out is not None:
            self._way_out.tell([line])


@contextmanager
def lines_told(open_way_out: Callable[[], Telemetry | None], properties: Mapping[str, str]) -> Iterator[None]:
    """Inside the block lines are told; at its end, however it ends, what waits is sent."""
    logger, handler = logging.getLogger(_NAME), LineHandler(open_way_out, properties)
    # Without any handler Python shows warnings on stderr; with ours alone it would stop to.
    shown = logging.lastResort if not logger.hasHandlers() else None
    added = [handler] if shown is None else [handler, shown]
    for each in added:
        logger.addHandler(each)
    try:
        yield
    finally:
        for each in added:
            logger.removeHandler(each)
        handler.flush_for(FLUSH_S)


def tell_lines(open_way_out: Callable[[], Telemetry | None], properties: Mapping[str, str]) -> None:
    """From now on lines are told, until the process ends."""
    handler = LineHandler(open_way_out, properties)
    logging.getLogger(_NAME).addHandler(handler)
    atexit.register(handler.flush_for, FLUSH_S)
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:

        def end(number: int, _frame: FrameType | None) -> None:
            handler.flush_for(FLUSH_S)
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

        signal.signal(signal.SIGTERM, end)


def _of(record: logging.LogRecord) -> dict[str, str]:
    return {"logger": record.name}
