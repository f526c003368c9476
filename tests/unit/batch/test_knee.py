"""Whole batches that search for the service's knee: `cert-throttle`."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from doubles.drive import make_setup
from engine.batch.checkpoint import Checkpoint
from engine.batch.done import Stop
from engine.device.setup import Timeouts
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.emulator.throttle import Quotas
from engine.errors import ClaimLost, Outcome
from engine.measure.operation import DropReason, Operation, Phase
from engine.measure.threshold import parse_threshold
from unit.batch.rig import SEARCH, assert_sound, counted, make_stage, total

THROTTLE = make_setup(verify="chain", hold_s=math.inf, rests_as_told=True)


def make(*, quota=None, size=100, faults=None, setup=THROTTLE, **changes):
    """A search of devices that hold a certificate."""
    options = Options(faults=faults or Faults(), quotas=Quotas(certificates_per_s=quota))
    return make_stage("cert-throttle", "search", size=size, options=options, setup=setup, **changes)


@pytest.mark.parametrize("quota", [0.7, 2.0, 7.0])
def test_search_finds_the_quota(quota):
    """The knee encloses it within 20 %, every curve point says so, and the service counted the same requests."""
    stage = make(quota=quota)
    done = stage.run()
    assert_sound(done)
    knee, curve = done.search["knee"], done.search["curve"]
    assert knee["limitedBy"] == "service"
    assert knee["held"] / 60.0 == pytest.approx(quota, rel=0.2)
    assert knee["failed"] / 60.0 == pytest.approx(quota, rel=0.2)
    assert knee["held"] < knee["failed"]
    assert max(point["rate"] for point in curve if point["held"]) == knee["held"]
    assert min(point["rate"] for point in curve if not point["held"]) == knee["failed"]
    assert all(earlier["endS"] <= later["beginS"] for earlier, later in pairwise(curve))
    stats, issued = stage.world.service.report(), total(done).select(Operation.CERT_ISSUED)
    assert issued.started == stats["cert"]["requests"]
    assert (issued.ok, issued.outcomes[Outcome.THROTTLED]) == (stats["cert"]["200"], stats["cert"]["429"])
    assert issued.retries == 0


def test_search_renews_without_reconnecting():
    """Devices connect in prepare, and stay."""
    done = make(quota=2.0, size=50).run()
    assert counted(done, Operation.HUB_CONNECT) == {"ok": 50}
    assert Operation.HUB_CONNECT not in {s.operation for s in total(done).series if s.phase is not Phase.PREPARE}
    assert counted(done, Operation.HUB_DISCONNECT) == {}


def test_search_with_too_few_devices_says_so():
    """Two devices that take 5 s each cannot offer more than 24 a minute."""
    done = make(size=2, faults=Faults(issue_delay_s=5.0), search=replace(SEARCH, start=10.0)).run()
    assert_sound(done)
    assert done.search["knee"]["limitedBy"] == "harness"
    assert done.search["knee"]["failed"] is None
    assert total(done).select(Operation.ITERATION).drops[DropReason.NO_FREE_DEVICE] > 0


def test_search_whose_first_rate_fails_looks_below():
    """It halves the way to nothing, and may find no rate that holds."""
    done = make(quota=0.01, search=replace(SEARCH, start=120.0)).run()
    assert_sound(done)
    rates = [point["rate"] for point in done.search["curve"]]
    assert rates == [120.0, 60.0, 30.0, 15.0, 7.5, 3.75]
    assert done.search["knee"]["held"] is None or done.search["knee"]["held"] < 10


def test_search_that_is_shorter_than_the_answers_takes_is_limited_by_the_harness():
    """Nothing is answered within a hold, so nothing says that a rate does not hold, until devices run out."""
    done = make(size=30, faults=Faults(issue_delay_s=60.0), graceful_stop_s=120.0).run()
    assert_sound(done)
    assert done.search["knee"]["limitedBy"] == "harness"
    assert "throttled" not in counted(done, Operation.CERT_ISSUED)


def test_search_against_silence_does_not_hold_where_overdue_answers_fail():
    """What is past its deadline counts as failed, though nobody has answered."""
    setup = replace(THROTTLE, timeouts=Timeouts(certificate=5.0))
    fails = replace(SEARCH, stop_when=parse_threshold("cert.issued", "fail_rate>0.5"), overdue_s=5.0)
    done = make(size=400, faults=Faults({Fault.LOST: 1.0}), setup=setup, search=fails, graceful_stop_s=0.0).run()
    assert_sound(done)
    assert not done.search["curve"][0]["held"]


@pytest.mark.parametrize("at_s", [3.0, 25.0, 62.5, 110.0])
def test_search_that_is_cancelled_tells_what_it_knows(at_s):
    """In a hold, in a rest or in a drain: the run's cancel ends it, and all is accounted for."""
    stage = make(quota=1.2, faults=Faults({Fault.LOST: 0.02}))
    stage.at(at_s, stage.cancel)
    done = stage.run()
    assert_sound(done)
    assert done.stop is Stop.CANCELLED
    assert done.search["knee"]["limitedBy"] == "time"


