"""Whole iterations, folded twice."""

import pytest

from engine.batch.ledger import PIECE_WINDOWS, QUIET, Ledger, dropped
from engine.device.log import Log, Open
from engine.errors import Outcome
from engine.measure.operation import DropReason, Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.tally import Tally, conservation
from engine.measure.timeline import Timeline

SERIES = Series(Operation.ITERATION, Phase.STEADY, "hub")


def a_log(at, *, ended=None, outcome=Outcome.OK):
    """One operation that was started, with a retry and an unmatched answer."""
    sample = Sample(SERIES, at, at, at + 1.0 if ended is None else ended, outcome)
    return Log([(SERIES, at)], [], [sample], [(SERIES, at)], [(SERIES, at)])


def merged(ledger):
    """What a reader of the encoded pieces sees."""
    first, *others = [Timeline.decode(body) for body in ledger.encoded()]
    for other in others:
        first.merge(other)
    return first


def test_ledger_moves_all_times_to_the_loads_start():
    """Logs wait until it is known; what came before lies in windows below zero."""
    ledger = Ledger(Timeline(10.0), 3)
    ledger.commit(a_log(995.0, ended=1005.0))
    assert ledger.timeline().windows == {}
    assert ledger.iterations_due() == 1
    ledger.begin(1000.0)
    ledger.commit(a_log(1021.0))
    windows = ledger.timeline().windows
    assert sorted(windows) == [-1, 0, 2]
    before, after = windows[-1].series[SERIES], windows[0].series[SERIES]
    assert (before.due, before.started, before.retries, before.unmatched, before.ended) == (1, 1, 1, 1, 0)
    assert (after.due, after.ended) == (0, 1)
    assert after.intended.max_ns == 10 * 10**9


def test_ledger_folds_the_same_twice():
    """The running total is the timeline's, drops included."""
    ledger = Ledger(Timeline(10.0), 3)
    ledger.begin(0.0)
    ledger.commit(a_log(1.0))
    ledger.commit(dropped([SERIES], 5.0, now=6.0, reason=DropReason.BUSY))
    ledger.record([Sample(SERIES, 7.0, 7.0, 8.0, Outcome.SERVER, "503")])
    total = ledger.timeline().total()
    assert total.encode() == ledger.total.encode()
    assert conservation(total) == []
    assert (ledger.iterations_due(), total.select(Operation.ITERATION).dropped) == (3, 1)


def test_ledger_goes_on_from_what_was_measured_before():
    """The earlier timeline is counted in, and is not changed."""
    first = Ledger(Timeline(10.0), 3)
    first.begin(0.0)
    first.commit(a_log(1.0))
    before = first.timeline()
    second = Ledger(before, 3)
    second.begin(0.0)
    second.commit(a_log(2.0))
    assert second.iterations_due() == second.timeline().total().select(Operation.ITERATION).due == 2
    assert before.total().select(Operation.ITERATION).due == 1


def test_encoded_pieces_are_the_whole_timeline():
    """Whatever was added since the last time is in them, and what was not touched is not encoded again."""
    ledger = Ledger(Timeline(10.0), 3)
    ledger.begin(0.0)
    for n in range(4):
        ledger.commit(a_log(n * PIECE_WINDOWS * 10.0 + 1.0))
    first = ledger.encoded()
    assert merged(ledger).encode() == ledger.timeline().encode()
    ledger.commit(a_log(3.0))
    second = ledger.encoded()
    assert sum(any(old is new for new in second) for old in first) == len(first) - 1
    assert merged(ledger).encode() == ledger.timeline().encode()


def test_ledger_leaves_as_it_was_what_it_goes_on_from():
    """Its windows are this ledger's own, so that they leave like all others."""
    before = Timeline(10.0)
    before.begin(SERIES, 1.0)
    before.begin(SERIES, 301.0)
    ledger = Ledger(before, 3)
    ledger.begin(0.0)
    ledger.commit(a_log(2.0))
    assert before.total().select(Operation.ITERATION).due == 2
    for _ in range(QUIET + 1):
        ledger.encoded()
    assert len(ledger.leaving()) == 2


