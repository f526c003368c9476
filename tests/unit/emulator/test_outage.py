"""Bad times, ordered."""

import json

import pytest

from engine.emulator.outage import MAX_ENTRIES, Outage, Spell, Trouble, parse_spells
from engine.errors import SpecError

THROTTLED = Trouble(429, retry_after_s=2)
HANGS = Trouble(wait_s=30.0)


@pytest.fixture
def outage():
    return Outage()


def test_nothing_is_ordered_at_first(outage):
    """Everything is as usual."""
    assert (outage.next(0.0), outage.left()) == (None, 0)


def test_spells_come_one_after_the_other(outage):
    """Each meets as many requests as it is for."""
    outage.order([Spell(THROTTLED, times=2), Spell(HANGS)])
    assert [outage.next(0.0) for _ in range(4)] == [THROTTLED, THROTTLED, HANGS, None]


def test_spell_by_time_begins_with_the_first_request(outage):
    """It meets all of them for that long, and none after it."""
    outage.order([Spell(THROTTLED, for_s=10.0), Spell(HANGS)])
    assert [outage.next(now) for now in (100.0, 109.9, 110.0, 110.1)] == [THROTTLED, THROTTLED, HANGS, None]


def test_order_takes_the_place_of_the_one_before(outage):
    """An empty one ends the bad times."""
    outage.order([Spell(THROTTLED, times=5)])
    outage.order([Spell(HANGS)])
    assert outage.left() == 1
    outage.order([])
    assert outage.next(0.0) is None


def test_spells_are_read():
    """The examples of the module's docstring."""
    text = """[
        {"status": 429, "retryAfter": 2, "times": 5}, {"status": 500, "for_s": 20}, {"hang_s": 30}, {"close": true},
        {"status": 206, "itemStatus": 503}, {"status": 200, "hang_s": 3, "keep": true}
    ]"""
    assert parse_spells(text.encode()) == [
        Spell(THROTTLED, times=5),
        Spell(Trouble(500), for_s=20.0),
        Spell(HANGS),
        Spell(Trouble()),
        Spell(Trouble(206, item_status=503)),
        Spell(Trouble(200, wait_s=3.0, keeps=True)),
    ]


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        (5, "/0"),
        ({}, "/0"),
        ({"times": 3}, "/0"),
        ({"status": 201}, "/0/status"),
        ({"status": True}, "/0/status"),
        ({"status": 429, "retryAfter": 1.5}, "/0/retryAfter"),
        ({"status": 429, "times": 0}, "/0/times"),
        ({"status": 206, "itemStatus": 200}, "/0/itemStatus"),
        ({"hang_s": -1}, "/0/hang_s"),
        ({"hang_s": 1e9}, "/0/hang_s"),
        ({"hang_s": "30"}, "/0/hang_s"),
        ({"close": 1}, "/0/close"),
        ({"close": True, "status": 500}, "/0/close"),
        ({"status": 500, "times": 1, "for_s": 1}, "/0/times"),
        ({"status": 500, "forS": 1}, "/0/forS"),
    ],
)
def test_wrong_entries_are_named(entry, path):
    """By their place, with what would have been right."""
    with pytest.raises(SpecError) as refused:
        parse_spells(json.dumps([entry]).encode())
    assert [problem.path for problem in refused.value.problems] == [path]


@pytest.mark.parametrize("body", [b"", b"{}", json.dumps([{"close": True}] * (MAX_ENTRIES + 1)).encode()])
def test_order_is_a_list_of_bounded_length(body):
    """Anything else changes nothing."""
    with pytest.raises(SpecError):
        parse_spells(body)
