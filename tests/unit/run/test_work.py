"""From spec, plan and target to the work of one batch."""

import json
import math
from typing import Any

import pytest

from doubles.means import FixedSecrets, local_targets
from engine.batch.rosters.arrivals import Arrivals
from engine.batch.rosters.max_rate import MaxRate
from engine.batch.rosters.once import Once
from engine.batch.rosters.pacing import Pacing
from engine.batch.rosters.roster import Go
from engine.batch.work import Work
from engine.device.attestations.symmetric import GroupKey
from engine.device.bundle import Bundle
from engine.device.setup import Dps, Setup
from engine.errors import SettingsError
from engine.plan.batches import RunPlan, plan_run
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import CASES
from engine.plan.target import Target
from engine.protocol.adr import Namespace
from engine.run.work import make_roster, make_setup, make_work, request_tag

TARGETS = local_targets()
RAMPING = {
    "executor": "ramping-arrival-rate",
    "stages": [{"duration": "40s", "target": 3}, {"duration": "20s", "target": 0}],
}
SECRETS = FixedSecrets({"local-group-key": b"raw key", "staging-group-key": b"other"})


def spec_of(**changes: Any) -> RunSpec:
    """A spec of ten devices in batches of four."""
    document = {"scenario": "cert-renewal", "execution": {"batchSize": 4}, **changes}
    return parse_spec(json.dumps(document).encode(), profiles=TARGETS, max_devices=1000, seed=1, now=0.0)


def target_of(spec: RunSpec) -> Target:
    """The spec's target."""
    target = TARGETS.get(spec.target)
    assert target is not None
    return target


def plan_of(spec: RunSpec) -> RunPlan:
    """Its devices are 100 to 104 and 200 to 204."""
    return plan_run(spec, run_id="run-a", ranges=[(100, 5), (200, 5)], target=target_of(spec))


def setup_of(spec: RunSpec) -> Setup:
    """What its devices have in common."""
    return make_setup(spec, target_of(spec), secrets=SECRETS, tag="tag", zero_wall=7.0)


def work_of(spec: RunSpec, batch: int = 0, **bundles: Bundle) -> Work:
    """The work of one batch."""
    stored = {name.replace("_", "-"): bundle for name, bundle in bundles.items()}
    batches = plan_of(spec).batches
    return make_work(spec, batches[batch], setup=setup_of(spec), bundles=stored, loaded=(), resume=None)


def test_no_two_holders_ask_with_the_same_id() -> None:
    """Neither two attempts at a batch, nor two batches, nor two runs."""
    tags = {request_tag(run, batch, token) for run in ("run-a", "run-b") for batch in range(5) for token in (1, 2)}
    assert len(tags) == 20
    assert request_tag("run-a", 1, 1) == request_tag("run-a", 1, 1)


def test_seats_of_all_batches_are_the_runs_devices() -> None:
    """Every name once, by the ranges that were allotted."""
    spec = spec_of()
    seats = [seat for batch in range(3) for seat in work_of(spec, batch).seats]
    assert sorted(seat.index for seat in seats) == [*range(100, 105), *range(200, 205)]
    assert sorted(seat.ordinal for seat in seats) == list(range(10))
    assert seats[0].device_id == "device-100"


def test_stored_state_is_used_where_the_scenario_goes_on_from_it() -> None:
    """A renewal starts with the certificate that is there, a registration makes a new one."""
    stored = Bundle("device-101", "hub", b"key", (b"leaf",))
    seats = {seat.device_id: seat.bundle for seat in work_of(spec_of(), device_101=stored).seats}
    assert seats["device-101"] is stored
    assert seats["device-100"] is None
    assert all(seat.bundle is None for seat in work_of(spec_of(scenario="provision"), device_101=stored).seats)


def test_setup_speaks_of_the_target() -> None:
    """Hosts, keys and limits come from the profile and the spec."""
    setup = setup_of(spec_of(timeouts={"certificate": "7s"}, retries={"register": 2}))
    assert setup.dps == (Dps("127.0.0.1", 8883, "0ne00000000", GroupKey(b"raw key")),)
    assert (setup.timeouts.certificate, setup.attempts.register, setup.wall_at_zero) == (7.0, 2, 7.0)
    assert setup.may_provision
    assert setup.cases == CASES
    assert setup_of(spec_of(scenario="conformance", cases=["011", "003"])).cases == ("011", "003")
    assert not setup_of(spec_of(devices={"source": "stored-only"})).may_provision
    assert (setup.renewal_path, setup_of(spec_of(certificate={"path": "dps"})).renewal_path) == ("hub", "dps")


