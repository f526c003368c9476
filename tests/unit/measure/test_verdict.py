import pytest

from engine.errors import Outcome
from engine.measure.health import Health
from engine.measure.measured import Measured
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.tally import Tally
from engine.measure.threshold import parse_threshold
from engine.measure.timeline import Timeline
from engine.measure.verdict import EXIT_CODES, REFUSED_EXIT_CODE, Ending, Evidence, Reason, Verdict, judge

MAIN = Operation.CERT_ISSUED
SERIES = Series(MAIN, Phase.STEADY, "a.example")
DURATIONS_S = {Phase.RAMP: 30.0, Phase.STEADY: 270.0}
SICK = [Health(0, Phase.STEADY, cpu_share=1.0)]


def _timeline(*outcomes: Outcome, series: Series = SERIES) -> Timeline:
    timeline = Timeline(10)
    for at, outcome in enumerate(outcomes):
        timeline.due(series, at)
        if outcome is not Outcome.DROPPED:
            timeline.start(series, at)
        timeline.settle(Sample(series, at, at, at + 0.2, outcome))
    return timeline


def _evidence(timeline: Timeline | None = None, **known: object) -> Evidence:
    return Evidence(timeline or _timeline(Outcome.OK), MAIN, DURATIONS_S, **known)


HOLDS = parse_threshold("cert.issued", "max<=500")
FAILS = parse_threshold("cert.issued", "max<=100")


def test_judge_passes_what_nothing_speaks_against() -> None:
    """No reason is the best verdict."""
    judgement = judge([HOLDS], _evidence(health={"b-1": [Health(0, Phase.STEADY)]}), Ending())
    assert (judgement.verdict, judgement.reasons, judgement.warnings) == (Verdict.PASSED, (), ())
    assert (judgement.exit_code, judgement.mismatches) == (0, ())
    assert [found.is_ok for found in judgement.thresholds] == [True]


@pytest.mark.parametrize(
    ("ending", "verdict", "exit_code", "text"),
    [
        (Ending(errors=("batch 3 was lost for good",)), Verdict.ERROR, 1, "batch 3 was lost for good"),
        (Ending(invalid=("batch 2: sums",)), Verdict.INVALID, 98, "batch 2: sums"),
        (Ending(aborted=("autoStop",)), Verdict.ABORTED, 97, "autoStop"),
        (Ending(cancelled=("by ann",)), Verdict.CANCELLED, 105, "by ann"),
        (Ending(breached=("max was 9",)), Verdict.FAILED, 99, "max was 9"),
    ],
)
def test_judge_takes_the_ending_at_its_word(ending: Ending, verdict: Verdict, exit_code: int, text: str) -> None:
    """How a run ended is a reason of its own, with its exit code."""
    judgement = judge([HOLDS], _evidence(), ending)
    assert (judgement.verdict, judgement.exit_code) == (verdict, exit_code)
    assert judgement.reasons == (Reason(verdict, text),)


def test_judge_fails_on_a_threshold() -> None:
    """A threshold that does not hold at the end fails the run, in its own words."""
    judgement = judge([HOLDS, FAILS], _evidence(), Ending())
    assert (judgement.verdict, judgement.exit_code) == (Verdict.FAILED, 99)
    assert judgement.reasons == (Reason(Verdict.FAILED, "cert.issued max<=100: found 200 ms"),)


def test_judge_lists_a_threshold_once() -> None:
    """A threshold that stopped the run and still fails is one reason."""
    judgement = judge([FAILS], _evidence(), Ending(breached=("cert.issued max<=100: found 200 ms",)))
    assert len(judgement.reasons) == 1


def test_judge_calls_an_unfit_generator_invalid() -> None:
    """Numbers of an overloaded generator say nothing about the service."""
    judgement = judge([HOLDS], _evidence(health={"b-2": [], "b-1": SICK}), Ending())
    assert (judgement.verdict, judgement.exit_code) == (Verdict.INVALID, 98)
    assert judgement.reasons[0].text.startswith("b-1: the load generator was not fit: CPU")
    assert list(judgement.fitness) == ["b-1", "b-2"]


def test_judge_calls_internal_outcomes_invalid() -> None:
    """A bug of ours among the samples makes the run invalid, in any phase."""
    timeline = _timeline(Outcome.OK)
    timeline.merge(_timeline(Outcome.INTERNAL, series=Series(Operation.DPS_REGISTER, Phase.PREPARE)))
    judgement = judge([HOLDS], _evidence(timeline), Ending())
    assert judgement.reasons == (
        Reason(Verdict.INVALID, "dps.register: 1 ended internal, a bug of the harness"),
    )  # fmt: skip


