"""When a run ends before its time."""

import pytest

from engine.errors import Outcome
from engine.measure.measured import Measured
from engine.measure.operation import DropReason, Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.stopping import LEAST_STARTS, LOOK_BACK_S, Limit, Watch, broken, overrun, watch_for
from engine.measure.threshold import Threshold, parse_threshold
from engine.measure.timeline import Timeline

ISSUED = Series(Operation.CERT_ISSUED, Phase.STEADY)
LIMIT = Limit(Operation.CERT_ISSUED, 90.0, 60.0)
STEADY_S = {Phase.STEADY: 600.0}


def _timeline(*ends: tuple[float, Outcome], series: Series = ISSUED, interval_s: float = 10.0) -> Timeline:
    """Starts that ended so a second after they began."""
    timeline = Timeline(interval_s, 0)
    for at, outcome in ends:
        timeline.due(series, at)
        if outcome is not Outcome.DROPPED:
            timeline.start(series, at)
        began = None if outcome is Outcome.DROPPED else at
        timeline.settle(Sample(series, at, began, at + 1.0, outcome, DropReason.STEP_FAILED))
    return timeline


def _every(second_s: float, until_s: float, outcome: Outcome = Outcome.OK, since_s: float = 0.0) -> Timeline:
    """One start every so many seconds."""
    many = int((until_s - since_s) / second_s)
    return _timeline(*((since_s + n * second_s, outcome) for n in range(many)))


def _threshold(expr: str, window_s: float | None = None, delay_s: float = 0.0, *, aborts: bool = True) -> Threshold:
    return parse_threshold("cert.issued", expr, window_s=window_s, delay_s=delay_s, abort_on_fail=aborts)


def _overrun(timeline: Timeline, whole: int, *, limit: Limit = LIMIT, since_s: float = 0.0) -> str:
    return overrun(limit, timeline, whole=whole, since_s=since_s)


def test_run_whose_starts_fail_is_over() -> None:
    """It is said of what, how many, when and what the limit is."""
    timeline = _every(2.0, 100.0, Outcome.SERVER)
    timeline.merge(_timeline((41.0, Outcome.OK), (51.0, Outcome.OK)))
    assert _overrun(timeline, 10) == "autoStop: 93.8 % of cert.issued failed in 40 … 100 s, limit 90 %"


@pytest.mark.parametrize("bad", [Outcome.SERVER, Outcome.THROTTLED, Outcome.LATE, Outcome.LOST, Outcome.TIMEOUT])
def test_whatever_is_no_success_counts(bad: Outcome) -> None:
    """Failed, late and lost alike."""
    assert _overrun(_every(2.0, 60.0, bad), 6)


def test_healthy_run_goes_on() -> None:
    """As does one whose failures stay below the limit."""
    assert _overrun(_every(1.0, 60.0), 6) == ""
    half = _every(2.0, 60.0)
    half.merge(_every(2.0, 60.0, Outcome.SERVER))
    assert _overrun(half, 6) == ""


def test_share_that_reaches_the_limit_is_too_much() -> None:
    """So that 100 % is a limit, too."""
    limit = Limit(Operation.CERT_ISSUED, 100.0, 60.0)
    assert "100 % of cert.issued failed" in _overrun(_every(2.0, 60.0, Outcome.SERVER), 6, limit=limit)


def test_only_whole_time_windows_of_the_load_are_judged() -> None:
    """Not less than one, not what came before it, not what is not whole yet, not what others measured."""
    timeline = _every(2.0, 60.0, Outcome.SERVER)
    assert _overrun(timeline, 5) == ""
    assert _overrun(timeline, 6, since_s=0.5) == ""
    timeline.merge(_every(1.0, 130.0, since_s=60.0))
    assert _overrun(timeline, 12) == ""
    late = _every(1.0, 60.0)
    late.merge(_every(0.01, 70.0, Outcome.SERVER, since_s=60.0))
    assert _overrun(late, 6) == ""


