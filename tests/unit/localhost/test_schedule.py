"""Tests for engine/localhost/schedule.py."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.localhost.errors import HostError
from engine.localhost.schedule import parse_schedule

FRIDAY = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("0 */5 * * * *", datetime(2026, 11, 20, 12, 35, tzinfo=UTC)),
        ("*/5 * * * *", datetime(2026, 11, 20, 12, 35, tzinfo=UTC)),
        ("30 0 3 * * *", datetime(2026, 11, 21, 3, 0, 30, tzinfo=UTC)),
        ("0 0 9 * * MON-FRI", datetime(2026, 11, 23, 9, tzinfo=UTC)),
        ("0 0 0 1 JAN *", datetime(2027, 1, 1, tzinfo=UTC)),
        ("0 0 0 13 * FRI", datetime(2027, 8, 13, tzinfo=UTC)),
        ("* * * * * *", datetime(2026, 11, 20, 12, 34, 57, tzinfo=UTC)),
        ("00:30:00", datetime(2026, 11, 20, 13, 4, 56, tzinfo=UTC)),
        ("1.00:00:01", datetime(2026, 11, 21, 12, 34, 57, tzinfo=UTC)),
        ("25:00:00:00", datetime(2026, 12, 15, 12, 34, 56, tzinfo=UTC)),
    ],
)
def test_schedule_is_due(text: str, due: datetime) -> None:
    """Six fields begin with seconds, five are at second 0, both day fields must match, intervals add up."""
    assert parse_schedule(text)(FRIDAY) == due


@pytest.mark.parametrize("text", ["", "@daily", "* * * *", "61 * * * * *", "0 0 0 30 FEB *x", "24:00:00", "00:00:00"])
def test_schedule_that_is_wrong_is_refused(text: str) -> None:
    """Text that is no schedule, and an interval whose days are not written as days, are refused with the text."""
    with pytest.raises(HostError, match="schedule"):
        parse_schedule(text)


@given(
    st.sampled_from(["* * * * * *", "0 */7 * * * *", "0 0 3 * * *", "00:00:01"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 (made aware below)
)
def test_schedule_is_never_due_twice(text: str, after: datetime) -> None:
    """The time after a time is later, also when that was itself due."""
    due = parse_schedule(text)
    first = due(after.replace(tzinfo=UTC))
    assert first > after.replace(tzinfo=UTC)
    assert due(first) > first
    assert due(first) - first <= timedelta(days=1)
