import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Outcome
from engine.measure import evaluation
from engine.measure.evaluation import LOAD, Judged, breached, judge_threshold, judged_phases, spent_s
from engine.measure.measured import Measured
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.threshold import parse_threshold
from engine.measure.timeline import Timeline

STEADY = Series(Operation.HUB_CONNECT, Phase.STEADY, "a.example")
PREPARED = Series(Operation.HUB_CONNECT, Phase.PREPARE, "a.example")
REGISTERED = Series(Operation.DPS_REGISTER, Phase.PREPARE)

DURATIONS_S = {Phase.PREPARE: 20.0, Phase.RAMP: 20.0, Phase.STEADY: 40.0, Phase.DRAIN: 300.0}


def _add(
    timeline: Timeline,
    at: float,
    outcome: Outcome = Outcome.OK,
    *,
    series: Series = STEADY,
    took_s: float = 0.1,
    slip_s: float = 0.0,
) -> None:
    timeline.due(series, at)
    if outcome is not Outcome.DROPPED:
        timeline.start(series, at + slip_s)
    end = at + slip_s + took_s
    timeline.settle(Sample(series, at, at + slip_s, end, outcome, parts=(("tls", took_s / 2),)))


def _steps(*tooks_s: float) -> Timeline:
    """One ok per 10 s window, each taking as long as given."""
    timeline = Timeline(10)
    for index, took_s in enumerate(tooks_s):
        _add(timeline, index * 10 + 1.0, took_s=took_s)
    return timeline


def _judge(
    timeline: Timeline,
    expr: str,
    *,
    metric: str = "hub.connect",
    window_s: float | None = None,
    delay_s: float = 0.0,
    before: Timeline | None = None,
) -> Judged:
    """The judgement; before is what the baseline measured."""
    threshold = parse_threshold(metric, expr, window_s=window_s, delay_s=delay_s)
    baseline = None if before is None else Measured(before, DURATIONS_S)
    return judge_threshold(threshold, timeline, durations_s=DURATIONS_S, baseline=baseline)


@pytest.mark.parametrize(
    ("metric", "expr", "value"),
    [
        ("hub.connect", "p(50)<=1", 1200.0),
        ("hub.connect", "p(100)<=1", 1400.0),
        ("hub.connect", "med<=1", 1200.0),
        ("hub.connect", "avg<=1", 1200.0),
        ("hub.connect", "min<=1", 1000.0),
        ("hub.connect", "max<=1", 1400.0),
        ("hub.connect@actual", "max<=1", 400.0),
        ("hub.connect.tls", "max<=1", 200.0),
        ("hub.connect.tls", "count>=1", 3.0),
        ("hub.connect.tls", "rate>=1", 0.05),
        ("hub.connect.suback", "count>=1", 0.0),
        ("hub.connect", "count>=1", 5.0),
        ("hub.connect", "rate>=1", 5 / 60),
        ("hub.connect:dropped", "count>=1", 1.0),
        ("hub.connect:dropped", "share>=1", 1 / 6),
        ("hub.connect:server", "rate>=1", 1 / 60),
        ("hub.connect", "fail_rate>=1", 2 / 5),
    ],
)
def test_judge_threshold_finds_every_aggregate(metric: str, expr: str, value: float) -> None:
    """Three ok of 200, 0 and 400 ms, a second late each, a failure, a lost and a dropped start in 60 s of load."""
    timeline = Timeline(10)
    for at, took_s in ((1.0, 0.2), (2.0, 0.0), (3.0, 0.4)):
        _add(timeline, at, took_s=took_s, slip_s=1.0)
    for at, outcome in ((4.0, Outcome.SERVER), (5.0, Outcome.LOST), (6.0, Outcome.DROPPED)):
        _add(timeline, at, outcome)
    assert _judge(timeline, expr, metric=metric).value == pytest.approx(value, rel=0.0101)


