"""What is kept at hand to judge a run by."""

from dataclasses import replace

from engine.batch.lookout import Lookout
from engine.device.log import Log, Open
from engine.errors import Outcome
from engine.measure.operation import DropReason, Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.stopping import Watch
from engine.measure.timeline import Timeline

ISSUED = Series(Operation.CERT_ISSUED, Phase.STEADY, "hub")
PREPARED = Series(Operation.CERT_ISSUED, Phase.PREPARE, "hub")
OTHER = Series(Operation.HUB_CONNECT, Phase.STEADY, "hub")
WATCH = Watch(frozenset({Operation.CERT_ISSUED}), frozenset(), delay_s=20.0, reach_s=60.0)
OWN = Series(Operation.CERT_ISSUED, Phase.STEADY)
"""What the lookout counts them under: the hub does not matter."""


def a_log(at, *series):
    """One whole start of each series, a second long."""
    return Log(
        started=[(one, at) for one in series],
        samples=[Sample(one, at, at, at + 1.0, Outcome.SERVER, "503", "why", "d-0") for one in series],
    )


def lookout(before=None, *, origin=1000.0, now=1000.0):
    """Windows of 10 s, counted from the origin."""
    made = Lookout(WATCH, 10.0, before)
    made.begin(origin, now)
    return made


def test_lookout_keeps_the_watched_operations_of_the_load():
    """Others, and what devices do to prepare, are nobody's business."""
    looks = lookout()
    looks.add(a_log(1011.0, ISSUED, OTHER, PREPARED))
    found = looks.view((), (), 1020.0)
    assert set(found.windows) == {1}
    assert set(found.windows[1].series) == {OWN}
    assert found.windows[1].series[OWN].failed == 1


def test_lookout_keeps_what_may_be_asked():
    """Latencies of what is timed, why a start was dropped, and no samples of failures, which are for the report."""
    log = a_log(1011.0, ISSUED)
    log.samples.append(Sample(ISSUED, 1012.0, 1012.0, 1013.0, Outcome.OK, parts=(("tcp", 0.5),)))
    log.samples.append(Sample(ISSUED, 1012.0, None, 1012.0, Outcome.DROPPED, DropReason.STEP_FAILED))
    for timed, count in ((frozenset(), 0), (WATCH.operations, 1)):
        looks = Lookout(replace(WATCH, timed=timed), 10.0)
        looks.begin(1000.0, 1000.0)
        looks.add(log)
        counts = looks.view((), (), 1020.0).total().select(Operation.CERT_ISSUED)
        assert counts.drops == {DropReason.STEP_FAILED: 1}
        assert [failures.count for failures in counts.failures.values()] == [1]
        assert not any(failures.samples for failures in counts.failures.values())
        assert (counts.intended.count, len(counts.parts)) == (count, count)


def test_view_shows_what_is_under_way():
    """An open start counts as started, one past its deadline as overdue in the window of that; nothing of it stays."""
    looks = lookout()
    under_way = Log(started=[(ISSUED, 1001.0), (OTHER, 1001.0)], overdue=[(ISSUED, 1002.0, 1011.0)])
    waiting = [Open(ISSUED, 1001.0, 1001.0, deadline=1021.0), Open(OTHER, 1001.0, 1001.0, deadline=1002.0)]
    early = looks.view([under_way], waiting, 1021.0)
    late = looks.view([under_way], waiting, 1022.0)
    assert [tally.series[OWN].overdue for _, tally in sorted(early.windows.items())] == [1, -1]
    assert late.windows[2].series[OWN].overdue == 1
    assert late.total().select(Operation.CERT_ISSUED).started == 1
    assert looks.view((), (), 1022.0).windows == {}


def test_windows_of_a_long_run_become_one():
    """Before the delay and within reach they are kept one by one; the total is never another."""
    looks = lookout()
    for at in range(1000, 1400, 10):
        looks.add(a_log(at + 5.0, ISSUED))
        found = looks.view((), (), at + 10.0)
    assert sorted(found.windows) == [0, 1, 2, *range(34, 40)]
    assert found.windows[2].series[OWN].started == 32
    assert found.total().select(Operation.CERT_ISSUED).started == 40


def test_late_end_of_an_old_iteration_is_folded_in():
    """Its windows may be long gone."""
    looks = lookout()
    for at in (1035.0, 1045.0):
        looks.add(a_log(at, ISSUED))
    looks.view((), (), 1400.0)
    looks.add(a_log(1055.0, ISSUED))
    found = looks.view((), (), 1400.0)
    assert {index: tally.series[OWN].started for index, tally in found.windows.items()} == {2: 3}


def test_next_holder_keeps_its_windows_apart():
    """What it goes on from stays in front of what it measures itself, however old both become."""
    first = lookout()
    first.add(a_log(1035.0, ISSUED))
    before = Timeline.decode(first.encoded())
    second = lookout(before, now=1105.0)
    assert second.since == 105.0
    for at in range(1110, 1400, 10):
        second.add(a_log(at + 5.0, ISSUED))
    found = second.view((), (), 1400.0)
    assert sorted(index for index in found.windows if index < 34) == [3, 11]
    assert found.total().select(Operation.CERT_ISSUED).started == 30
    assert before.total().select(Operation.CERT_ISSUED).started == 1


def test_batch_that_waits_for_its_load_measures_from_the_start():
    """Nothing is before the origin."""
    assert lookout(now=999.0).since == 0.0