def test_search_is_taken_up_by_the_next_holder():
    """From any checkpoint: judged rates stay, the one under way is held once more, and every start is counted once."""
    first = make(quota=2.0)
    first.at(100.0, lambda: setattr(first.home, "trouble", ClaimLost("batch 0", "other")))
    with pytest.raises(ClaimLost):
        first.run()
    assert len(first.home.checkpoints) > 15
    for body in first.home.checkpoints[::6]:
        checkpoint = Checkpoint.decode(body)
        second = make(quota=2.0, resume=checkpoint)
        second.home.beginning = first.home.beginning
        second.world.clock.sleep(120.0)
        done = second.run()
        assert_sound(done)
        curve = done.search["curve"]
        judged = len(checkpoint.roster["curve"])
        assert [point["rate"] for point in curve[:judged]] == [point["rate"] for point in checkpoint.roster["curve"]]
        assert curve[judged]["rate"] == checkpoint.roster["ladder"]["rate"]
        assert curve[judged]["beginS"] > 119.0
        assert done.search["knee"]["held"] / 60.0 == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize("mode", ["wait", "ask", "replace", "replace-any"])
@pytest.mark.parametrize("faults", [Faults({Fault.LOST: 0.1, Fault.DROPPED: 0.1}), Faults(issue_delay_s=8.0)], ids=str)
def test_search_is_sound_whatever_becomes_of_the_pending(mode, faults):
    """Devices that give way, come back or are lost do not upset the sums."""
    setup = replace(THROTTLE, on_pending=mode, timeouts=Timeouts(certificate=5.0))
    done = make(quota=1.5, size=60, faults=faults, setup=setup).run()
    assert_sound(done)
    assert not any(health.internal for health in done.health)


def test_throttled_device_rests_as_long_as_it_was_told():
    """No device asks again within its 429's retryAfter, and nobody retries."""
    faults = Faults({Fault.THROTTLED: 1.0}, retry_after_s=15)
    stage = make(size=4, faults=faults, search=replace(SEARCH, start=60.0, hold_s=20.0))
    done = stage.run()
    issued = total(done).select(Operation.CERT_ISSUED)
    held_s = done.search["curve"][0]["endS"]
    assert held_s == 20.0
    assert issued.started <= 4 * 2
    assert_sound(done)


def test_search_counts_starts_whose_device_gave_way():
    """A service that answers nothing holds no rate, whether its devices wait for it or ask again."""
    knees = []
    for mode in ("wait", "ask"):
        setup = replace(THROTTLE, on_pending=mode, timeouts=Timeouts(certificate=5.0))
        search = replace(SEARCH, start=60.0, step=2.0, hold_s=20.0, stop_when=FAILING, overdue_s=5.0)
        stage = make(size=400, faults=Faults({Fault.LOST: 1.0}), setup=setup, search=search, stop_at=400.0)
        knees.append(stage.run().search["knee"]["held"])
    assert knees[0] == knees[1]


FAILING = parse_threshold("cert.issued", "fail_rate>0.5")