def test_judge_threshold_says_what_it_found() -> None:
    """The text holds the threshold and the number with its unit."""
    timeline = _steps(0.25)
    assert _judge(timeline, "max<=250") == Judged(
        parse_threshold("hub.connect", "max<=250"), True, 250.0, "hub.connect max<=250: found 250 ms"
    )
    assert _judge(timeline, "rate>1").text == "hub.connect rate>1: found 0.0166667/s"
    assert _judge(timeline, "count>1").text == "hub.connect count>1: found 1"
    assert not _judge(timeline, "count>1").is_ok


def test_judge_threshold_leaves_prepare_out() -> None:
    """Set-up work is not in the numbers of the load."""
    timeline = _steps(0.1)
    _add(timeline, -5.0, Outcome.SERVER, series=PREPARED)
    assert _judge(timeline, "fail_rate<0.01").is_ok


def test_judge_threshold_takes_prepare_when_there_is_nothing_else() -> None:
    """An operation that occurs only in prepare is judged there, its rate over prepare's seconds, windows too."""
    timeline = Timeline(10)
    for at in (-19.0, -18.0, -5.0):
        _add(timeline, at, series=REGISTERED)
    assert _judge(timeline, "rate>=0.15", metric="dps.register").value == 0.15
    judged = _judge(timeline, "count>=1", metric="dps.register", window_s=10)
    assert (judged.value, judged.window) == (1.0, (-10.0, 0.0))
    assert _judge(timeline, "count==1", metric="dps.register", delay_s=10).is_ok


def test_judge_threshold_without_data_fails() -> None:
    """What was never measured does not hold."""
    for metric, expr in (
        ("hub.connect", "p(95)<1"),
        ("hub.connect", "fail_rate<1"),
        ("hub.connect", "count==0"),
        ("hub.connect", "rate<1"),
        ("hub.connect.tls", "count==0"),
        ("hub.connect:lost", "share<1"),
    ):
        judged = _judge(Timeline(10), expr, metric=metric)
        assert (judged.is_ok, judged.value, judged.text) == (False, None, f"{metric} {expr}: no data")


def test_judge_threshold_counts_no_starts_with_an_outcome_as_none() -> None:
    """That nothing was lost holds also when nothing happened."""
    assert _judge(Timeline(10), "count==0", metric="hub.connect:lost").is_ok
    assert _judge(Timeline(10), "rate==0", metric="hub.connect:lost").is_ok


def test_judge_threshold_has_no_rate_without_time() -> None:
    """A number per second of no seconds is no number."""
    timeline = _steps(0.1)
    threshold = parse_threshold("hub.connect", "rate>=0")
    assert judge_threshold(threshold, timeline, durations_s={}).text.endswith("no data")


@pytest.mark.parametrize(
    ("before", "why"),
    [(None, "skipped, there is no baseline"), (Timeline(10), "skipped, the baseline has no data")],
)
def test_judge_threshold_skips_what_it_cannot_compare(before: Timeline | None, why: str) -> None:
    """Without a number to compare with a threshold does not fail, and has not held: it was not judged."""
    judged = _judge(_steps(0.1), "avg<=1.2*baseline", before=before)
    assert (judged.is_ok, judged.is_skipped, judged.value) == (True, True, None)
    assert (judged.baseline, judged.limit) == (None, None)
    assert judged.text == f"hub.connect avg<=1.2*baseline: {why}"


def test_judge_threshold_compares_with_the_baseline() -> None:
    """The limit is a multiple of the baseline's number; the text tells both."""
    judged = _judge(_steps(0.25), "max<=1.5*baseline", before=_steps(0.2))
    assert (judged.is_ok, judged.value, judged.baseline) == (True, 250.0, 200.0)
    assert judged.limit == pytest.approx(300.0)
    told = "found 250 ms; the baseline had 200 ms, so the limit is 300 ms"
    assert judged.text == f"hub.connect max<=1.5*baseline: {told}"
    assert not _judge(_steps(0.31), "max<=1.5*baseline", before=_steps(0.2)).is_ok


def test_judged_threshold_without_a_baseline_has_its_own_limit() -> None:
    """What was compared with is the expression's number."""
    assert _judge(_steps(0.25), "max<=250").limit == 250.0


