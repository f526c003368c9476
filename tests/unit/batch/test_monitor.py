"""The generator watches itself."""

import math

import pytest

from doubles.clock import VirtualClock
from engine.batch.monitor import Monitor
from engine.measure.operation import Phase


class AdjustableClock(VirtualClock):
    """A clock whose wall can be set, as people and time services do."""

    def set_wall(self, by_s):
        """Move the wall clock alone."""
        self._wall_s += by_s


@pytest.fixture
def clock():
    """Time that stands still."""
    return AdjustableClock(20.0)


def test_monitor_records_an_interval_when_it_is_over(clock):
    """Each with its window and the phase it ended in; an interval under way is no record."""
    monitor = Monitor(10.0, clock)
    monitor.tick(29.9, Phase.PREPARE)
    assert monitor.records == []
    clock.sleep(11.0)
    monitor.tick(clock.now(), Phase.RAMP)
    monitor.tick(clock.now(), Phase.RAMP)
    (record,) = monitor.records
    assert (record.window, record.phase, record.clock_jumps) == (2, Phase.RAMP, 0)
    assert record.descriptors > 0
    assert record.descriptor_limit >= record.descriptors


def test_monitor_tells_how_late_the_loop_and_its_starts_were(clock):
    """Only wake-ups after the time that was asked for are lag; an early start is on time."""
    monitor = Monitor(10.0, clock)
    monitor.woke(25.3, 25.0)
    monitor.woke(24.0, 25.0)
    monitor.woke(25.0, -math.inf)
    monitor.began(-1.0)
    monitor.began(0.5)
    clock.sleep(5.0)
    monitor.close(clock.now(), Phase.STEADY)
    (record,) = monitor.records
    assert record.lag_p99_s == pytest.approx(0.3, rel=0.02)
    assert record.lateness_p99_s == pytest.approx(0.5, rel=0.02)


def test_monitor_counts_bugs_where_they_happened(clock):
    """An `internal` belongs to one interval."""
    monitor = Monitor(10.0, clock)
    monitor.internal += 2
    for _ in range(2):
        clock.sleep(10.0)
        monitor.tick(clock.now(), Phase.STEADY)
    assert [record.internal for record in monitor.records] == [2, 0]


def test_monitor_notices_a_clock_that_is_set(clock):
    """The wall clock moved against the monotonic one."""
    monitor = Monitor(10.0, clock)
    clock.set_wall(-5.0)
    clock.sleep(10.0)
    monitor.close(clock.now(), Phase.STEADY)
    assert monitor.records[0].clock_jumps == 1


def test_monitor_has_figures_before_it_has_records(clock):
    """They say that all is well."""
    monitor = Monitor(10.0, clock)
    assert monitor.latest.keys() == Monitor(10.0, clock).latest.keys()
    monitor.close(clock.now(), Phase.STEADY)
    assert monitor.records == []
