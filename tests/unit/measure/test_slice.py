"""What an interval is folded to before it is told."""

from engine.errors import Outcome
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, series_of
from engine.measure.slice import SIGNATURES, Signature, Slice

ISSUED = series_of(Operation.CERT_ISSUED, Phase.STEADY, "hub-1")
ITERATION = series_of(Operation.ITERATION, Phase.STEADY)


def sliced(*samples):
    found = Slice()
    for sample in samples:
        found.settle(sample)
    return found


def test_answered_starts_are_timed_from_when_they_were_due():
    """ok and late keep apart as outcomes, and both count the wait before they began."""
    found = sliced(Sample(ISSUED, 1.0, 2.0, 4.0, Outcome.OK), Sample(ISSUED, 1.0, 2.0, 9.0, Outcome.LATE))
    ok, late = found.shares[ISSUED, Outcome.OK], found.shares[ISSUED, Outcome.LATE]
    assert (ok.count, ok.latency.max_s) == (1, 3.0)
    assert (late.count, late.latency.max_s) == (1, 8.0)


def test_failures_are_timed_from_their_begin():
    """As in the results: what failed has a histogram of its own, from when it began."""
    found = sliced(Sample(ISSUED, 1.0, 2.0, 4.5, Outcome.THROTTLED, "429002"))
    assert found.shares[ISSUED, Outcome.THROTTLED].latency.max_s == 2.5
    assert found.codes == {(Operation.CERT_ISSUED, Outcome.THROTTLED, "429002"): 1}


def test_what_ended_without_an_answer_has_no_latency():
    """Lost, timed out, cancelled and dropped starts are counted, and no time is made up for them."""
    ends = (Outcome.LOST, Outcome.TIMEOUT, Outcome.CANCELLED)
    samples = [Sample(ISSUED, 1.0, 1.0, 9.0, outcome) for outcome in ends]
    found = sliced(*samples, Sample(ISSUED, 1.0, None, 9.0, Outcome.DROPPED, "busy"))
    assert {outcome: share.count for (_, outcome), share in found.shares.items()} == dict.fromkeys(
        (*ends, Outcome.DROPPED), 1
    )
    assert not any(share.latency.count for share in found.shares.values())


def test_lag_is_how_late_iterations_began():
    """Only iterations have one: the rest of an iteration carries the same slip. A dropped one never began."""
    found = sliced(
        Sample(ITERATION, 1.0, 1.25, 4.0, Outcome.OK),
        Sample(ISSUED, 1.0, 1.25, 4.0, Outcome.OK),
        Sample(ITERATION, 2.0, None, 2.0, Outcome.DROPPED, "busy"),
    )
    assert (found.lag.count, found.lag.max_s) == (1, 0.25)


def test_commonest_failures_come_first_and_are_few():
    """Dropped and cancelled starts are no failures of anybody asked; ties are broken by name, so any order is one."""
    samples = [Sample(ISSUED, 0.0, 0.0, 1.0, Outcome.SERVER, "500", f"detail {n:02}") for n in range(SIGNATURES + 5)]
    samples += [Sample(ISSUED, 0.0, 0.0, 1.0, Outcome.SERVER, "503", "again")] * 3
    samples += [Sample(ISSUED, 0.0, None, 1.0, Outcome.DROPPED, "busy"), Sample(ISSUED, 0.0, 0.0, 1.0, Outcome.OK)]
    found = list(sliced(*samples).commonest().items())
    assert found[0] == (Signature(*ISSUED_FAILED, "503", "again"), 3)
    assert [signature.detail for signature, _ in found[1:]] == [f"detail {n:02}" for n in range(SIGNATURES - 1)]


def test_signatures_are_bounded_and_nothing_is_lost_of_their_number():
    """A detail that never repeats does not fill the memory: what comes after the first many is counted without it."""
    many = 1000
    found = sliced(*(Sample(ISSUED, 0.0, 0.0, 1.0, Outcome.SERVER, "500", f"id {n}") for n in range(many)))
    assert len(found.signatures) < many / 4
    assert found.signatures.total() == many
    assert found.commonest()[Signature(*ISSUED_FAILED, "500", "")] > many / 2


ISSUED_FAILED = (Operation.CERT_ISSUED, Phase.STEADY, Outcome.SERVER)
