"""A way out over a carrier in memory: what is told ends as sent or dropped, and closing takes no longer than said."""

import logging
import threading
from collections.abc import Callable

import pytest

from engine.adapters.telemetry.fate import Fate
from engine.adapters.telemetry.lanes import Parcel
from engine.adapters.telemetry.outbox import PARCEL, Outbox, Pace
from engine.measure.signal import Delivery, Line

PATIENT_S = 20.0
AT_ONCE = Pace(first_s=0.0, most_s=0.0)


def lines(count: int) -> list[Line]:
    """So many signals."""
    return [Line(0.0, 30, str(number), {}) for number in range(count)]


class Carrier:
    """Answers by script, then takes everything. came is released with every parcel."""

    def __init__(self, *answers: Callable[[Parcel], Fate]) -> None:
        self.parcels: list[Parcel] = []
        self.came = threading.Semaphore(0)
        self._answers = list(answers)

    @property
    def texts(self) -> list[str]:
        """What it was given, in order."""
        return [signal.text for parcel in self.parcels for signal in parcel.signals if isinstance(signal, Line)]

    def carry(self, parcel: Parcel) -> Fate:
        """See Carrier."""
        self.parcels.append(parcel)
        self.came.release()
        return self._answers.pop(0)(parcel) if self._answers else Fate(sent=len(parcel.signals))


def later(parcel: Parcel) -> Fate:
    """Nothing is taken now."""
    return Fate(again=tuple(range(len(parcel.signals))))


def told_to(carrier: Carrier, count: int, *, pace: Pace = AT_ONCE, room: int = 100) -> Outbox:
    """An outbox that was told so many signals."""
    outbox = Outbox(carrier, room=room, pace=pace)
    outbox.tell(lines(count))
    return outbox


def test_outbox_sends_what_it_is_told() -> None:
    """In order, in parcels of bounded size."""
    carrier = Carrier()
    outbox = told_to(carrier, PARCEL + 5, room=1000)
    outbox.tell(lines(1))
    assert outbox.close(PATIENT_S) == Delivery(sent=PARCEL + 6)
    assert len(carrier.parcels[0].signals) == PARCEL
    assert carrier.texts == [str(number) for number in range(PARCEL + 5)] + ["0"]


def test_outbox_that_was_told_nothing_has_nothing_to_do() -> None:
    """No thread, no request."""
    carrier, before = Carrier(), threading.active_count()
    outbox = told_to(carrier, 0)
    assert threading.active_count() == before
    assert outbox.close(PATIENT_S) == Delivery()
    assert carrier.parcels == []


def test_closing_again_is_the_same() -> None:
    """And what is told after it is not taken."""
    outbox = told_to(Carrier(), 2)
    found = outbox.close(PATIENT_S)
    outbox.tell(lines(3))
    assert outbox.close(0.0) == found == Delivery(sent=2)


def test_what_is_not_taken_is_tried_again() -> None:
    """As often as it needs; each further try of a signal is counted."""
    carrier = Carrier(later, later)
    assert told_to(carrier, 3).close(PATIENT_S) == Delivery(sent=3, retried=6)


def test_outbox_that_is_full_drops_the_oldest() -> None:
    """Whoever tells neither waits nor hears of it."""
    gate = threading.Event()

    def hold(parcel: Parcel) -> Fate:
        gate.wait()
        return Fate(sent=len(parcel.signals))

    carrier = Carrier(hold)
    outbox = told_to(carrier, 1, room=4)
    assert carrier.came.acquire(timeout=PATIENT_S)
    outbox.tell(lines(10))
    gate.set()
    assert outbox.close(PATIENT_S) == Delivery(sent=5, dropped=6)
    assert carrier.texts == ["0", "6", "7", "8", "9"]


def test_closing_waits_for_no_carrier_that_hangs() -> None:
    """What it has in its hands is dropped with the rest, and what it says later is not heard."""
    gate, ended = threading.Event(), threading.Event()

    def hang(parcel: Parcel) -> Fate:
        gate.wait()
        ended.set()
        return Fate(sent=len(parcel.signals))

    carrier = Carrier(hang)
    outbox = told_to(carrier, 2)
    assert carrier.came.acquire(timeout=PATIENT_S)
    outbox.tell(lines(3))
    assert outbox.close(0.01) == Delivery(dropped=5)
    gate.set()
    assert ended.wait(PATIENT_S)
    assert outbox.close(PATIENT_S) == Delivery(dropped=5)
    assert len(carrier.parcels) == 1


def waiting_outbox(carrier: Carrier, wait_s: float) -> Outbox:
    """An outbox that has just begun to leave its endpoint alone for so long."""
    waits = threading.Event()

    def chance() -> float:
        waits.set()
        return 0.0

    outbox = told_to(carrier, 1, pace=Pace(first_s=wait_s, most_s=wait_s, chance=chance))
    assert waits.wait(PATIENT_S)
    return outbox


def test_closing_tries_once_more_where_the_wait_is_longer() -> None:
    """The last chance is taken at once."""
    carrier = Carrier(later)
    assert waiting_outbox(carrier, 3600.0).close(PATIENT_S) == Delivery(sent=1, retried=1)


def test_closing_does_not_sit_out_a_wait_that_is_longer() -> None:
    """After the last try what is left is dropped, well before the time is over."""
    carrier = Carrier(later, later)
    assert waiting_outbox(carrier, 3600.0).close(1800.0) == Delivery(retried=1, dropped=1)
    assert len(carrier.parcels) == 2


def test_carrier_that_breaks_loses_one_parcel(caplog: pytest.LogCaptureFixture) -> None:
    """What is told after it is sent."""

    def broken(_: Parcel) -> Fate:
        raise ZeroDivisionError

    carrier = Carrier(broken)
    with caplog.at_level(logging.ERROR, "certfleet.telemetry"):
        outbox = told_to(carrier, 2)
        assert carrier.came.acquire(timeout=PATIENT_S)
        outbox.tell(lines(1))
        found = outbox.close(PATIENT_S)
    assert (found.sent + found.dropped, found.dropped >= 2) == (3, True)
    assert "could not be sent" in caplog.text


def test_many_may_tell_at_once() -> None:
    """Nothing is lost or counted twice between them."""
    carrier = Carrier(later)
    outbox = Outbox(carrier, room=10_000, pace=AT_ONCE)
    tellers = [threading.Thread(target=lambda: [outbox.tell(lines(5)) for _ in range(50)]) for _ in range(8)]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join()
    found = outbox.close(PATIENT_S)
    assert (found.sent, found.dropped) == (2000, 0)


def test_pace_doubles_up_to_its_most() -> None:
    """Chance takes off half at most, and never less than the endpoint asked for."""
    steady = Pace(1.0, 30.0, chance=lambda: 0.0)
    assert [steady.delay_s(failures, None) for failures in (1, 2, 3, 6, 1000)] == [1.0, 2.0, 4.0, 30.0, 30.0]
    assert Pace(1.0, 30.0, chance=lambda: 1.0).delay_s(2, None) == 1.0
    assert steady.delay_s(1, 12.0) == 12.0
    assert steady.delay_s(6, 12.0) == 30.0