@pytest.mark.parametrize(
    ("metric", "expr", "baseline"),
    [
        ("hub.connect", "count>=2*baseline", 4.0),
        ("hub.connect", "rate>=2*baseline", 4 / 60),
        ("hub.connect", "fail_rate<=2*baseline", 2 / 4),
        ("hub.connect:server", "share<=2*baseline", 1 / 5),
        ("hub.connect:server", "count<=2*baseline", 1.0),
        ("hub.connect:throttled", "count==2*baseline", 0.0),
        ("hub.connect.tls", "max<=2*baseline", 100.0),
        ("hub.connect@actual", "max<=2*baseline", 200.0),
    ],
)
def test_judge_threshold_compares_every_kind_of_number(metric: str, expr: str, baseline: float) -> None:
    """Counts, rates and shares of another run are limits as latencies are: two ok, one server, one lost, one drop."""
    before = Timeline(10)
    for at, outcome in enumerate((Outcome.OK, Outcome.OK, Outcome.SERVER, Outcome.LOST, Outcome.DROPPED)):
        _add(before, float(at), outcome, took_s=0.2)
    assert _judge(_steps(0.1), expr, metric=metric, before=before).baseline == pytest.approx(baseline)


def test_judge_threshold_compares_windows_with_the_baselines_whole_load() -> None:
    """Each window is held against what all of the baseline's load makes."""
    judged = _judge(_steps(0.1, 0.5, 0.1), "max<=1*baseline", window_s=10, before=_steps(0.1, 0.2, 0.4))
    assert (judged.is_ok, judged.baseline, judged.window) == (False, 400.0, (10.0, 20.0))
    assert judged.text.endswith(
        "found 500 ms in 10 … 20 s, the worst of 3 windows, 1 of which failed; "
        "the baseline had 400 ms, so the limit is 400 ms"
    )


def test_judge_threshold_leaves_out_the_baselines_begin_too() -> None:
    """What the delay forgives here it does not grant there."""
    judged = _judge(_steps(0.9, 0.1), "max<=1*baseline", delay_s=10, before=_steps(0.9, 0.1))
    assert (judged.is_ok, judged.value, judged.baseline) == (True, 100.0, 100.0)
    assert _judge(_steps(0.1, 0.1), "max<=1*baseline", delay_s=10, before=_steps(0.1)).is_skipped


def test_judge_threshold_finds_the_worst_window_for_the_limit_that_came_of_the_baseline() -> None:
    """How far a window is off is measured from the limit, not from the factor before it."""
    judged = _judge(_steps(0.1, 0.01), "max==1*baseline", window_s=10, before=_steps(0.08))
    assert (judged.is_ok, judged.value) == (False, 10.0)
    judged = _judge(_steps(0.1, 0.01), "max!=1*baseline", window_s=10, before=_steps(0.08))
    assert (judged.is_ok, judged.value) == (True, 100.0)


def test_judge_threshold_without_data_fails_beside_a_baseline() -> None:
    """The baseline measured it, this run did not."""
    judged = _judge(Timeline(10), "max<=2*baseline", before=_steps(0.1))
    assert (judged.is_ok, judged.is_skipped, judged.value, judged.baseline) == (False, False, None, 100.0)


@given(
    st.lists(st.floats(0.001, 5.0), min_size=1, max_size=6), st.sampled_from(["p(50)", "p(95)", "avg", "count", "rate"])
)
def test_run_is_as_good_as_itself(tooks_s: list[float], aggregate: str) -> None:
    """Compared with itself every number is exactly its own limit, and a stricter factor fails."""
    timeline = _steps(*tooks_s)
    judged = _judge(timeline, f"{aggregate}==1*baseline", before=timeline)
    assert judged.is_ok
    assert judged.value == judged.baseline
    assert not _judge(timeline, f"{aggregate}<0.999*baseline", before=timeline).is_ok


def test_judge_threshold_looks_at_every_window() -> None:
    """One bad window fails the threshold; the worst is shown."""
    judged = _judge(_steps(0.1, 0.1, 0.9, 0.8, 0.1, 0.1), "max<=500", window_s=10)
    assert (judged.is_ok, judged.value, judged.window) == (False, 900.0, (20.0, 30.0))
    assert judged.text.endswith("found 900 ms in 20 … 30 s, the worst of 6 windows, 2 of which failed")


