"""The system's clock."""

from engine.adapters.clock import SystemClock
from engine.ports import Clock


def test_clock_moves_forward() -> None:
    """Later is not less, and sleeping takes time."""
    clock: Clock = SystemClock()
    before = clock.now()
    clock.sleep(0.001)
    assert clock.now() >= before + 0.001


def test_wall_time_is_since_1970() -> None:
    """Between 2025 and 2100, whatever the machine thinks it is."""
    assert 1_735_000_000 < SystemClock().wall() < 4_102_444_800
