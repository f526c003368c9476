import pytest

from engine.errors import Outcome
from engine.measure.counts import FAILED, Counts
from engine.measure.encoding import NotATally
from engine.measure.operation import DropReason, Operation, Phase
from engine.measure.sample import Sample, Series

SERIES = Series(Operation.HUB_CONNECT, Phase.STEADY, "hub.example")


def _sample(
    outcome: Outcome = Outcome.OK,
    *,
    due: float = 1.0,
    began: float | None = 1.5,
    ended: float = 3.0,
    code: str = "",
    detail: str = "",
    parts: tuple[tuple[str, float], ...] = (),
) -> Sample:
    return Sample(SERIES, due, began, ended, outcome, code=code, detail=detail, device="device-1", parts=parts)


def _counts(*samples: Sample, samples_kept: int = 3) -> Counts:
    counts = Counts(samples_kept)
    for sample in samples:
        counts.due += 1
        counts.started += sample.outcome is not Outcome.DROPPED
        counts.settle(sample)
    return counts


def _one_of_each() -> Counts:
    return _counts(*(_sample(outcome) for outcome in Outcome))


def test_counts_conserve_what_was_due() -> None:
    """due = started + dropped, and started = ok + failed + late + lost + in flight."""
    counts = _one_of_each()
    counts.due += 1
    counts.started += 1
    assert counts.due == counts.started + counts.dropped
    assert counts.in_flight == 1
    stopped = counts.in_flight + counts.cancelled
    assert counts.started == counts.ok + counts.failed + counts.late + counts.lost + stopped


def test_failed_is_every_other_outcome() -> None:
    """Neither ok, late, lost, cancelled nor dropped is `failed`; everything else is."""
    assert set(Outcome) - set(FAILED) == {
        Outcome.OK, Outcome.LATE, Outcome.LOST, Outcome.CANCELLED, Outcome.DROPPED,
    }  # fmt: skip
    counts = _one_of_each()
    assert counts.failed == len(FAILED)
    assert (counts.ok, counts.late, counts.lost, counts.cancelled, counts.dropped) == (1, 1, 1, 1, 1)
    assert counts.ended == len(Outcome) - 2


def test_settle_keeps_two_latencies() -> None:
    """Intended counts from when a start was due, actual from when it began."""
    counts = _counts(_sample(due=1.0, began=1.5, ended=3.0))
    assert (counts.intended.max_s, counts.actual.max_s) == (2.0, 1.5)
    assert counts.failed_after.count == 0


def test_settle_takes_ok_and_late_together() -> None:
    """A late answer is in the percentiles with its true age, so that slow does not look fast."""
    counts = _counts(_sample(ended=2.0), _sample(Outcome.LATE, ended=500.0))
    assert (counts.intended.count, counts.actual.count) == (2, 2)
    assert counts.intended.quantile(1.0) == 499.0


def test_settle_gives_failures_a_histogram_of_their_own() -> None:
    """A fast refusal does not make the service look faster."""
    counts = _counts(_sample(Outcome.THROTTLED, began=1.5, ended=1.6, parts=(("tcp", 0.05),)))
    assert counts.failed_after.max_s == pytest.approx(0.1)
    assert (counts.intended.count, counts.actual.count, counts.parts) == (0, 0, {})


@pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.TIMEOUT, Outcome.CANCELLED, Outcome.DROPPED])
def test_settle_without_an_answer_has_no_latency(outcome: Outcome) -> None:
    """What was never answered took no known time."""
    counts = _counts(_sample(outcome))
    assert (counts.intended.count, counts.actual.count, counts.failed_after.count) == (0, 0, 0)


def test_settle_without_a_begin_has_no_latency() -> None:
    """An end of something that nobody began is counted, and is not 0 ms."""
    counts = _counts(_sample(Outcome.DISCONNECTED, began=None))
    assert counts.outcomes[Outcome.DISCONNECTED] == 1
    assert counts.failed_after.count == 0


def test_settle_keeps_parts_of_what_was_answered() -> None:
    """Every part has a histogram under its name."""
    counts = _counts(_sample(parts=(("tcp", 0.1), ("tls", 0.2))), _sample(parts=(("tcp", 0.3),)))
    assert (counts.parts["tcp"].count, counts.parts["tls"].max_s) == (2, 0.2)


def test_settle_keeps_the_services_code() -> None:
    """The service's own number stays beside the outcome, whether it was a failure or not."""
    counts = _counts(_sample(Outcome.THROTTLED, code="429002"), _sample(code="200"), _sample())
    assert counts.codes == {(Outcome.THROTTLED, "429002"): 1, (Outcome.OK, "200"): 1}


def test_settle_counts_drops_by_reason() -> None:
    """A dropped start says why it never started; its reason is no code of the service."""
    counts = _counts(_sample(Outcome.DROPPED, began=None, code=DropReason.BUSY))
    assert (counts.drops, counts.codes, counts.failures) == ({"busy": 1}, {}, {})