def test_judge_threshold_passes_when_every_window_does() -> None:
    """Windows that all hold show the one nearest to failing."""
    judged = _judge(_steps(0.1, 0.2, 0.3, 0.2), "max<=500", window_s=20)
    assert (judged.is_ok, judged.value, judged.window) == (True, 300.0, (10.0, 30.0))


@pytest.mark.parametrize(("window_s", "windows"), [(10, 6), (14, 6), (15, 5), (24, 5), (25, 4), (60, 1), (3, 6)])
def test_judge_threshold_rounds_windows_to_whole_intervals(window_s: float, windows: int) -> None:
    """A window is the nearest number of intervals, and at least one."""
    judged = _judge(_steps(0.1, 0.1, 0.1, 0.1, 0.1, 0.1), "max<=500", window_s=window_s)
    assert f"the worst of {windows} windows" in judged.text


def test_judge_threshold_takes_a_short_load_as_one_window() -> None:
    """A load shorter than the window is looked at as a whole."""
    judged = _judge(_steps(0.1, 0.9), "max<=500", window_s=3600)
    assert (judged.is_ok, judged.window) == (False, (0.0, 20.0))


@pytest.mark.parametrize("window_s", [None, 10])
def test_judge_threshold_looks_at_nothing_before_the_delay(window_s: float | None) -> None:
    """A slow first minute is forgiven; the delay is rounded up to whole intervals."""
    timeline = _steps(0.9, 0.9, 0.1, 0.2)
    assert not _judge(timeline, "max<=500", window_s=window_s, delay_s=10).is_ok
    assert _judge(timeline, "max<=500", window_s=window_s, delay_s=11).is_ok
    assert _judge(timeline, "max<=500", window_s=window_s, delay_s=20).is_ok


def test_judge_threshold_fails_when_the_run_ends_before_the_delay() -> None:
    """Nothing after the delay is no data, not success."""
    assert _judge(_steps(0.1), "max<=500", delay_s=3600).text == "hub.connect max<=500: no data"


def test_judge_threshold_divides_by_the_load_after_the_delay() -> None:
    """A rate after 30 of 60 s is over 30 s."""
    timeline = _steps(0.1, 0.1, 0.1, 0.1, 0.1, 0.1)
    assert _judge(timeline, "rate>=0.1", delay_s=30).value == pytest.approx(0.1)


def test_judge_threshold_does_not_blame_the_drain_for_being_slow() -> None:
    """Windows of a rate or count end with the load; those of a latency go on."""
    timeline = _steps(*[0.1] * 6)
    _add(timeline, 95.0, series=Series(Operation.HUB_CONNECT, Phase.DRAIN), took_s=3.0)
    assert _judge(timeline, "count>=1", window_s=10).is_ok
    assert _judge(timeline, "rate>=0.1", window_s=10).is_ok
    assert not _judge(timeline, "max<=500", window_s=10).is_ok


def test_judge_threshold_sees_a_stall_in_the_load() -> None:
    """A window in which nothing ended has a rate of 0, and no latency."""
    timeline = _steps(0.1)
    _add(timeline, 55.0)
    judged = _judge(timeline, "rate>=0.1", window_s=10)
    assert (judged.value, judged.window) == (0.0, (10.0, 20.0))
    assert "the worst of 2 windows" in _judge(timeline, "max<=500", window_s=10).text


def test_judge_threshold_counts_overdue_where_it_is_overdue() -> None:
    """A start past its deadline fails every window until it settles, then once more as what it became."""
    timeline = Timeline(10)
    timeline.due(STEADY, 1.0)
    timeline.start(STEADY, 1.0)
    timeline.overdue(STEADY, 15.0)
    timeline.overdue(STEADY, 45.0, -1)
    timeline.settle(Sample(STEADY, 1.0, 1.0, 45.0, Outcome.LATE))
    for at in (41.0, 42.0, 43.0):
        _add(timeline, at)
    judged = _judge(timeline, "fail_rate<0.5", window_s=10)
    assert (judged.value, judged.window) == (1.0, (10.0, 20.0))
    assert judged.text.endswith("the worst of 5 windows, 3 of which failed")
    assert _judge(timeline, "fail_rate==0.25").is_ok


