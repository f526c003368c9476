"""What a batch leaves while it runs: pieces that are archived, the checkpoint of a stop, windows to be judged by."""

import pytest

from doubles.drive import make_setup
from engine.batch.checkpoint import Archived, Checkpoint
from engine.batch.done import Stop
from engine.batch.herald import CHECKPOINT_S, WINDOWS_S
from engine.batch.ledger import PIECE_WINDOWS
from engine.device.setup import Timeouts
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.errors import ClaimLost, StoreUnavailable
from engine.measure.operation import Operation, Phase
from engine.measure.stopping import Watch
from engine.measure.timeline import Timeline
from unit.batch.rig import assert_sound, make_stage

LONG_S = 360.0
WATCH = Watch(frozenset({Operation.CERT_ISSUED}), frozenset(), delay_s=0.0, reach_s=100.0)
SOME = {"options": Options(faults=Faults({Fault.LOST: 0.1, Fault.THROTTLED: 0.2}))}


def whole(done, pieces):
    """What a reader of a result puts together."""
    merged = Timeline(done.timeline.interval_s, done.timeline.samples_kept)
    merged.merge(done.timeline)
    for found in done.archived:
        for number in range(found.count):
            merged.merge(Timeline.decode(pieces[found.token, number]))
    return merged


def go_on(first, *, token, pieces, **changes):
    """The stage of the next holder, which goes on from the first one's last checkpoint."""
    second = make_stage(resume=Checkpoint.decode(first.home.checkpoints[-1]), **changes)
    second.home.beginning, second.home.token, second.home.pieces = first.home.beginning, token, dict(pieces)
    second.world.clock.sleep(first.world.clock.now() + 5.0)
    return second


