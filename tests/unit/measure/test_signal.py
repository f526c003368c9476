"""What became of signals."""

from engine.measure.signal import UNITS, Delivery, Metric


def test_deliveries_add_up():
    """Those of a run's batches are merged in any order."""
    first, second = Delivery(3, 1, 2), Delivery(10, 0, 5)
    assert first.merge(second) == second.merge(first) == Delivery(13, 1, 7)
    assert Delivery().merge(first) == first
    assert first.figures() == {"sent": 3, "retried": 1, "dropped": 2}


def test_units_are_of_metrics_that_exist():
    """A renamed metric does not leave its unit behind."""
    assert UNITS.keys() <= set(Metric)
