"""A rate that is held, judged and changed: product section 3."""

import heapq
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.batch.rosters.roster import Drop, Go, Shape
from engine.batch.rosters.search import DISCARDED, DROPPED, RateSearch, Search
from engine.device.log import Log
from engine.errors import Outcome
from engine.measure.operation import DropReason, Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.threshold import parse_threshold

SERIES = Series(Operation.CERT_ISSUED, Phase.STEADY, "hub")
THROTTLED = parse_threshold("cert.issued:throttled", "share>0.05")
HOLD_S = 12.0


def make(shape, *, start=1.0, step=2.0, stop_when=THROTTLED, **search):
    return RateSearch(Search(start, step, HOLD_S, 1.0, stop_when, **search), shape)


class Pool:
    """Devices that answer after latency_s, or are throttled where more than knee starts came within a second."""

    def __init__(self, roster, *, knee=math.inf, latency_s=0.2, rest_s=0.0, origin=100.0):
        self.roster, self.knee, self.latency_s, self.rest_s = roster, knee, latency_s, rest_s
        self.origin, self.now, self.running = origin, 0.0, []
        self.calls, self.started, self.tokens, self.at = [], [], knee, 0.0

    def run(self, until=math.inf):
        """Until the search is over, or so long."""
        while self.now < until:
            due = self.roster.next_due()
            ends = self.running[0][0] if self.running else math.inf
            if min(due, ends) == math.inf:
                break
            self.now = max(self.now, min(due, ends, until))
            while self.running and self.running[0][0] <= self.now:
                self._end(*heapq.heappop(self.running))
            for call in self.roster.calls(self.now):
                self._take(call)
        return self

    def _take(self, call):
        self.calls.append(call)
        if isinstance(call, Drop):
            sample = Sample(SERIES, self.origin + call.due, None, self.origin + self.now, Outcome.DROPPED, call.reason)
            self.roster.observe(Log(samples=[sample]), origin=self.origin)
            return
        assert call.device not in {device for _, device, *_ in self.running}
        self.started.append(self.now)
        self.tokens = min(max(1.0, self.knee), self.tokens + (self.now - self.at) * self.knee)
        self.at = self.now
        fits = self.knee == math.inf or self.tokens >= 1.0
        self.tokens -= fits
        heapq.heappush(self.running, (self.now + self.latency_s, call.device, call.due, fits, call.point))

    def _end(self, at, device, due, fits, _point):
        outcome = Outcome.OK if fits else Outcome.THROTTLED
        sample = Sample(SERIES, self.origin + due, self.origin + due, self.origin + at, outcome)
        self.roster.observe(Log(started=[(SERIES, due)], samples=[sample]), origin=self.origin)
        self.roster.free(device, 0.0 if fits else self.rest_s)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.3, 30.0), st.sampled_from([1.2, 1.5, 2.0, 4.0]), st.floats(0.0, 1.0))
def test_search_finds_the_knee(knee, step, latency_s):
    """With devices enough every point is handed out exactly once, and the knee is where the pool has it."""
    roster = make(Shape(400), step=step)
    pool = Pool(roster, knee=knee, latency_s=latency_s).run()
    found = roster.findings()
    assert found["knee"]["limitedBy"] == "service"
    assert sorted(call.point for call in pool.calls) == list(range(len(pool.calls)))
    held, failed = found["knee"]["held"] or 0.0, found["knee"]["failed"]
    assert held < failed
    slack = 3.0 / HOLD_S  # a bucket that starts full, and the few starts that a hold has
    assert held <= knee * 1.2 + slack
    assert failed >= knee * 0.8 - slack
    for point in found["curve"]:
        assert point["held"] is not (point["value"] is not None and point["value"] > 0.05)
        assert point["endS"] == pytest.approx(point["beginS"] + HOLD_S, abs=2e-3)


def test_search_begins_with_its_first_rate():
    """Starts are evenly spaced from the load's start on, and the first of the next rate follows at the hold's end."""
    pool = Pool(make(Shape(20), start=0.5, step=2.0)).run(until=13.5)
    assert pool.started == pytest.approx([*(2.0 * n for n in range(6)), 12.0, 13.0])


def test_first_quarter_of_a_hold_is_not_measured():
    """What is throttled there does not count, and neither does what is dropped."""
    for at, holds in ((DISCARDED * HOLD_S - 0.01, True), (DISCARDED * HOLD_S, False)):
        roster = make(Shape(50), start=10.0)
        for n in range(int(HOLD_S * 10)):
            for call in roster.calls(n / 10):
                roster.free(call.device)
        sample = Sample(SERIES, at, at, at + 0.1, Outcome.THROTTLED)
        roster.observe(Log(samples=[sample]), origin=0.0)
        roster.calls(HOLD_S)
        (judged,) = roster.findings()["curve"]
        assert judged["held"] is holds
        assert judged["starts"] == pytest.approx(90, abs=1)


def test_starts_without_an_answer_are_part_of_the_share():
    """A throttled one among many that are still out is a small share, however few have ended."""
    roster = make(Shape(200), start=10.0)
    for n in range(int(HOLD_S * 10)):
        roster.calls(n / 10)
    roster.observe(Log(samples=[Sample(SERIES, 5.0, 5.0, 5.1, Outcome.THROTTLED)]), origin=0.0)
    roster.calls(HOLD_S)
    (judged,) = roster.findings()["curve"]
    assert judged["value"] == pytest.approx(1 / 90, rel=0.05)
    assert judged["held"]