def test_quiet_pieces_leave():
    """A long run holds few windows; one that is added to again is counted all the same, as another piece."""
    ledger = Ledger(Timeline(10.0), 3)
    ledger.begin(0.0)
    for n in range(4):
        ledger.commit(a_log(n * PIECE_WINDOWS * 10.0 + 1.0))
    for _ in range(QUIET + 1):
        ledger.encoded()
    assert [number for number, _ in ledger.leaving()] == [0, 1, 2, 3]
    assert ledger.total.select(Operation.ITERATION).due == 4
    ledger.commit(a_log(3.0))
    assert merged(ledger).encode() == ledger.timeline().encode()
    assert ledger.timeline().total().select(Operation.ITERATION).due == ledger.iterations_due() == 5


def test_what_has_left_is_forgotten_when_it_is_kept():
    """Only the pieces that are said to be; what all of it adds up to stays known."""
    ledger = Ledger(Timeline(10.0), 3)
    ledger.begin(0.0)
    for n in range(3):
        ledger.commit(a_log(n * PIECE_WINDOWS * 10.0 + 1.0))
    for _ in range(QUIET + 1):
        ledger.encoded()
    total, pieces = ledger.total.encode(), dict(ledger.leaving())
    ledger.forget(2)
    ledger.forget(2)
    assert [number for number, _ in ledger.leaving()] == [2]
    assert ledger.past.select(Operation.ITERATION).due == 2
    assert ledger.total.encode() == total
    whole = ledger.timeline()
    assert whole.total().select(Operation.ITERATION).due == 1
    for number in (0, 1):
        whole.merge(Timeline.decode(pieces[number]))
    assert whole.total().encode() == total


def test_ledger_goes_on_from_what_had_left():
    """Its total and its iterations are in the next one's, its windows are not."""
    past = Tally()
    past.due(SERIES, 7)
    ledger = Ledger(Timeline(10.0), 3, past)
    ledger.begin(0.0)
    ledger.commit(a_log(1.0))
    assert ledger.iterations_due() == ledger.total.select(Operation.ITERATION).due == 8
    assert ledger.timeline().total().select(Operation.ITERATION).due == 1
    assert past.select(Operation.ITERATION).due == 7


def test_ledger_keeps_as_many_failure_samples_as_asked():
    """More than usual is possible."""
    ledger = Ledger(Timeline(10.0, 5), 5)
    ledger.begin(0.0)
    ledger.record([Sample(SERIES, float(n), float(n), n + 1.0, Outcome.SERVER, "503", "", f"d-{n}") for n in range(9)])
    (failures,) = ledger.timeline().total().select(Operation.ITERATION).failures.values()
    assert len(failures.samples) == 5


def test_view_adds_what_is_under_way_and_changes_nothing():
    """People who watch see open operations started, and the overdue ones among them."""
    ledger = Ledger(Timeline(10.0), 3)
    ledger.commit(a_log(0.0))
    under_way = Log(started=[(SERIES, 1.0), (SERIES, 2.0)])
    waiting = [Open(SERIES, 1.0, 1.0, deadline=5.0), Open(SERIES, 2.0, 2.0, deadline=9.0)]
    counts = ledger.view([under_way], waiting, now=6.0).select(Operation.ITERATION)
    assert (counts.due, counts.in_flight, counts.overdue) == (3, 2, 1)
    assert ledger.total.select(Operation.ITERATION).due == 1


@pytest.mark.parametrize("reason", [DropReason.BUSY, DropReason.BEHIND])
def test_dropped_counts_for_every_series_given(reason):
    """The iteration and the main operation alike (product rule 1)."""
    main = Series(Operation.CERT_ISSUED, Phase.STEADY)
    log = dropped([SERIES, main], 5.0, now=6.0, reason=reason)
    assert log.dropped == [(SERIES, 5.0), (main, 5.0)]
    assert {(s.began, s.ended, s.outcome, s.code) for s in log.samples} == {(None, 6.0, Outcome.DROPPED, reason)}


def test_ledger_shows_in_which_windows_a_wait_was_overdue():
    """From its deadline until it settled, window by window; over the whole run nothing is overdue any more."""
    ledger = Ledger(Timeline(10.0), 3)
    ledger.begin(100.0)
    log = a_log(101.0, ended=134.0, outcome=Outcome.LATE)
    log.overdue.append((SERIES, 112.0, 134.0))
    ledger.commit(log)
    assert [row.overdue for row in merged(ledger).rows()] == [0, 1, 1, 0]
    assert ledger.timeline().total().select(Operation.ITERATION).overdue == 0