def test_hardly_any_starts_say_nothing() -> None:
    """Fewer than the least number are noise; none at all are no failure."""
    few = _timeline(*((n * 5.0, Outcome.SERVER) for n in range(LEAST_STARTS - 1)))
    assert _overrun(few, 6) == ""
    few.merge(_timeline((50.0, Outcome.SERVER)))
    assert _overrun(few, 6)
    assert _overrun(few, 30) == ""


def test_service_that_hangs_ends_the_run() -> None:
    """Whatever was overdue when the window ended, though it began long before and nothing else happens any more."""
    timeline = Timeline(10.0, 0)
    for n in range(LEAST_STARTS):
        timeline.begin(ISSUED, float(n))
        timeline.overdue(ISSUED, 25.0 + n)
    assert _overrun(timeline, 6) == "autoStop: 100 % of cert.issued failed in 0 … 60 s, limit 90 %"
    assert _overrun(timeline, 12) == "autoStop: 100 % of cert.issued failed in 60 … 120 s, limit 90 %"
    for n in range(LEAST_STARTS):
        timeline.overdue(ISSUED, 61.0 + n, -1)
        timeline.settle(Sample(ISSUED, float(n), float(n), 61.0 + n, Outcome.LATE))
    assert "in 60 … 120 s" in _overrun(timeline, 12)
    assert _overrun(timeline, 13) == ""


def test_start_that_was_never_reached_went_wrong() -> None:
    """When nobody can connect no certificate is asked for; a start that found no device is another matter."""
    assert "100 % of cert.issued" in _overrun(_every(2.0, 60.0, Outcome.DROPPED), 6)
    busy = Timeline(10.0, 0)
    for n in range(50):
        busy.due(ISSUED, float(n))
        busy.settle(Sample(ISSUED, float(n), None, float(n), Outcome.DROPPED, DropReason.BUSY))
    assert _overrun(busy, 6) == ""


def test_cancelled_starts_are_nobodys_fault() -> None:
    """They are not among those that could have failed."""
    assert _overrun(_every(2.0, 60.0, Outcome.CANCELLED), 6) == ""


def test_outcomes_that_are_sought_do_not_end_the_run() -> None:
    """Throttling, where that is the test; other failures still do."""
    limit = Limit(Operation.CERT_ISSUED, 90.0, 60.0, frozenset({Outcome.THROTTLED}))
    assert _overrun(_every(1.0, 60.0, Outcome.THROTTLED), 6, limit=limit) == ""
    assert _overrun(_every(1.0, 60.0, Outcome.SERVER), 6, limit=limit)


def test_set_up_work_ends_no_run() -> None:
    """Only the load is judged."""
    prepared = Series(Operation.CERT_ISSUED, Phase.PREPARE)
    ends = [(float(n), Outcome.SERVER) for n in range(60)]
    assert _overrun(_timeline(*ends, series=prepared), 6) == ""


def test_time_window_shorter_than_an_interval_is_one() -> None:
    """Nothing shorter is known."""
    limit = Limit(Operation.CERT_ISSUED, 90.0, 10.0)
    timeline = _timeline(*((float(n), Outcome.SERVER) for n in range(50)), interval_s=60.0)
    assert "in 0 … 60 s" in overrun(limit, timeline, whole=1, since_s=0.0)


def _broken(thresholds: list[Threshold], timeline: Timeline, whole: int, *, since_s: float = 0.0) -> list[str]:
    return broken(thresholds, timeline, whole=whole, since_s=since_s, durations_s={Phase.STEADY: whole * 10.0})


def test_threshold_that_aborts_is_told_when_it_fails() -> None:
    """Every one that does, and none that is judged at the end only."""
    timeline = _every(2.0, 60.0, Outcome.SERVER)
    thresholds = [
        _threshold("fail_rate<0.5"),
        _threshold("fail_rate<0.4", aborts=False),
        _threshold("fail_rate<=1", window_s=10.0),
        _threshold("count<5", window_s=20.0),
    ]
    assert _broken(thresholds, timeline, 6) == [
        "abortOnFail: cert.issued fail_rate<0.5: found 1",
        "abortOnFail: cert.issued count<5: found 10 in 0 … 20 s, the worst of 5 windows, 5 of which failed",
    ]