@pytest.mark.parametrize(
    ("expr", "is_ok", "value"),
    [("count<=2", True, 2.0), ("count>=1", False, 0.0), ("count==1", False, 2.0), ("count!=1", False, 1.0)],
)
def test_judge_threshold_shows_the_window_that_is_worst_for_the_comparison(
    expr: str, is_ok: bool, value: float
) -> None:
    """Of 2, 1 and no ends per window, the worst depends on what is asked."""
    timeline = Timeline(10)
    for at in (1.0, 2.0, 11.0):
        _add(timeline, at)
    judged = _judge(timeline, expr, window_s=10)
    assert (judged.is_ok, judged.value) == (is_ok, value)


def test_judged_phases_are_the_loads_unless_all_was_prepare() -> None:
    """An operation in both prepare and load is judged in the load."""
    assert judged_phases([PREPARED, STEADY], Operation.HUB_CONNECT) == LOAD
    assert judged_phases([PREPARED, STEADY], Operation.DPS_REGISTER) == LOAD
    assert judged_phases([PREPARED], Operation.HUB_CONNECT) == {Phase.PREPARE}


@pytest.mark.parametrize(
    ("phases", "seconds"),
    [(LOAD, 60.0), ({Phase.PREPARE}, 20.0), ({Phase.DRAIN}, 300.0), ({Phase.STEADY}, 40.0)],
)
def test_spent_leaves_the_drain_out_unless_it_is_all(phases: set[Phase], seconds: float) -> None:
    """How long the last answers took says nothing about the rate of the load."""
    assert spent_s(phases, DURATIONS_S) == seconds


def test_breached_waits_for_whole_windows_and_the_delay() -> None:
    """A threshold stops a run only from the end of its first whole window on."""
    timeline = _steps(0.9, 0.9, 0.9)
    threshold = parse_threshold("hub.connect", "max<=500", window_s=20, delay_s=10, abort_on_fail=True)
    so_far = {Phase.STEADY: 29.0}
    assert breached([threshold], timeline, now_s=29.0, durations_s=so_far) == []
    (found,) = breached([threshold], timeline, now_s=30.0, durations_s=so_far)
    assert found.threshold is threshold


def test_breached_leaves_out_what_holds_what_may_fail_and_what_has_no_data() -> None:
    """Only a failed threshold that asked for it stops a run."""
    asked = [
        parse_threshold("hub.connect", "max<=5000", abort_on_fail=True),
        parse_threshold("hub.connect", "max<=5"),
        parse_threshold("cert.issued", "max<=5", abort_on_fail=True),
    ]
    assert breached(asked, _steps(0.9), now_s=10.0, durations_s={}) == []


def test_breached_compares_with_the_baseline() -> None:
    """A run that is slower than the last one by too much is stopped; without one there is nothing to stop it for."""
    threshold = parse_threshold("hub.connect", "max<=2*baseline", abort_on_fail=True)
    baseline = Measured(_steps(0.1), DURATIONS_S)
    for took_s, stops in ((0.15, False), (0.9, True)):
        found = breached([threshold], _steps(took_s), now_s=10.0, durations_s={}, baseline=baseline)
        assert bool(found) is stops
    assert breached([threshold], _steps(0.9), now_s=10.0, durations_s={}) == []


@pytest.mark.parametrize(
    ("share", "shown"), [(0.1197339246, "0.1197"), (0.0, "0"), (0.1, "0.1"), (0.100000001, "0.100000001")]
)
def test_shares_are_shown_as_short_as_they_are_clear(share: float, shown: str) -> None:
    """Four digits, and as many more as it takes to tell on which side of the limit a share is."""
    assert evaluation._shown(parse_threshold("cert.issued", "fail_rate<=0.1").expr, share) == shown
