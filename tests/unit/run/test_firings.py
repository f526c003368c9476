"""When an expression fires: fields, time zones, and the two hours a year that clocks get wrong."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import SpecError
from engine.run.firings import parse_crontab, stamp, zone_of

BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
FIELDS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]


def shown(crontab: str, after: str, count: int, zone: ZoneInfo = BERLIN) -> list[str]:
    """The next firings as the zone's clocks show them."""
    found = islice(parse_crontab(crontab).firings(zone, after=datetime.fromisoformat(after).timestamp()), count)
    return [datetime.fromtimestamp(at, zone).isoformat() for at in found]


def test_fields_match_numbers_names_ranges_lists_and_steps() -> None:
    """In upper and lower case; a step begins where the range does, and without a range it goes to the end."""
    found = parse_crontab("07 5/20,0 10-20/5 1-1 * *")
    assert (found.second, found.minutes, found.hours, found.days) == (7, (0, 5, 25, 45), (10, 15, 20), (1,))
    assert (found.months, found.weekdays) == (tuple(range(1, 13)), tuple(range(7)))
    found = parse_crontab("0 */7 23 29 jan-MAR,12 mon-FRI/2,SAT")
    assert (found.minutes, found.months, found.weekdays) == (tuple(range(0, 60, 7)), (1, 2, 3, 12), (1, 3, 5, 6))


def test_leap_day_that_is_a_monday_comes() -> None:
    """Every 28 years, over the end of a century after 40."""
    assert shown("0 0 0 29 2 1", "2072-03-01T00:00:00+01:00", 2) == [
        "2112-02-29T00:00:00+01:00",
        "2140-02-29T00:00:00+01:00",
    ]


@pytest.mark.parametrize(
    ("crontab", "told"),
    [
        ("", "expected six fields"),
        ("30 2 * * *", "found 5"),
        ("0 30 2 * * * 2027", "found 7"),
        ("0  30 2 * * *", "found 7"),
        ("@daily", "found 1"),
        ("60 * * * * *", "field second"),
        ("0 60 * * * *", "field minute"),
        ("0 0 24 * * *", "field hour"),
        ("0 0 0 0 * *", "field day"),
        ("0 0 0 L * *", "field day"),
        ("0 0 0 ? * *", "field day"),
        ("0 0 0 * 13 *", "field month"),
        ("0 0 0 * JANUAR *", "field month"),
        ("0 0 0 * * 7", "field day of week"),
        ("0 0 0 * * MON#2", "field day of week"),
        ("0 0 0 * * JAN", "field day of week"),
        ("0 0 22-2 * * *", "field hour"),
        ("0 */0 * * * *", "field minute"),
        ("0 */60 * * * *", "field minute"),
        ("0 1,, * * * *", "field minute"),
        ("0 \N{ARABIC-INDIC DIGIT ONE} * * * *", "field minute"),
        ("* * * * * *", "field second"),
        ("0,30 * * * * *", "field second"),
        ("0 0 0 31 4 *", "no such day"),
    ],
)
def test_whatever_else_is_refused(crontab: str, told: str) -> None:
    """The field is named: what cron knows besides, what is out of bounds, seconds that a tick a minute cannot keep."""
    with pytest.raises(SpecError) as refused:
        parse_crontab(crontab)
    (problem,) = refused.value.problems
    assert told in problem.message
    assert problem.allowed


def test_day_must_match_both_of_its_fields() -> None:
    """The thirteenth that is a Friday, and no other."""
    assert shown("0 0 12 13 * FRI", "2026-11-14T00:00:00+01:00", 2) == [
        "2027-08-13T12:00:00+02:00",
        "2028-10-13T12:00:00+02:00",
    ]


def test_time_that_does_not_exist_fires_at_the_next_that_does() -> None:
    """In Berlin there is no 02:30 on 29 March 2026."""
    assert shown("7 30 2 * * *", "2026-03-28T00:00:00+01:00", 3) == [
        "2026-03-28T02:30:07+01:00",
        "2026-03-29T03:00:07+02:00",
        "2026-03-30T02:30:07+02:00",
    ]


def test_firings_that_meet_after_the_gap_are_one() -> None:
    """Four quarters of an hour that do not exist, and the one that follows, fire once."""
    assert shown("0 */15 * * * *", "2026-03-29T01:30:00+01:00", 3) == [
        "2026-03-29T01:45:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T03:15:00+02:00",
    ]


def test_time_that_comes_twice_fires_the_first_time() -> None:
    """In Berlin 02:30 comes twice on 25 October 2026; asked between the two, the next is on the next day."""
    assert shown("0 30 2 * * *", "2026-10-24T12:00:00+02:00", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]
    assert shown("0 30 2 * * *", "2026-10-25T02:10:00+01:00", 1) == ["2026-10-26T02:30:00+01:00"]


