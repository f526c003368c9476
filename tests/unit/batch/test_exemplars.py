"""Which iterations are shown in full."""

from engine.batch.exemplars import FAILED, Exemplars
from engine.device.log import Log
from engine.errors import Outcome
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, series_of

ITERATION = series_of(Operation.ITERATION, Phase.STEADY)
CONNECT = series_of(Operation.HUB_CONNECT, Phase.STEADY, "hub-1")


def iteration(took_s, outcome=Outcome.OK, device="d-1"):
    whole = Sample(ITERATION, 1.0, 1.0, 1.0 + took_s, outcome, device=device)
    connect = Sample(CONNECT, 1.0, 1.25, 1.5, Outcome.OK, device=device, parts=(("tls", 0.2),))
    return Log(samples=[connect, whole]), whole


def kept(*iterations):
    found = Exemplars("run-1/7/1", {"runId": "run-1", "batch": "7"}, 1000.0)
    for log, whole in iterations:
        found.consider(log, whole)
    return found


def devices(spans):
    return [span.properties["loadtest.device"] for span in spans if span.parent_id is None]


def test_first_slowest_and_some_that_failed_are_kept():
    """However many iterations an interval has, a handful of them is shown."""
    found = kept(
        iteration(1.0, device="first"),
        iteration(3.0, device="slow"),
        iteration(9.0, device="slowest"),
        iteration(2.0, device="quick"),
        *(iteration(50.0, Outcome.THROTTLED, device=f"failed-{n}") for n in range(FAILED + 5)),
    )
    assert devices(found.take()) == ["first", "slowest", *(f"failed-{n}" for n in range(FAILED))]


def test_taking_begins_anew():
    """Nothing is shown twice, and the next interval has a first and a slowest of its own."""
    found = kept(iteration(5.0, device="a"))
    assert devices(found.take()) == ["a"]
    assert found.take() == []
    found.consider(*iteration(1.0, device="b"))
    assert devices(found.take()) == ["b"]


def test_spans_of_an_iteration_hang_together():
    """One trace, the iteration its root, times as unix seconds, device and parts among the properties."""
    root, child = sorted(kept(iteration(2.0)).take(), key=lambda span: span.parent_id is not None)
    assert (root.name, child.name) == ("iteration", "hub.connect")
    assert root.trace_id == child.trace_id > 0
    assert child.parent_id == root.span_id != child.span_id
    assert (child.began, child.ended) == (1001.25, 1001.5)
    assert child.properties == {
        "loadtest.runId": "run-1",
        "loadtest.batch": "7",
        "loadtest.device": "d-1",
        "loadtest.phase": "steady",
        "loadtest.outcome": "ok",
        "loadtest.hub": "hub-1",
        "loadtest.tls_ms": "200.000",
    }


def test_ids_differ_between_iterations_and_batches():
    """Two batches, or two holders of one, never share a trace."""
    first = {span.trace_id for span in kept(iteration(1.0), iteration(2.0)).take()}
    other = Exemplars("run-1/8/1", {}, 1000.0)
    other.consider(*iteration(1.0))
    assert len(first) == 2
    assert not first & {span.trace_id for span in other.take()}


def test_what_never_began_has_no_span():
    """An owed main operation is counted as dropped, and was nothing to look at."""
    log, whole = iteration(1.0, Outcome.TIMEOUT)
    log.samples.append(Sample(CONNECT, 1.0, None, 2.0, Outcome.DROPPED, "step-failed"))
    assert len(kept((log, whole)).take()) == 2
