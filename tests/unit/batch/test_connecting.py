"""Batches of the scenarios that are about being connected, over the emulator in memory, in virtual time."""

import math

import pytest

from doubles.drive import make_setup
from engine.device.setup import Attempts
from engine.emulator.service import Options
from engine.emulator.throttle import Quotas
from engine.errors import Outcome
from engine.measure.operation import Operation, Phase
from unit.batch.rig import assert_sound, counted, make_stage, total

HOLDS = {"connect-churn": 2.0, "connect-storm": 20.0, "telemetry": math.inf}


def stage_of(scenario, executor="pacing", **options):
    """Ten devices that hold no certificate yet."""
    setup = make_setup(hold_s=HOLDS[scenario])
    return make_stage(scenario, executor, **({"size": 10, "setup": setup, "stored": False} | options))


@pytest.mark.parametrize("scenario", HOLDS)
@pytest.mark.parametrize("executor", ["once", "pacing", "arrivals"])
def test_batch_counts_what_the_emulator_counts(scenario, executor):
    """Connects, refusals, messages and registrations at the service are as many as the device side has."""
    stage = stage_of(scenario, executor, options=Options(quotas=Quotas(hub_connects_per_s=2.0)), ramp_s=1.0)
    done = stage.run()
    stats, tally = stage.world.service.report(), total(done)
    connects, registers = tally.select(Operation.HUB_CONNECT), tally.select(Operation.DPS_REGISTER)
    assert_sound(done)
    assert connects.ok + registers.ok == stats["connacks"]["0"]
    assert connects.outcomes[Outcome.SERVER] == stats["connacks"]["3"] > 0
    assert tally.select(Operation.TELEMETRY_PUBLISH).ok == stats["telemetry"]
    assert registers.ok == stats["dps.register"]["200"] == 10
    assert stage.wire.open_connections == 0


def test_churn_connects_and_leaves_in_every_iteration():
    """As many connects as disconnects as iterations; none of them is a connection of prepare."""
    done = stage_of("connect-churn").run()
    load = [Phase.RAMP, Phase.STEADY, Phase.DRAIN]
    iterations = counted(done, Operation.ITERATION)
    assert iterations == counted(done, Operation.HUB_CONNECT, load) == counted(done, Operation.HUB_DISCONNECT, load)
    assert iterations.keys() == {"ok"}
    assert_sound(done)


def test_storm_dials_everybody_at_the_same_moment():
    """All are due and begin at the load's start; every iteration tells when it was connected, and then held."""
    done = stage_of("connect-storm", "once", ramp_s=0.0).run()
    iterations = total(done).select(Operation.ITERATION)
    connects = total(done).select(Operation.HUB_CONNECT, [Phase.STEADY])
    assert iterations.ok == connects.ok == iterations.parts["connected"].count == 10
    assert iterations.parts["connected"].pack() == connects.intended.pack()
    assert iterations.actual.min_s > HOLDS["connect-storm"]
    assert done.durations_s[Phase.RAMP] == 0.0
    assert_sound(done)


def test_storm_that_is_turned_away_counts_on_until_it_is_let_in():
    """A retried connect is due after its back-off; the storm goes on counting from its beginning."""
    setup = make_setup(hold_s=60.0, attempts=Attempts(connect=20))
    stage = stage_of(
        "connect-storm", "once", ramp_s=0.0, setup=setup, options=Options(quotas=Quotas(hub_connects_per_s=1.0))
    )
    done = stage.run()
    connects = total(done).select(Operation.HUB_CONNECT, [Phase.STEADY, Phase.DRAIN])
    connected = total(done).select(Operation.ITERATION).parts["connected"]
    assert connects.retries > 0
    assert connected.count == 10
    assert connected.max_ns > connects.intended.max_ns
    assert_sound(done)


def test_storm_counts_connections_that_did_not_stay():
    """A connection cut while it is held is a disconnect that nobody asked for; its iteration still passes."""
    stage = stage_of("connect-storm", "once", ramp_s=0.0, size=3, stored=True)
    stage.at(10.0, lambda: stage.wire.cut(1))
    done = stage.run()
    assert counted(done, Operation.HUB_DISCONNECT, [Phase.STEADY]) == {"disconnected": 1, "ok": 2}
    assert counted(done, Operation.ITERATION) == {"ok": 3}
    assert_sound(done)


def test_telemetry_connects_once_and_again_after_a_loss():
    """The connection of prepare lasts for the run; the device that loses it makes one more and misses nothing."""
    stage = stage_of("telemetry", size=3, stored=True)
    stage.at(15.0, lambda: stage.wire.cut(1))
    done = stage.run()
    assert counted(done, Operation.HUB_CONNECT, [Phase.PREPARE]) == {"ok": 3}
    assert total(done).select(Operation.HUB_CONNECT).started == 4
    assert counted(done, Operation.HUB_DISCONNECT) == {"disconnected": 1}
    assert total(done).select(Operation.TELEMETRY_PUBLISH).ok == 3 * total(done).select(Operation.ITERATION).ok > 0
    assert_sound(done)
