"""What the API answers, for those who show it."""

import pytest

from engine.errors import Outcome
from engine.measure.measured import Measured
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.timeline import Timeline
from engine.report.compare import compare
from engine.report.side import Side


def side(run_id, *, count, took_s, spec):
    """A run of so many renewals that each took as long."""
    timeline = Timeline(10)
    series = Series(Operation.CERT_ISSUED, Phase.STEADY)
    for at in range(count):
        timeline.begin(series, float(at))
        timeline.settle(Sample(series, float(at), float(at), at + took_s, Outcome.OK))
    return Side(
        run_id=run_id,
        name="nightly [x]",
        scenario="cert-renewal",
        target="local",
        spec=spec,
        created_at=1_767_225_600.0,
        verdict="passed" if run_id == "old" else "failed",
        main=Operation.CERT_ISSUED,
        devices=10,
        percentiles=(50.0,),
        measured=Measured(timeline, {Phase.STEADY: 10.0}),
        total=timeline.total(),
    )


@pytest.fixture
def comparison():
    """Three renewals of 300 ms beside two of 200 ms, with another seed."""
    new = side("new", count=3, took_s=0.3, spec={"randomSeed": 2})
    return compare(new, side("old", count=2, took_s=0.2, spec={"randomSeed": 1}))
