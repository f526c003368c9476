"""Things to do later."""

from engine.emulator.timers import Timers


def test_items_come_out_in_order_of_time() -> None:
    """Earlier first, and in the order added at the same time; each once."""
    timers: Timers[str] = Timers()
    assert timers.next_due is None
    for due, item in ((2.0, "c"), (1.0, "a"), (1.0, "b"), (3.0, "d")):
        timers.add(due, item)
    assert timers.next_due == 1.0
    assert timers.pop(0.5) == []
    assert timers.pop(2.0) == ["a", "b", "c"]
    assert timers.pop(2.0) == []
    assert timers.next_due == 3.0
