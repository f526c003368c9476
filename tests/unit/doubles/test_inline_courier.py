"""The courier without a thread does what the one with a thread does."""

import pytest

from doubles.drive import World, make_bundle
from doubles.inline_courier import CARRY_S, InlineCourier
from engine.batch.home import Word
from engine.errors import StoreUnavailable
from unit.batch.rig import FakeHome


@pytest.fixture
def world():
    """A wire with a clock."""
    return World()


def begun(world):
    """A courier at work, and its home."""
    home = FakeHome(world.clock)
    courier = InlineCourier(home, world.wire, home.word)
    courier.start(world.wire.wake)
    return courier, home


def test_inline_courier_answers_saves_a_moment_later(world):
    """Together where they come together, and the loop is woken."""
    courier, home = begun(world)
    courier.save(3, make_bundle("d-3"))
    courier.save(4, make_bundle("d-4"))
    assert courier.saved() == []
    assert world.wire.wait(1.0) == []
    assert world.clock.now() == CARRY_S
    assert [channel for channel, _ in courier.saved()] == [3, 4]
    assert [len(saves) for saves in home.saves] == [2]


def test_inline_courier_listens_and_asks_by_itself(world):
    """Virtual seconds pass, and it has looked after the claim."""
    courier, home = begun(world)
    home.word = Word(7.0, True)
    courier.arrive()
    world.wire.wait(2.0)
    world.wire.wait(2.0)
    assert courier.beginning == home.beginning
    assert courier.word == Word(7.0, True)


def test_inline_courier_carries_what_is_left_when_it_closes(world):
    """And does nothing any more after that."""
    courier, home = begun(world)
    courier.save(0, make_bundle("d-0"))
    courier.checkpoint(b"last")
    courier.close()
    assert (len(home.saves), home.checkpoints) == (1, [b"last"])
    home.trouble = StoreUnavailable("x")
    world.wire.wait(10.0)
    assert courier.trouble.failures == 0
