"""The built-in runs."""

import json

import pytest

from engine.cli.specs import BUILT_IN, beneath, put
from engine.plan.estimate import estimate
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.scenario import Scenario
from engine.plan.target import parse_targets

FACTS = {"host": "127.0.0.1", "port": 8883, "idScope": "0ne00000000", "caFile": "/ca.pem"}
TARGETS = parse_targets("", allowed_hosts=(), local=json.dumps(FACTS))


@pytest.mark.parametrize("scenario", BUILT_IN)
def test_built_in_run_is_accepted_small_and_has_several_batches(scenario):
    """The server takes it, it has thresholds, and it is over in a minute, as far as
    anybody can foresee; a search is always one batch, and takes two minutes."""
    body = json.dumps(beneath({"scenario": scenario.value})).encode()
    spec = parse_spec(body, profiles=TARGETS, max_devices=100_000, seed=1, now=0.0)
    target = TARGETS.by_name["local"]
    foreseen = estimate(spec, target)
    searches = scenario is Scenario.CERT_THROTTLE
    assert foreseen.batches > 1 or searches
    assert foreseen.duration_s <= (150 if searches else 60)
    assert spec.thresholds


def test_given_fields_lie_on_top():
    """What is given wins, what is not stays built in."""
    spec = beneath({"scenario": "cert-renewal", "load": {"pacing": {"interval": "3s"}}})
    assert spec["load"]["pacing"] == {"interval": "3s"}
    assert spec["load"]["duration"] == "40s"


def test_fields_that_another_executor_does_not_use_go():
    """A built-in run never makes a spec wrong."""
    spec = beneath({"scenario": "cert-renewal", "load": {"executor": "max-rate"}})
    assert "pacing" not in spec["load"]


def test_what_is_no_scenario_is_asked_for_as_it_is():
    """The server says what it thinks of it."""
    assert beneath({"scenario": "no-such-thing"}) == {"scenario": "no-such-thing"}


def test_every_scenario_has_a_built_in_run():
    """Whatever can be asked for by name can be asked for without a spec."""
    assert set(BUILT_IN) == set(Scenario)


def test_built_in_run_is_not_changed_by_use():
    """Two runs in one process get the same."""
    beneath({"scenario": "provision"})["load"]["rampUp"] = "1s"
    assert beneath({"scenario": "provision"})["load"]["rampUp"] == "20s"


def test_put_makes_its_way_and_leaves_what_is_in_it():
    """Objects on the way are made, anything else stays for the server to refuse."""
    spec = {"load": 5}
    put(spec, "/devices/count", 3)
    put(spec, "/load/duration", "5s")
    put(spec, "/connection/hold", None)
    assert spec == {"load": 5, "devices": {"count": 3}}
