"""Batches of the scenarios that speak HTTP: from an empty registry to an empty registry."""

import math

import pytest

from doubles.drive import make_setup
from engine.device.setup import Attempts
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.measure.operation import Operation, Phase
from unit.batch.rig import assert_sound, counted, make_stage

LOAD = (Phase.RAMP, Phase.STEADY)


def registry_counts(stage):
    """What the emulator's registry answered, by call and status."""
    return stage.world.service.report()["adr"]


@pytest.mark.parametrize("scenario", ["adr-get-patch", "adr-patch"])
def test_registry_holds_every_device_and_none_in_the_end(scenario):
    """Each is created once, used, and deleted; what is counted is what the service counted."""
    stage = make_stage(scenario, size=6, cleans_up=True)
    done = stage.run()
    assert_sound(done)
    assert done.unprovisioned == 0
    counts = registry_counts(stage)
    assert counted(done, Operation.ADR_CREATE) == {"ok": 6} == {"ok": counts["create.201"]}
    assert counted(done, Operation.ADR_DELETE, {Phase.DRAIN}) == {"ok": 6} == {"ok": counts["delete.202"]}
    assert counted(done, Operation.ADR_PATCH) == {"ok": counts["patch.202"]}
    assert counted(done, Operation.ADR_POLL) == {"ok": counts["poll.200"]}
    gets = counted(done, Operation.ADR_GET)
    assert gets.get("ok", 0) == counts.get("get.200", 0)
    assert counted(done, Operation.ADR_GET, {Phase.PREPARE}) == {"not-found": 6} == {"not-found": counts["get.404"]}


def test_devices_that_are_not_cleaned_up_are_told():
    """Deleting takes longer than there is time for: nobody need look into the registry to find out."""
    stage = make_stage("adr-patch", size=5, cleans_up=True)
    stage.at(58.0, lambda: setattr(stage.world.service, "faults", Faults({Fault.ADR_FAILED: 1.0})))
    done = stage.run()
    assert_sound(done)
    assert done.uncleaned == 5
    assert counted(done, Operation.ADR_DELETE, {Phase.DRAIN})["server"] >= 5


def test_mix_counts_every_iteration_as_one_call():
    """The iteration is the main operation, and a start that is dropped is dropped once."""
    stage = make_stage("adr-get-patch", "arrivals", size=10, max_in_flight=1)
    done = stage.run()
    assert_sound(done)
    iterations = counted(done, Operation.ITERATION)
    assert iterations["dropped"] > 0
    calls = [counted(done, operation, LOAD).get("ok", 0) for operation in (Operation.ADR_GET, Operation.ADR_PATCH)]
    assert sum(calls) == iterations["ok"]
    assert min(calls) > 0


def test_device_that_the_registry_does_not_hold_is_never_started():
    """Its starts are dropped, and it is counted as not provisioned."""
    stage = make_stage("adr-patch", size=3, setup=make_setup(may_provision=False))
    done = stage.run()
    assert_sound(done)
    assert done.unprovisioned == 3
    assert set(counted(done, Operation.ITERATION)) == set(counted(done, Operation.ADR_PATCH)) == {"dropped"}
    assert "create.201" not in registry_counts(stage)


def test_registry_in_trouble_is_told_in_full():
    """Every refusal is a sample of the call it met; nothing of the load is tried again."""
    faults = Faults({Fault.ADR_THROTTLED: 0.2, Fault.ADR_SERVER: 0.1, Fault.ADR_FAILED: 0.1})
    setup = make_setup(attempts=Attempts(register=20))
    stage = make_stage("adr-patch", size=20, options=Options(faults=faults), setup=setup, duration_s=200.0)
    done = stage.run()
    assert_sound(done)
    assert done.unprovisioned == 0
    counts = registry_counts(stage)
    patches = counted(done, Operation.ADR_PATCH, LOAD)
    assert {"ok", "throttled", "server"} <= set(patches)
    polls = counted(done, Operation.ADR_POLL)
    assert polls["throttled"] == counts["poll.429"]
    assert sum(patches.values()) == sum(n for kind, n in counts.items() if kind.startswith("patch."))


def test_probe_asks_for_pages_and_keeps_nothing():
    """No preparation, no state, no certificate."""
    stage = make_stage("http-probe", size=4)
    done = stage.run()
    assert_sound(done)
    assert done.unprovisioned == 0
    assert counted(done, Operation.HTTP_GET) == {"ok": stage.world.service.report()["http.get"]}
    assert stage.world.service.report()["opens"] == 4
    assert counted(done, Operation.ITERATION, {Phase.PREPARE}) == {}
    assert done.load_start is not None
    assert not math.isinf(done.load_start)