def test_hour_that_is_repeated_has_no_firings_of_its_own() -> None:
    """Also where the clocks go back by half an hour only."""
    assert shown("0 */30 * * * *", "2026-10-25T02:00:00+02:00", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T03:00:00+01:00",
    ]
    assert shown("0 */15 * * * *", "2026-04-05T01:30:00+11:00", 2, LORD_HOWE) == [
        "2026-04-05T01:45:00+11:00",
        "2026-04-05T02:00:00+10:30",
    ]


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT-14"])
def test_zone_has_a_name_of_the_tz_database(name: str) -> None:
    """Zones of one, two and three words."""
    assert str(zone_of(name)) == name


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "Europe", "../UTC", "/etc/localtime", "tzdata.zi", "+01:00"])
def test_what_is_no_zone_is_none(name: str) -> None:
    """An unknown name, a folder, a path that leads elsewhere, a file that is no zone."""
    assert zone_of(name) is None


def test_stamp_is_the_minute_in_utc() -> None:
    """Two firings an hour apart have two stamps, though clocks in Berlin show 02:30 both times."""
    first = datetime.fromisoformat("2026-10-25T02:30:00+02:00").timestamp()
    assert [stamp(first), stamp(first + 3600)] == ["20261025-0030", "20261025-0130"]


moments = st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1)).map(  # noqa: DTZ001 (made aware)
    lambda at: at.replace(tzinfo=UTC).timestamp()
)


@st.composite
def crontabs(draw: st.DrawFn) -> tuple[str, list[set[int]]]:
    """An expression, and what its fields after the second match."""
    texts, matched = [], []
    for low, high in FIELDS:
        start = draw(st.integers(low, min(high, 28)))  # there is a 28th of every month
        end = draw(st.integers(start, high))
        step = draw(st.integers(1, high))
        text, numbers = draw(
            st.sampled_from([
                ("*", set(range(low, high + 1))),
                (f"{start}", {start}),
                (f"{start}-{end}", set(range(start, end + 1))),
                (f"*/{step}", set(range(low, high + 1, step))),
                (f"{start}-{end}/{step}", set(range(start, end + 1, step))),
                (f"{low},{start}", {low, start}),
            ])
        )  # fmt: skip
        texts.append(text)
        matched.append(numbers)
    return f"{draw(st.integers(0, 59))} {' '.join(texts)}", matched


@settings(deadline=None)
@given(crontabs(), moments)
def test_firing_is_what_the_fields_say(drawn: tuple[str, list[set[int]]], after: float) -> None:
    """In UTC, where every time exists once: a firing matches all fields, and no minute before it does."""
    crontab, matched = drawn
    start = datetime.fromtimestamp(after, UTC)
    found = datetime.fromtimestamp(next(parse_crontab(crontab).firings(ZoneInfo("UTC"), after=after)), UTC)
    assert found > start
    second = int(crontab.split()[0])
    assert (found.second, _matches(found, matched)) == (second, True)
    step = max(timedelta(minutes=1), (found - start) / 200)  # all of them when it is near, some when it is far
    at = start.replace(second=second, microsecond=0)
    at += timedelta(minutes=at <= start)
    while at < found:
        assert not _matches(at, matched)
        at += timedelta(minutes=step // timedelta(minutes=1))


def _matches(at: datetime, matched: list[set[int]]) -> bool:
    values = (at.minute, at.hour, at.day, at.month, at.isoweekday() % 7)
    return all(value in numbers for value, numbers in zip(values, matched, strict=True))


@settings(deadline=None)
@given(
    st.sampled_from(["0 30 2 * * *", "30 */20 * * * *", "0 0 0 1 * *", "0 15 1-3 * * SUN", "0 * * * * *"]),
    st.sampled_from([BERLIN, LORD_HOWE, ZoneInfo("UTC"), ZoneInfo("America/New_York"), ZoneInfo("Antarctica/Troll")]),
    st.one_of(
        moments,
        st.integers(-7200, 7200).map(lambda off: 1_774_746_000.0 + off),  # 29 March 2026 in Berlin
        st.integers(-7200, 7200).map(lambda off: 1_792_890_000.0 + off),  # 25 October 2026
    ),
)
def test_firings_have_one_order_from_wherever_it_is_seen(crontab: str, zone: ZoneInfo, after: float) -> None:
    """They only go forward; asked after one of them, the next is the same; and looking back finds the last."""
    cron = parse_crontab(crontab)
    found = list(islice(cron.firings(zone, after=after), 4))
    assert found == sorted(set(found))
    assert found[0] > after
    assert list(islice(cron.firings(zone, after=found[0]), 3)) == found[1:]
    assert cron.last_firing(zone, by=found[2]) == found[2]
    assert cron.last_firing(zone, by=found[2] - 1.0) == found[1]
    assert cron.last_firing(zone, by=after) <= after
