"""Counters."""

from engine.emulator.stats import Stats


def test_counters_begin_at_zero_and_count() -> None:
    """Every single counter is always there, kinds appear when they happen."""
    stats = Stats()
    assert stats.to_json()["telemetry"] == 0
    assert stats.to_json()["cert"] == {}
    stats.add("telemetry")
    stats.add("telemetry", 2)
    stats.add_to("cert", 202)
    stats.add_to("cert", "202")
    assert stats.to_json()["telemetry"] == 3
    assert stats.to_json()["cert"] == {"202": 2}
