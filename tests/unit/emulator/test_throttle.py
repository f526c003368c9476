"""Quotas and token buckets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.emulator.throttle import Bucket, Quotas, bucket_of, parse_quotas
from engine.errors import SpecError


def test_a_full_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    """Two at once, then one each half second."""
    bucket = Bucket(2.0, 2.0)
    assert [bucket.take(0.0) for _ in range(3)] == [True, True, False]
    assert bucket.wait_s == 1
    assert not bucket.take(0.4)
    assert bucket.take(0.6)


def test_a_slow_bucket_says_how_long_to_wait() -> None:
    """The refusal names whole seconds, rounded up."""
    bucket = Bucket(0.1, 1.0)
    assert bucket.take(0.0)
    assert bucket.wait_s == 10
    assert not bucket.take(2.5)
    assert bucket.wait_s == 8


@given(st.lists(st.floats(0, 100), max_size=200), st.floats(0.1, 20), st.floats(1, 10))
def test_a_bucket_never_exceeds_its_rate(times: list[float], per_s: float, burst: float) -> None:
    """Whatever comes when, at most the burst and the rate times the span pass."""
    bucket = Bucket(per_s, burst)
    passed = sum(bucket.take(at) for at in sorted(times))
    span = max(times) - min(times) if times else 0.0
    assert passed <= burst + per_s * span + 1e-6


def test_quotas_come_in_the_services_units() -> None:
    """Registrations, certificates and calls of the registry a minute, connections a second, and none by default."""
    text = '{"dps.registrations": 1000, "hub.connects": 100, "certificates": 60, "adr.requests": 120}'
    assert parse_quotas(text) == Quotas(1000 / 60, 100.0, 1.0, 2.0)
    assert parse_quotas("{}") == Quotas()


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"x": 1}', '{"certificates": 0}', '{"certificates": true}'])
def test_quotas_refuse_other_documents(text: str) -> None:
    """Every problem is named, none is guessed away."""
    with pytest.raises(SpecError):
        parse_quotas(text)


def test_no_quota_is_no_bucket() -> None:
    """A bucket starts with what one second lets through, at least one."""
    assert bucket_of(None) is None
    slow = bucket_of(0.5)
    assert slow is not None
    assert slow.burst == 1.0