def test_setup_speaks_of_what_is_done_over_http() -> None:
    """The page, the registry, and how often to get and to patch; a profile without them leaves them empty."""
    setup = setup_of(spec_of(scenario="adr-get-patch", weights={"get": 1, "patch": 3}, timeouts={"http": "7s"}))
    assert setup.probe_url == "https://127.0.0.1:8883/"
    assert setup.namespace == Namespace("local", "local", "local", "local", "https://127.0.0.1:8883")
    assert (setup.get_share, setup.timeouts.http) == (0.25, 7.0)
    spec = spec_of(target="staging", limits={"maxDuration": "3h"}, devices={"count": 4}, load={"duration": "1s"})
    assert (setup_of(spec).probe_url, setup_of(spec).namespace) == ("", None)


@pytest.mark.parametrize("scenario", ["adr-get-patch", "adr-patch", "http-probe"])
def test_scenarios_over_http_need_no_certificate(scenario: str) -> None:
    """Neither is stored state used, nor is preparing paced as if it registered or connected."""
    stored = Bundle("adrdev101", "hub", b"key", (b"leaf",))
    work = work_of(spec_of(scenario=scenario), adrdev101=stored, device_101=stored)
    assert all(seat.bundle is None for seat in work.seats)
    assert work.paced_by == ()
    assert work.cleans_up is (scenario == "adr-patch")


def test_setup_lets_devices_go_only_where_the_profile_allows() -> None:
    """A hub that DPS assigned outside the allow-list is refused."""
    spec = spec_of(target="staging", limits={"maxDuration": "3h"}, devices={"count": 4}, load={"duration": "1s"})
    setup = setup_of(spec)
    assert setup.allows("hub.example")
    assert not setup.allows("evil.example")


def test_secret_that_is_not_there_is_named() -> None:
    """The batch cannot run, and says what is missing."""
    spec = spec_of()
    with pytest.raises(SettingsError, match="local-group-key"):
        make_setup(spec, target_of(spec), secrets=FixedSecrets(), tag="", zero_wall=0.0)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, Pacing),
        ({"scenario": "provision"}, Once),
        ({"load": {"executor": "max-rate"}}, MaxRate),
        ({"load": {"executor": "constant-arrival-rate", "rate": 5}}, Arrivals),
        ({"load": RAMPING}, Arrivals),
    ],
)
def test_executor_has_its_roster(changes: dict[str, Any], kind: type) -> None:
    """Closed ones belong to devices, open ones to nobody."""
    spec = spec_of(**changes)
    assert isinstance(make_roster(spec, plan_of(spec).batches[0])((), None), kind)


@pytest.mark.parametrize(
    "changes",
    [
        {"load": {"iterations": 25, "pacing": {"interval": "1s"}, "duration": "60s"}},
        {"scenario": "provision", "load": {"iterations": 7}},
        {"load": {"executor": "constant-arrival-rate", "rate": 5, "iterations": 31, "duration": "60s"}},
        {"load": {**RAMPING, "iterations": 31}},
        {"load": {"executor": "max-rate", "iterations": 31}},
        {"load": {"executor": "max-rate", "iterations": 2}},
    ],
)
def test_iterations_of_the_run_are_shared_out_whole(changes: dict[str, Any]) -> None:
    """All batches together hand out exactly as many starts as the spec says."""
    spec = spec_of(**changes)
    handed = 0
    for batch in plan_of(spec).batches:
        roster = make_roster(spec, batch)((), None)
        now = 0.0
        while (due := roster.next_due()) < math.inf:
            now = max(now, due)
            calls = roster.calls(now)
            handed += len(calls)
            for call in calls:
                if isinstance(call, Go):
                    roster.free(call.device)
    assert handed == spec.load.iterations


def test_load_ends_by_time_only_where_the_executor_says_so() -> None:
    """`once` ends when every device has been through it, stages end where the last one does."""
    assert work_of(spec_of()).duration_s == 300.0
    assert work_of(spec_of(load=RAMPING)).duration_s == 60.0
    assert work_of(spec_of(scenario="provision")).duration_s is None
    assert work_of(spec_of()).ramp_s > 0
    assert work_of(spec_of(load={"executor": "max-rate"})).ramp_s == 30.0
    assert work_of(spec_of(load=RAMPING)).ramp_s == 0.0
    assert work_of(spec_of(load={"executor": "constant-arrival-rate", "rate": 1})).ramp_s == 0.0


def test_preparing_keeps_to_the_targets_quotas() -> None:
    """The emulator has none; a service's registrations are shared out among the batches."""
    assert work_of(spec_of()).prepare_per_s is None
    spec = spec_of(target="staging", limits={"maxDuration": "3h"}, load={"duration": "1s"})
    per_s = work_of(spec).prepare_per_s
    assert per_s is not None
    assert per_s * 3 == pytest.approx(0.9 * 1000 / 60, rel=0.01)
