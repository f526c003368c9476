"""The table of limits."""

from engine.plan.limits import LIMITS, WINDOWS_S


def test_limits_carry_source_and_date():
    """Every row says where its figure is from and how old it is, and is found under its own name."""
    assert all(limit.source and limit.date and limit.unit for limit in LIMITS.values())
    assert all(limit.name == name for name, limit in LIMITS.items())


def test_limits_on_rates_have_a_window():
    """A limit per time names a time that the estimator knows, but for those of a single device."""
    rates = {limit.unit for limit in LIMITS.values() if limit.unit.startswith("1/") and "per" not in limit.unit}
    assert rates <= WINDOWS_S.keys()


def test_limits_unknown_to_anybody_are_none():
    """What is not published is unknown, not guessed."""
    assert {name for name, limit in LIMITS.items() if limit.value is None} == {"cert.issue", "aca.parallelism"}