def test_checkpoints_do_not_grow_with_the_run():
    """What is old lies elsewhere, written once, before any checkpoint says so; the result names it, too."""
    stage = make_stage(duration_s=LONG_S, **SOME)
    done = stage.run()
    assert_sound(done)
    (found,) = done.archived
    assert (found.token, found.count) == (1, len(stage.home.pieces))
    assert found.count >= LONG_S / 10.0 / PIECE_WINDOWS - 3
    assert len(done.timeline.windows) <= 3 * PIECE_WINDOWS
    sizes = [len(body) for body in stage.home.checkpoints]
    assert max(sizes[len(sizes) // 2 :]) < 1.5 * max(sizes[: len(sizes) // 2])
    assert whole(done, stage.home.pieces).total().encode() == done.total.encode()


def test_every_checkpoint_and_its_pieces_are_whole_iterations():
    """Whichever is the last: merged with the pieces it counts, the sums are those it says."""
    stage = make_stage(duration_s=LONG_S, **SOME)
    stage.run()
    for body in stage.home.checkpoints[::20]:
        found = Checkpoint.decode(body)
        merged = found.timeline
        for archived in found.archived:
            for number in range(archived.count):
                merged.merge(Timeline.decode(stage.home.pieces[archived.token, number]))
        assert merged.total().select(Operation.ITERATION).due == found.handed


def test_batch_taken_over_again_and_again_counts_exactly():
    """Pieces of every holder, and the windows that were under way when it died, are in the result of the last."""
    undisturbed = make_stage(duration_s=LONG_S).run()
    stage = make_stage(duration_s=LONG_S)
    for token, dies_s in ((2, 130.0), (3, 250.0), (4, 260.0)):
        before = stage
        before.at(
            dies_s - before.world.clock.now(), lambda stage=before: setattr(stage.home, "trouble", ClaimLost("b", "o"))
        )
        with pytest.raises(ClaimLost):
            before.run()
        stage = go_on(before, token=token, pieces=before.home.pieces, duration_s=LONG_S)
    done = stage.run()
    assert_sound(done)
    assert done.handed == undisturbed.handed
    assert [found.token for found in done.archived] == [1, 2, 4]
    assert whole(done, stage.home.pieces).total().encode() == done.total.encode()


def test_store_that_is_away_loses_no_piece():
    """Until it is back pieces stay in the checkpoints to come, and no checkpoint counts one that is not there."""
    stage = make_stage(duration_s=LONG_S)
    keep, away = stage.home.archive, []

    def archive(number, piece):
        if 150.0 <= stage.world.clock.now() < 330.0:
            away.append(number)
            raise StoreUnavailable("pieces")
        keep(number, piece)

    def checkpoint(body):
        counted = [each.count for each in Checkpoint.decode(body).archived]
        assert sum(counted) <= len(stage.home.pieces)
        stage.home.checkpoints.append(body)

    stage.home.archive, stage.home.checkpoint = archive, checkpoint
    done = stage.run()
    assert len(set(away)) == 1
    assert len(away) > 10
    assert done.archived == (Archived(1, len(stage.home.pieces)),)
    assert whole(done, stage.home.pieces).total().encode() == done.total.encode()
    assert_sound(done)


def test_piece_that_leaves_with_the_last_checkpoint_is_counted_once():
    """It is kept while the batch ends: then the result names it, and does not hold it as well."""
    kept_at = []
    first = make_stage(duration_s=LONG_S)
    keep = first.home.archive
    first.home.archive = lambda number, piece: (keep(number, piece), kept_at.append(first.world.clock.now()))
    first.run()
    stage = make_stage(duration_s=LONG_S)
    stage.at(kept_at[0] - CHECKPOINT_S + 1.0, stage.cancel)
    done = stage.run()
    assert done.archived == (Archived(1, 1),)
    assert whole(done, stage.home.pieces).total().encode() == done.total.encode()
    assert_sound(done)


def test_piece_that_never_reached_the_store_is_in_the_result():
    """The result holds what it does not name."""
    stage = make_stage(duration_s=LONG_S)

    def archive(number, piece):
        raise StoreUnavailable("pieces")

    stage.home.archive = archive
    done = stage.run()
    assert done.archived == ()
    assert done.timeline.total().encode() == done.total.encode()
    assert_sound(done)


@pytest.mark.parametrize("executor", ["once", "pacing", "max-rate", "arrivals", "stages"])
def test_stop_leaves_a_checkpoint_of_its_moment(executor):
    """The iterations that drain are outstanding in it: whoever resumes the run makes them again, and none is lost."""
    changes = {"executor": executor, "size": 6, "ramp_s": 30.0}
    undisturbed = make_stage(**changes).run()
    first = make_stage(**changes)
    first.at(20.0, first.cancel)
    stopped = first.run()
    assert stopped.stop is Stop.CANCELLED
    last = Checkpoint.decode(first.home.checkpoints[-1])
    load_s = stopped.durations_s[Phase.RAMP] + stopped.durations_s[Phase.STEADY]
    assert last.elapsed_s == pytest.approx(load_s)
    assert last.handed <= stopped.handed
    second = make_stage(resume=last, **changes)
    second.home.origin, second.home.starts_after_s = None, -last.elapsed_s
    second.world.clock.sleep(100.0)
    done = second.run()
    assert_sound(done)
    if executor != "max-rate":
        assert done.handed == undisturbed.handed


def test_nothing_is_saved_after_a_stop():
    """What drains belongs to the attempt that was stopped."""
    stage = make_stage(options=Options(faults=Faults({Fault.LOST: 1.0})))
    stage.at(20.0, stage.cancel)
    done = stage.run()
    assert done.durations_s[Phase.DRAIN] > 4 * CHECKPOINT_S
    assert len(stage.home.checkpoints) <= 20.0 / CHECKPOINT_S + 2


def test_drain_of_a_load_that_came_to_its_end_is_saved():
    """A batch whose holder dies then is finished by the next."""
    stage = make_stage(options=Options(faults=Faults({Fault.LOST: 1.0})))
    done = stage.run()
    assert len(stage.home.checkpoints) >= (60.0 + done.durations_s[Phase.DRAIN]) / CHECKPOINT_S - 1


def test_batch_that_stops_before_its_load_saves_nothing():
    """There is nothing to go on from."""
    stage = make_stage(stored=False)
    stage.at(0.3, stage.cancel)
    stage.run()
    assert stage.home.checkpoints == []


def test_windows_are_shown_to_whoever_watches():
    """Every few seconds from the load's start on, and once more when the batch is over."""
    stage = make_stage(watch=WATCH)
    done = stage.run()
    assert len(stage.home.windows) == pytest.approx((60.0 + done.durations_s[Phase.DRAIN]) / WINDOWS_S, abs=2)
    assert [shown.is_over for shown in stage.home.windows[-2:]] == [False, True]
    last = stage.home.windows[-1]
    issued = done.total.select(Operation.CERT_ISSUED)
    assert last.timeline.total().select(Operation.CERT_ISSUED).ok == issued.ok
    assert last.timeline.total().operations() == (Operation.CERT_ISSUED,)
    assert last.durations_s == done.durations_s
    assert last.told_at - last.at == pytest.approx(stage.home.beginning.origin)


def test_batch_that_begins_late_is_judged_from_the_start():
    """Nobody drove it before."""
    stage = make_stage(watch=WATCH)
    stage.home.starts_after_s = -3.0
    stage.run()
    assert {shown.since for shown in stage.home.windows} == {0.0}


def test_nobody_watches_for_nothing():
    """A run that nothing can end is spared the writes."""
    stage = make_stage()
    stage.run()
    assert stage.home.windows == []


def test_windows_show_a_service_that_hangs():
    """Nothing ends, and yet every request is overdue."""
    stage = make_stage(
        watch=WATCH,
        options=Options(faults=Faults({Fault.LOST: 1.0})),
        setup=make_setup(timeouts=Timeouts(certificate=5.0)),
    )
    stage.run()
    shown = next(each for each in stage.home.windows if each.at > 40.0)
    assert shown.timeline.total().select(Operation.CERT_ISSUED).overdue == 5


def test_next_holder_shows_what_the_one_before_had_counted():
    """The run is judged by all of it."""
    first = make_stage(duration_s=200.0, watch=WATCH)
    first.at(100.0, lambda: setattr(first.home, "trouble", ClaimLost("batch 0", "other")))
    with pytest.raises(ClaimLost):
        first.run()
    second = go_on(first, token=2, pieces=first.home.pieces, duration_s=200.0, watch=WATCH)
    done = second.run()
    last = second.home.windows[-1]
    assert last.since > 100.0
    assert last.timeline.total().select(Operation.CERT_ISSUED).ok == done.total.select(Operation.CERT_ISSUED).ok