def test_window_is_judged_only_while_it_is_young() -> None:
    """What was let pass for long enough is not held against the run later; a threshold of the whole run is."""
    timeline = _timeline(*((n * 2.0, Outcome.SERVER) for n in range(5)))
    timeline.merge(_every(2.0, 600.0, since_s=10.0))
    young = int(10.0 + LOOK_BACK_S) // 10
    assert _broken([_threshold("fail_rate<0.5", window_s=10.0)], timeline, young)
    assert _broken([_threshold("fail_rate<0.5", window_s=10.0)], timeline, young + 1) == []
    assert _broken([_threshold("fail_rate==0")], timeline, 60)


def test_what_is_not_whole_is_not_judged() -> None:
    """A rate is that of whole windows, and nothing that came after them."""
    timeline = _every(1.0, 60.0)
    timeline.merge(_every(0.1, 65.0, Outcome.SERVER, since_s=61.0))
    assert _broken([_threshold("rate>=0.9"), _threshold("fail_rate==0")], timeline, 6) == []
    assert len(_broken([_threshold("rate>=1.1"), _threshold("count<59")], timeline, 6)) == 2


def test_window_waits_for_its_length_from_where_it_may_look() -> None:
    """After the delay, and after what was measured by others."""
    timeline = _every(1.0, 200.0, Outcome.SERVER)
    late = [_threshold("fail_rate<0.5", window_s=60.0, delay_s=30.0)]
    assert _broken(late, timeline, 8) == []
    assert _broken(late, timeline, 9)
    assert _broken(late, timeline, 16, since_s=110.0) == []
    assert _broken(late, timeline, 17, since_s=110.0)
    assert _broken([_threshold("fail_rate<0.5")], timeline, 11, since_s=110.0) == []


def test_threshold_against_a_baseline_is_judged_by_the_baselines_whole_load() -> None:
    """However far into this run the judge looks; without a baseline it is skipped."""
    thresholds = [_threshold("max<=2*baseline", window_s=10.0)]
    timeline, baseline = _every(1.0, 300.0), Measured(_every(1.0, 50.0), STEADY_S)
    spent = {Phase.STEADY: 300.0}
    judged = {"whole": 30, "since_s": 0.0, "durations_s": spent}
    assert broken(thresholds, timeline, **judged, baseline=baseline) == []  # type: ignore[arg-type]
    strict = [_threshold("max<=0.5*baseline", window_s=10.0)]
    (line,) = broken(strict, timeline, **judged, baseline=baseline)  # type: ignore[arg-type]
    assert "the baseline had 1000" in line
    assert broken(strict, timeline, **judged) == []  # type: ignore[arg-type]


def test_what_is_watched_is_what_may_end_the_run() -> None:
    """The operations of autoStop and, with their latencies, of thresholds that abort, as far as they look back."""
    connect = parse_threshold("hub.connect", "max<5", window_s=300, delay_s=40, abort_on_fail=True)
    assert watch_for(None, [_threshold("max<5", aborts=False)]) is None
    issued, connects = frozenset({Operation.CERT_ISSUED}), frozenset({Operation.HUB_CONNECT})
    assert watch_for(LIMIT, []) == Watch(issued, frozenset(), 0.0, 60.0 + 2 * LOOK_BACK_S)
    assert watch_for(None, [_threshold("max<5", delay_s=9.0)]) == Watch(issued, issued, 9.0, 2 * LOOK_BACK_S)
    assert watch_for(LIMIT, [connect]) == Watch(issued | connects, connects, 40.0, 300.0 + 2 * LOOK_BACK_S)