def test_judge_calls_sums_that_do_not_agree_invalid() -> None:
    """A start without an end is a mismatch of the merged result and of its batch."""
    timeline = _timeline(Outcome.OK)
    timeline.due(SERIES, 1.0)
    timeline.start(SERIES, 1.0)
    judgement = judge([HOLDS], _evidence(timeline, batches={"b-1": timeline.total()}), Ending())
    line = "cert.issued in steady: started 2 is not ended 1 + cancelled 0"
    assert judgement.mismatches == (f"b-1: {line}", line)
    assert judgement.verdict is Verdict.INVALID


def test_judge_checks_that_batches_add_up() -> None:
    """A merged result that lost a batch, or counted one twice, is invalid."""
    timeline = _timeline(Outcome.OK)
    total = timeline.total()
    assert judge([HOLDS], _evidence(timeline, batches={"b-1": total, "b-2": Tally()}), Ending()).mismatches == ()
    twice = judge([HOLDS], _evidence(timeline, batches={"b-1": total, "b-2": total}), Ending())
    assert twice.mismatches == ("the merged result is not the sum of its batches",)


def test_judge_takes_the_first_verdict_and_keeps_every_reason() -> None:
    """error before invalid, aborted, cancelled and failed; all of them are listed in that order."""
    ending = Ending(errors=("lost",), aborted=("limits",), cancelled=("by ann",), breached=("slow",))
    known = {"health": {"b-1": SICK}}
    judgement = judge([FAILS], _evidence(**known), ending)
    verdicts = [reason.verdict for reason in judgement.reasons]
    assert list(dict.fromkeys(verdicts)) == [
        Verdict.ERROR, Verdict.INVALID, Verdict.ABORTED, Verdict.CANCELLED, Verdict.FAILED,
    ]  # fmt: skip
    assert judgement.verdict is Verdict.ERROR
    assert judge([FAILS], _evidence(**known), Ending(aborted=("limits",))).verdict is Verdict.INVALID
    assert judge([FAILS], _evidence(), Ending(aborted=("x",), cancelled=("y",))).verdict is Verdict.ABORTED
    assert judge([FAILS], _evidence(), Ending(cancelled=("y",))).verdict is Verdict.CANCELLED


def test_judge_calls_a_run_that_measured_nothing_an_error() -> None:
    """Without its main operation a run that ended by itself has no results."""
    judgement = judge([], _evidence(Timeline(10)), Ending())
    assert judgement.reasons == (Reason(Verdict.ERROR, "no results: cert.issued was never due"),)


@pytest.mark.parametrize("ending", [Ending(aborted=("limits",)), Ending(cancelled=("by ann",))])
def test_judge_lets_a_run_be_stopped_before_it_measured(ending: Ending) -> None:
    """Stopped in prepare is stopped, not an error."""
    assert judge([], _evidence(Timeline(10)), ending).verdict is not Verdict.ERROR


def test_judge_of_a_running_run_waits_for_what_may_still_come() -> None:
    """In flight is no mismatch, no data no failure, while a run goes on; a failed threshold is one already."""
    timeline = _timeline(Outcome.OK)
    timeline.due(SERIES, 1.0)
    timeline.start(SERIES, 1.0)
    waiting = parse_threshold("dps.register", "max<=1")
    so_far = judge([waiting], _evidence(timeline, is_partial=True), Ending())
    assert (so_far.verdict, so_far.warnings) == (Verdict.PASSED, ())
    assert [(found.is_skipped, found.text) for found in so_far.thresholds] == [
        (True, f"{waiting}: skipped, no data yet")
    ]
    assert judge([], _evidence(Timeline(10), is_partial=True), Ending()).verdict is Verdict.PASSED
    assert judge([FAILS], _evidence(timeline, is_partial=True), Ending()).verdict is Verdict.FAILED


def test_judge_fails_a_finished_run_without_data() -> None:
    """A threshold on what never happened does not hold at the end."""
    judgement = judge([parse_threshold("dps.register", "max<=1")], _evidence(), Ending())
    assert judgement.reasons == (Reason(Verdict.FAILED, "dps.register max<=1: no data"),)


@pytest.mark.parametrize(
    ("outcomes", "warnings"),
    [
        ([Outcome.OK] * 96 + [Outcome.SERVER] * 4, ()),
        (
            [Outcome.OK] * 95 + [Outcome.LOST] * 5,
            ("cert.issued: 5 % failed, late or lost; from 5 % on that is worth a look",),
        ),
        ([Outcome.OK] * 99 + [Outcome.DROPPED], ()),
        (
            [Outcome.OK] * 98 + [Outcome.DROPPED] * 2,
            ("cert.issued: 2 % of what was due was dropped; up to 1 % is nothing unusual",),
        ),
    ],
)
def test_judge_warns_when_there_are_no_thresholds(outcomes: list[Outcome], warnings: tuple[str, ...]) -> None:
    """fail_rate from 5 % on, or more than 1 % dropped, on the main operation, is a warning and no more."""
    judgement = judge([], _evidence(_timeline(*outcomes)), Ending())
    assert (judgement.verdict, judgement.warnings) == (Verdict.PASSED, warnings)