def test_overdue_starts_count_as_failed():
    """A service that has fallen silent does not hold a rate (rule 5)."""
    for overdue_s, holds in ((math.inf, True), (3.0, False)):
        roster = make(Shape(400), stop_when=parse_threshold("cert.issued", "fail_rate>0.5"), overdue_s=overdue_s)
        Pool(roster, latency_s=math.inf).run(until=HOLD_S)
        (judged,) = roster.findings()["curve"]
        assert judged["held"] is holds


def test_next_rate_waits_for_the_backlog_at_most_a_hold():
    """It begins when all devices are free, or when another hold has passed."""
    for latency_s, begins in ((5.0, HOLD_S + 5.0), (500.0, 2 * HOLD_S)):
        roster = make(Shape(400), start=2.0, stop_when=parse_threshold("cert.issued", "count<1000"))
        pool = Pool(roster, latency_s=latency_s).run(until=2 * HOLD_S + 1)
        assert next(at for at in pool.started if at >= HOLD_S) == pytest.approx(begins, abs=0.6)


def test_next_rate_waits_for_devices_that_rest():
    """A device that was told to come back later is not free for the next rate either."""
    for rests, begins in ((True, HOLD_S - 0.5 + 0.2 + 7.0), (False, HOLD_S)):
        roster = make(Shape(50, rests=rests), start=2.0, stop_when=parse_threshold("cert.issued:throttled", "share>0"))
        pool = Pool(roster, knee=0.01, rest_s=7.0).run(until=2 * HOLD_S)
        assert next(at for at in pool.started if at >= HOLD_S) == pytest.approx(begins, abs=0.3)


def test_device_that_rests_is_not_started():
    """Throttled devices keep away as long as they were told; where too few are left, that limits the search."""
    roster = make(Shape(3, rests=True))
    pool = Pool(roster, knee=0.01, rest_s=60.0).run(until=HOLD_S)
    assert sum(isinstance(call, Go) for call in pool.calls) == 3
    assert {call.reason for call in pool.calls if isinstance(call, Drop)} == {DropReason.NO_FREE_DEVICE}


def test_search_with_too_few_devices_is_limited_by_the_harness():
    """More than one start in a hundred dropped: over, and no knee, though the rate before held."""
    roster = make(Shape(4))
    pool = Pool(roster, latency_s=1.5).run()
    found = roster.findings()
    assert found["knee"] == {"held": 2.0, "failed": None, "limitedBy": "harness"}
    last = found["curve"][-1]
    assert (last["rate"], last["held"]) == (4.0, False)
    assert last["dropped"] > DROPPED * last["starts"]
    assert sorted(call.point for call in pool.calls) == list(range(len(pool.calls)))
    assert (roster.next_due(), roster.calls(1e6)) == (math.inf, [])


def test_devices_that_are_not_ready_limit_a_search():
    """Their share of the starts is dropped at every rate."""
    roster = make(Shape(10, frozenset({3})))
    Pool(roster).run()
    assert roster.findings()["knee"] == {"held": None, "failed": None, "limitedBy": "harness"}


def test_search_that_is_closed_is_limited_by_time():
    """In a hold, and while the backlog drains: nothing starts any more, and what is known is told."""
    for until in (5.0, HOLD_S + 0.1):
        roster = make(Shape(50), start=4.0)
        pool = Pool(roster, knee=0.5, latency_s=2.0).run(until=until)
        assert roster.findings()["knee"]["limitedBy"] is None
        roster.close()
        assert roster.findings()["knee"]["limitedBy"] == "time"
        assert len(roster.findings()["curve"]) == (until > HOLD_S)
        assert roster.next_due() == math.inf
        assert roster.calls(until + 100.0) == []
        assert pool.calls


def test_search_that_is_over_stays_so_for_the_next_holder():
    """It does not begin again, and tells the same."""
    roster = make(Shape(100))
    Pool(roster, knee=3.0).run()
    again = make(Shape(100, state=json.loads(json.dumps(roster.state()))))
    assert (again.next_due(), again.calls(1e6), again.close()) == (math.inf, [], [])
    assert again.findings() == roster.findings()


@settings(max_examples=60, deadline=None)
@given(st.floats(0.5, 100.0))
def test_search_holds_the_interrupted_rate_once_more(died_at):
    """Whenever its holder dies: rates that were judged stay judged, the one under way begins anew, and none is lost."""
    first = make(Shape(200))
    before = Pool(first, knee=5.0).run(until=died_at)
    over = first.next_due() == math.inf
    rate = first.state()["ladder"]["rate"]
    judged = first.findings()["curve"]
    second = make(Shape(200, state=json.loads(json.dumps(first.state()))))
    after = Pool(second, knee=5.0)
    after.now = before.now + 20.0
    after.run()
    found = second.findings()
    assert found["curve"][: len(judged)] == judged
    if not over:
        assert found["curve"][len(judged)]["rate"] == rate
        assert found["curve"][len(judged)]["beginS"] == pytest.approx(before.now + 20.0, abs=1e-3)
    out = {point for *_, point in before.running}
    points = [call.point for call in before.calls if call.point not in out]
    points += [call.point for call in [*after.calls, *second.close()]]
    assert sorted(points) == list(range(len(points)))
    assert found["knee"]["limitedBy"] == "service"