def test_settle_groups_failures_by_outcome_and_code() -> None:
    """Each outcome and code has its count, first and last; late and lost are failures too."""
    counts = _counts(
        _sample(Outcome.SERVER, code="503", ended=4.0),
        _sample(Outcome.SERVER, code="503", ended=3.0, detail="busy"),
        _sample(Outcome.SERVER, code="500"),
        _sample(Outcome.LATE),
        _sample(Outcome.LOST),
        _sample(Outcome.CANCELLED),
        _sample(),
    )
    assert {kind: failures.count for kind, failures in counts.failures.items()} == {
        (Outcome.SERVER, "503"): 2, (Outcome.SERVER, "500"): 1, (Outcome.LATE, ""): 1, (Outcome.LOST, ""): 1,
    }  # fmt: skip
    failures = counts.failures[Outcome.SERVER, "503"]
    assert (failures.first_ns, failures.last_ns) == (3_000_000_000, 4_000_000_000)
    assert failures.samples[0] == (3_000_000_000, "device-1", "busy")


def test_fail_rate_counts_failed_late_lost_and_overdue() -> None:
    """Of 10 starts less 2 cancelled, 1 failed, 1 late, 1 lost and 1 overdue are 4 of 8."""
    ended = [Outcome.SERVER, Outcome.LATE, Outcome.LOST, Outcome.CANCELLED, Outcome.CANCELLED, *[Outcome.OK] * 3]
    counts = _counts(*map(_sample, ended))
    counts.due += 2
    counts.started += 2
    counts.overdue += 1
    assert counts.fail_rate == 0.5


def test_fail_rate_of_a_slice_never_passes_one() -> None:
    """Where only failures of earlier starts end, everything that ended failed."""
    counts = Counts()
    counts.settle(_sample(Outcome.SERVER))
    counts.settle(_sample(Outcome.CANCELLED))
    assert counts.fail_rate == 1.0


def test_shares_of_nothing_are_none() -> None:
    """Without a start there is no share, rather than a share of 0."""
    assert (Counts().fail_rate, Counts().share(Outcome.OK), Counts().rate(0.0)) == (None, None, None)


def test_share_is_of_what_was_due() -> None:
    """A dropped start was due as well."""
    counts = _counts(_sample(Outcome.THROTTLED), _sample(Outcome.DROPPED), _sample(), _sample())
    assert (counts.share(Outcome.THROTTLED), counts.share(Outcome.LOST)) == (0.25, 0.0)


def test_share_of_a_slice_never_passes_one() -> None:
    """Where more ends than became due, what ended is the whole."""
    counts = Counts()
    counts.settle(_sample(Outcome.LOST))
    assert counts.share(Outcome.LOST) == 1.0


def test_rate_counts_what_ended_by_itself() -> None:
    """Neither a dropped nor a cancelled start is throughput."""
    counts = _counts(*(_sample(o) for o in (Outcome.OK, Outcome.SERVER, Outcome.CANCELLED, Outcome.DROPPED)))
    assert counts.rate(4.0) == 0.5


def _full() -> Counts:
    counts = _counts(
        _sample(parts=(("tcp", 0.1),), code="200"),
        _sample(Outcome.THROTTLED, code="429002", detail="slow down"),
        _sample(Outcome.DROPPED, code="busy"),
    )
    counts.retries, counts.unmatched, counts.overdue = 1, 2, -1
    return counts


def test_merge_adds_everything() -> None:
    """Twice the same counts are every number doubled."""
    counts = _full()
    counts.merge(_full())
    assert (counts.due, counts.started, counts.retries, counts.unmatched, counts.overdue) == (6, 4, 2, 4, -2)
    assert (counts.ok, counts.drops["busy"], counts.codes[Outcome.OK, "200"]) == (2, 2, 2)
    assert (counts.intended.count, counts.actual.count, counts.failed_after.count) == (2, 2, 2)
    assert (counts.parts["tcp"].count, counts.failures[Outcome.THROTTLED, "429002"].count) == (2, 2)


def test_merge_holds_the_smaller_limit_on_samples() -> None:
    """Whichever side keeps fewer samples of a failure decides."""
    many = _counts(*[_sample(Outcome.SERVER, ended=float(n)) for n in range(2, 9)], samples_kept=5)
    many.merge(Counts(2))
    assert len(many.failures[Outcome.SERVER, ""].samples) == 2


def test_unpack_inverts_pack() -> None:
    """Packing keeps everything."""
    packed = _full().pack()
    assert Counts.unpack(packed, 3).pack() == packed
    assert Counts.unpack({}, 3).pack() == {} == Counts().pack()


@pytest.mark.parametrize(
    "packed",
    [
        [],
        {"due": -1},
        {"due": 1.5},
        {"overdue": "1"},
        {"outcomes": {"wonderful": 1}},
        {"outcomes": {"ok": 0}},
        {"outcomes": []},
        {"drops": {"busy": None}},
        {"codes": [["ok", 200, 1]]},
        {"codes": [["ok", "200"]]},
        {"failures": [["server", "", [1]]]},
        {"parts": {"tcp": [1]}},
        {"intended": {}},
        {"surprise": 1},
    ],
)
def test_unpack_refuses_what_pack_never_makes(packed: object) -> None:
    """Whatever the shape breaks on is one of the errors that `decode` turns into NotATally."""
    with pytest.raises((NotATally, TypeError, ValueError, AttributeError)):
        Counts.unpack(packed, 3)
