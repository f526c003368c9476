"""A run that saw everything go wrong once, one that saw nothing go wrong, and the golden files they must give."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import Outcome
from engine.measure.health import Health
from engine.measure.operation import DropReason, Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.threshold import parse_threshold
from engine.measure.timeline import Timeline
from engine.measure.verdict import Ending
from engine.report.results import BatchFacts, RunFacts, RunResult, conclude

GOLDEN = Path(__file__).parents[2] / "data" / "reports"

CREATED_AT = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@pytest.fixture
def golden(tmp_path: Path) -> Callable[[str, str], None]:
    """Holds a text against a golden file; after a mismatch the new text is kept, to be looked at and copied."""

    def check(name: str, text: str) -> None:
        found = tmp_path / name
        found.write_bytes(text.encode())
        expected = GOLDEN / name
        assert expected.read_bytes() == text.encode(), f"{name} differs: compare {found} with {expected}"

    return check


def _happen(timeline: Timeline, sample: Sample) -> None:
    timeline.due(sample.series, sample.due)
    if sample.outcome is not Outcome.DROPPED:
        timeline.start(sample.series, sample.due if sample.began is None else sample.began)
    timeline.settle(sample)


def _first_batch() -> Timeline:
    timeline = Timeline(10)
    issued = Series(Operation.CERT_ISSUED, Phase.STEADY, "hub-a.example")
    register = Series(Operation.DPS_REGISTER, Phase.PREPARE)
    connect = Series(Operation.HUB_CONNECT, Phase.RAMP, "hub-a.example")
    _happen(timeline, Sample(register, -12.0, -12.0, -10.5, Outcome.OK, parts=(("tcp", 0.02), ("assigned", 1.25))))
    _happen(timeline, Sample(connect, 0.0, 0.0, 0.25, Outcome.OK, parts=(("tcp", 0.01), ("tls", 0.2))))
    for at in range(1, 19):
        _happen(timeline, Sample(issued, float(at), at + 0.01, at + 0.1 + at / 100, Outcome.OK, device=f"device-{at}"))
    late = Sample(issued, 2.0, 2.5, 31.25, Outcome.LATE, detail="after 30 s", device="device-2")
    _happen(timeline, late)
    timeline.retry(connect, 3.0)
    timeline.unmatched(issued, 4.0)
    return timeline


def _second_batch() -> Timeline:
    timeline = Timeline(10)
    issued = Series(Operation.CERT_ISSUED, Phase.STEADY, "hub-b.example")
    for at, outcome, code, detail in (
        (5.0, Outcome.THROTTLED, "429002", "too many | requests, <slow> *down*"),
        (6.0, Outcome.THROTTLED, "429002", ""),
        (7.0, Outcome.SERVER, "", "line one\nline two"),
        (8.0, Outcome.LOST, "", ""),
        (9.0, Outcome.TIMEOUT, "", ""),
        (28.0, Outcome.CANCELLED, "", ""),
    ):
        sample = Sample(issued, at, at, at + 2.0, outcome, code=code, detail=detail, device=f"device-{at:g}")
        _happen(timeline, sample)
    for reason in (DropReason.BUSY, DropReason.STEP_FAILED):
        _happen(timeline, Sample(issued, 10.0, None, 10.0, Outcome.DROPPED, code=reason))
    save = Series(Operation.STATE_SAVE, Phase.DRAIN)
    _happen(timeline, Sample(save, 31.0, 31.0, 31.5, Outcome.SERVER, code="503"))
    return timeline


@pytest.fixture
def troubled() -> RunResult:
    """A failed run of three batches over two hubs, one of them without results and one sick."""
    first, second = _first_batch(), _second_batch()
    merged = Timeline(10)
    merged.merge(first)
    merged.merge(second)
    healthy = Health(1, Phase.STEADY, lag_p99_s=0.012, cpu_share=0.41, descriptors=120, descriptor_limit=1024)
    sick = Health(1, Phase.STEADY, lag_p99_s=0.812, cpu_share=0.97, descriptors=80, descriptor_limit=1024)
    facts = RunFacts(
        run_id="nightly-7",
        name="nightly | renewal",
        state="finished",
        scenario="cert-renewal",
        main=Operation.CERT_ISSUED,
        target="local",
        spec={"specVersion": 1, "scenario": "cert-renewal", "name": "nightly | renewal", "devices": {"count": 30}},
        created_at=CREATED_AT,
        started_at=CREATED_AT + 15.25,
        ended_at=CREATED_AT + 60.0,
        labels={"team": "iot*"},
        durations_s={Phase.PREPARE: 12.0, Phase.RAMP: 5.0, Phase.STEADY: 25.0, Phase.DRAIN: 4.0},
        devices=30,
        hubs=("hub-a.example", "hub-b.example"),
        attempts=2,
        random_seed=42,
        version="0.1.0",
        batches=(
            BatchFacts("batch 0", "finished", "worker_1", 1, 10, first.total(), (healthy,)),
            BatchFacts("batch 1", "finished", "worker_2", 3, 10, second.total(), (sick,)),
            BatchFacts("batch 2", "lost", devices=10),
        ),
        emulator={
            "connects": 40,
            "cert": {"requests": 27, "200": 18, "429": 3, "503": 1, "500": 1, "held": 2},
            "dps.register": {"200": 1, "202": 1},
        },
    )
    thresholds = [
        parse_threshold("cert.issued", "p(95)<=250"),
        parse_threshold("cert.issued:lost", "count==0"),
        parse_threshold("hub.connect", "fail_rate<0.01", window_s=10, delay_s=0),
        parse_threshold("cert.issued", "avg<=60000", window_s=10, delay_s=10, abort_on_fail=True),
    ]
    return conclude(facts, merged, thresholds=thresholds, ending=Ending(errors=("batch 2 was lost",)))


@pytest.fixture
def calm() -> RunResult:
    """A passed run of one batch in which every device connected."""
    timeline = Timeline(5)
    connect = Series(Operation.HUB_CONNECT, Phase.STEADY, "hub-a.example")
    for at in range(10):
        _happen(timeline, Sample(connect, float(at), float(at), at + 0.04, Outcome.OK))
    facts = RunFacts(
        run_id="churn-1",
        name="churn",
        state="finished",
        scenario="connect-churn",
        main=Operation.HUB_CONNECT,
        target="local",
        spec={"scenario": "connect-churn"},
        created_at=CREATED_AT,
        durations_s={Phase.STEADY: 10.0},
        devices=10,
        percentiles=(50.0, 99.9),
    )
    return conclude(facts, timeline)
