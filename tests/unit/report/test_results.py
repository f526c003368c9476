from engine.measure.evaluation import LOAD
from engine.measure.operation import Operation, Phase
from engine.measure.verdict import Verdict
from engine.report.results import RunResult


def test_conclude_judges_what_the_batches_left(troubled: RunResult) -> None:
    """Health and totals of every batch that has some go into the judgement."""
    assert troubled.judgement.verdict is Verdict.ERROR
    assert list(troubled.judgement.fitness) == ["batch 0", "batch 1"]
    assert troubled.judgement.mismatches == ()


def test_conclude_takes_a_run_without_an_ending_as_ended_by_itself(calm: RunResult) -> None:
    """Nothing stopped it, so nothing speaks against it."""
    assert (calm.judgement.verdict, calm.judgement.warnings) == (Verdict.PASSED, ())


def test_result_has_an_operations_numbers(troubled: RunResult) -> None:
    """Counts, phases and seconds belong together, and to one hub if asked."""
    assert troubled.phases(Operation.CERT_ISSUED) == LOAD
    assert troubled.phases(Operation.DPS_REGISTER) == {Phase.PREPARE}
    assert (troubled.spent_s(Operation.CERT_ISSUED), troubled.spent_s(Operation.DPS_REGISTER)) == (30.0, 12.0)
    assert troubled.counts(Operation.CERT_ISSUED).due == 27
    assert troubled.counts(Operation.CERT_ISSUED, "hub-b.example").due == 8
