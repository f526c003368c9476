"""The run's clock."""

from hypothesis import given
from hypothesis import strategies as st

from doubles.clock import VirtualClock
from doubles.means import GROUP_KEY, WRAPPING_KEY, make_means
from engine.run.means import RunClock

ZERO_WALL = 1_700_000_000.0


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e4))
def test_two_machines_agree_on_the_moment(boot: float, other_boot: float, later_s: float) -> None:
    """Whatever their monotonic clocks show: 0 is when the run was planned."""
    one = RunClock.at(VirtualClock(boot, ZERO_WALL + later_s), ZERO_WALL)
    two = RunClock.at(VirtualClock(other_boot, ZERO_WALL + later_s), ZERO_WALL)
    assert abs(one.now() - two.now()) < 1e-3
    assert abs(one.now() - later_s) < 1e-3


def test_wall_clock_that_is_set_moves_no_duration() -> None:
    """Once the clock runs it is the monotonic one; wall time is passed through as it is."""

    class Jumping(VirtualClock):
        """A clock whose wall time somebody sets."""

        jump_s = 0.0

        def wall(self) -> float:
            return super().wall() + self.jump_s

    clock = Jumping(50.0, ZERO_WALL)
    run = RunClock.at(clock, ZERO_WALL)
    clock.jump_s = -3600.0
    run.sleep(5.0)
    assert run.now() == 5.0
    assert run.wall() == ZERO_WALL + 5.0 - 3600.0
    assert clock.now() == 55.0


def test_means_do_not_show_their_key() -> None:
    """Neither the wrapping key nor a secret is in the repr."""
    text = repr(make_means())
    assert repr(WRAPPING_KEY.key) not in text
    assert GROUP_KEY.decode() not in text
