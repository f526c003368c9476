"""Signals that wait: who goes first, who is dropped, and that each is counted once."""

import random
from collections.abc import Sequence

import pytest

from engine.adapters.telemetry.fate import Fate
from engine.adapters.telemetry.lanes import Kind, Lanes, Parcel, kind_of
from engine.measure.signal import Count, Delivery, Event, EventName, Level, Line, Metric, Signal, Span, Spread


def line(number: int) -> Line:
    """A line that can be told from others."""
    return Line(0.0, 30, str(number), {})


def count(number: int) -> Count:
    """A count that can be told from others."""
    return Count(Metric.OPERATIONS, 0.0, number, {})


SPAN = Span("hub.connect", 0.0, 1.0, 1, 2, None, True, {})


def lanes_with(signals: Sequence[Signal], room: int = 100) -> Lanes:
    """Lanes in which these wait."""
    lanes = Lanes(room)
    lanes.put(signals)
    return lanes


def take(lanes: Lanes, limit: int = 100) -> Parcel:
    """The next parcel, which there is."""
    parcel = lanes.take(limit)
    assert parcel is not None
    return parcel


@pytest.mark.parametrize(
    ("signal", "kind"),
    [
        (count(1), Kind.METRIC),
        (Level(Metric.IN_FLIGHT, 0.0, 1.0, {}), Kind.METRIC),
        (Spread(Metric.LAG, 0.0, 1, 1.0, 1.0, 1.0, {}), Kind.METRIC),
        (Event(EventName.RUN, 0.0, {}, {}), Kind.LOG),
        (line(1), Kind.LOG),
        (SPAN, Kind.SPAN),
    ],
)
def test_signal_has_a_kind(signal: Signal, kind: Kind) -> None:
    """Numbers are metrics; events and lines are log records; spans are spans."""
    assert kind_of(signal) is kind


def test_parcel_holds_the_oldest_of_one_kind() -> None:
    """In the order in which they were told, and no more than asked for."""
    lanes = lanes_with([line(1), count(1), line(2), line(3)])
    parcel = take(lanes, 2)
    assert (parcel.kind, parcel.signals) == (Kind.LOG, [line(1), line(2)])
    assert lanes.waiting == 2


def test_kinds_take_turns() -> None:
    """One whose items are refused does not hold up the others."""
    lanes = lanes_with([line(1), line(2), count(1), SPAN])
    kinds = []
    while lanes.waiting:
        parcel = take(lanes, 1)
        kinds.append(parcel.kind)
        lanes.settle(parcel, Fate(sent=1))
    assert kinds == [Kind.LOG, Kind.METRIC, Kind.SPAN, Kind.LOG]
    assert lanes.take(1) is None
    assert lanes.delivery == Delivery(sent=4)


def test_of_too_many_the_oldest_of_their_kind_are_dropped() -> None:
    """Other kinds lose nothing."""
    lanes = lanes_with([SPAN, *(line(number) for number in range(5))], room=3)
    assert lanes.delivery == Delivery(dropped=2)
    assert take(lanes).signals == [line(2), line(3), line(4)]
    assert lanes.waiting == 1


def test_what_goes_again_comes_before_what_is_younger() -> None:
    """At its old place, whoever was told meanwhile; every further try is counted once."""
    lanes = lanes_with([line(1), line(2), line(3)])
    parcel = take(lanes)
    lanes.put([line(4)])
    lanes.settle(parcel, Fate(sent=1, again=(0, 2)))
    assert lanes.delivery == Delivery(sent=1, retried=0)
    parcel = take(lanes)
    assert parcel.signals == [line(1), line(3), line(4)]
    assert lanes.delivery == Delivery(sent=1, retried=2)
    lanes.settle(parcel, Fate(again=(0, 1, 2)))
    lanes.settle(take(lanes, 2), Fate(sent=2))
    lanes.settle(take(lanes), Fate(sent=1))
    assert lanes.delivery == Delivery(sent=4, retried=5)


def test_fate_that_names_neither_loses_the_rest() -> None:
    """What was not taken and may not go again is dropped."""
    lanes = lanes_with([line(1), line(2), line(3)])
    lanes.settle(take(lanes), Fate(sent=1, again=(2,)))
    assert (lanes.delivery, lanes.waiting) == (Delivery(sent=1, dropped=1), 1)


def test_oldest_are_dropped_when_they_come_back_to_a_full_lane() -> None:
    """And are no longer counted as tried before."""
    lanes = lanes_with([line(1), line(2)], room=2)
    parcel = take(lanes)
    lanes.put([line(3)])
    lanes.settle(parcel, Fate(again=(0, 1)))
    assert lanes.delivery == Delivery(dropped=1)
    assert take(lanes).signals == [line(2), line(3)]
    assert lanes.delivery == Delivery(retried=1, dropped=1)


def test_dropping_gives_up_what_waits_and_what_is_on_its_way() -> None:
    """What comes of it later is not counted any more."""
    lanes = lanes_with([line(1), line(2), count(1)])
    parcel = take(lanes, 1)
    lanes.drop()
    lanes.settle(parcel, Fate(sent=1))
    assert (lanes.delivery, lanes.waiting) == (Delivery(dropped=3), 0)


@pytest.mark.parametrize("seed", range(20))
def test_every_signal_is_counted_once(seed: int) -> None:
    """Whatever is told, taken, refused and dropped in whatever order."""
    chance, lanes, told = random.Random(seed), Lanes(room=20), 0
    for _ in range(200):
        batch = [chance.choice([line(1), count(1), SPAN]) for _ in range(chance.randrange(8))]
        told += len(batch)
        lanes.put(batch)
        if (parcel := lanes.take(chance.randrange(1, 9))) is None:
            continue
        again = tuple(place for place in range(len(parcel.signals)) if chance.random() < 0.5)
        sent = chance.randrange(len(parcel.signals) - len(again) + 1)
        lanes.settle(parcel, Fate(sent, again))
        assert lanes.delivery.sent + lanes.delivery.dropped + lanes.waiting == told
    lanes.drop()
    assert lanes.delivery.sent + lanes.delivery.dropped == told
