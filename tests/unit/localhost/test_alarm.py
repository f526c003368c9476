"""Tests for engine/localhost/alarm.py."""

import threading
import time

import pytest

from engine.localhost.alarm import Alarm


def test_alarm_calls_in_order_of_time() -> None:
    """What is due first is called first, whenever it was set, and not before it is due."""
    called, done = list[str](), threading.Event()
    alarm = Alarm(lambda: None)
    now = time.time()
    alarm.at(now + 0.03, done.set)
    alarm.at(now + 0.02, lambda: called.append("second"))
    alarm.at(now - 1, lambda: called.append("first"))
    assert done.wait(10)
    assert called == ["first", "second"]
    assert time.time() >= now + 0.03


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_alarm_that_breaks_says_so() -> None:
    """A callback that raises ends the alarm's thread, and its owner is told."""
    broken, others = threading.Event(), threading.enumerate()
    alarm = Alarm(broken.set)
    (thread,) = (thread for thread in threading.enumerate() if thread not in others)
    alarm.at(0, lambda: [][0])
    thread.join(10)
    assert not thread.is_alive()
    assert broken.is_set()