@pytest.mark.parametrize(
    ("outcomes", "warned"),
    [
        ([Outcome.THROTTLED] * 10, False),
        ([Outcome.OK, *[Outcome.THROTTLED] * 9], False),
        ([*[Outcome.OK] * 10, *[Outcome.THROTTLED] * 9, Outcome.SERVER], True),
        ([*[Outcome.OK] * 60, *[Outcome.THROTTLED] * 9, Outcome.SERVER], False),
        ([*[Outcome.THROTTLED] * 10, Outcome.CANCELLED], False),
        ([Outcome.LOST] * 2, True),
    ],
)
def test_judge_warns_nobody_of_what_the_run_is_there_to_provoke(outcomes: list[Outcome], warned: bool) -> None:
    """Expected outcomes are no part of the default warning's share, and count in thresholds as ever."""
    evidence = _evidence(_timeline(*outcomes), expected=frozenset({Outcome.THROTTLED}))
    assert bool(judge([], evidence, Ending()).warnings) is warned
    if Outcome.THROTTLED in outcomes:
        judgement = judge([parse_threshold("cert.issued:throttled", "count==0")], evidence, Ending())
        assert judgement.verdict is Verdict.FAILED


COMPARED = parse_threshold("cert.issued", "max<=1.1*baseline")


def test_judge_compares_with_the_baseline() -> None:
    """A run that is worse than the one before by too much has failed, with the reason in numbers."""
    before = Measured(_timeline(Outcome.OK), DURATIONS_S)
    slower = Timeline(10)
    slower.begin(SERIES, 1.0)
    slower.settle(Sample(SERIES, 1.0, 1.0, 2.0, Outcome.OK))
    judgement = judge([COMPARED], _evidence(slower, baseline=before), Ending())
    told = "found 1000 ms; the baseline had 200 ms, so the limit is 220 ms"
    assert judgement.reasons == (Reason(Verdict.FAILED, f"cert.issued max<=1.1*baseline: {told}"),)
    assert judge([COMPARED], _evidence(baseline=before), Ending()).verdict is Verdict.PASSED


def test_judge_warns_of_what_it_skipped() -> None:
    """The first run of its kind passes, and says that nothing was compared."""
    judgement = judge([HOLDS, COMPARED], _evidence(), Ending())
    skipped = "cert.issued max<=1.1*baseline: skipped, there is no baseline"
    assert (judgement.verdict, judgement.warnings) == (Verdict.PASSED, (skipped,))


def test_judge_falls_back_to_default_warnings_when_it_skipped_everything() -> None:
    """A run of which no threshold was judged is looked at as one without any."""
    judgement = judge([COMPARED], _evidence(_timeline(Outcome.OK, Outcome.SERVER)), Ending())
    skipped, default = judgement.warnings
    assert skipped.endswith("skipped, there is no baseline")
    assert default.startswith("cert.issued: 50 % failed")


def test_judge_leaves_default_warnings_to_thresholds() -> None:
    """Who sets thresholds says what matters."""
    assert judge([HOLDS], _evidence(_timeline(Outcome.OK, Outcome.SERVER)), Ending()).warnings == ()


def test_judge_warns_of_device_state_that_was_not_saved() -> None:
    """A store that failed does not stop a device, and is told."""
    timeline = _timeline(Outcome.OK)
    saves = Series(Operation.STATE_SAVE, Phase.STEADY)
    timeline.merge(_timeline(Outcome.OK, Outcome.SERVER, Outcome.TIMEOUT, series=saves))
    judgement = judge([HOLDS], _evidence(timeline), Ending())
    assert judgement.warnings == ("state.save: 2 of 3 went wrong, so stored device state may be stale",)


def test_judge_passes_on_what_the_generator_noticed() -> None:
    """Exhausted ports are a warning."""
    health = {"b-1": [Health(0, Phase.STEADY, ports_exhausted=1)]}
    assert judge([HOLDS], _evidence(health=health), Ending()).warnings == ("b-1: 1 dials found no free local port",)


def test_every_verdict_has_its_exit_code() -> None:
    """The numbers scripts rely on."""
    assert {verdict.value: code for verdict, code in EXIT_CODES.items()} == {
        "error": 1, "invalid": 98, "aborted": 97, "cancelled": 105, "failed": 99, "passed": 0,
    }  # fmt: skip
    assert REFUSED_EXIT_CODE == 104
    assert set(EXIT_CODES) == set(Verdict)
