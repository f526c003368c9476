"""From spec, plan and target to the work of one batch."""

import json
from typing import Any

import pytest

from doubles.means import FixedSecrets, local_targets
from engine.batch.work import Work
from engine.device.attestations.symmetric import GroupKey
from engine.device.bundle import Bundle
from engine.device.setup import Dps, Setup
from engine.errors import SettingsError
from engine.measure.operation import Operation
from engine.plan.batches import Paces, RunPlan, plan_run
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import CASES
from engine.plan.target import Target
from engine.protocol.adr import Namespace
from engine.run.work import make_setup, make_work, request_tag

TARGETS = local_targets()
FREE = Paces(register_per_s=None, connect_per_s=None, renew_per_s=None)
RAMPING = {
    "executor": "ramping-arrival-rate",
    "stages": [{"duration": "40s", "target": 3}, {"duration": "20s", "target": 0}],
}
SECRETS = FixedSecrets({"local-group-key": b"raw key", "staging-group-key": b"other"})


def spec_of(**changes: Any) -> RunSpec:
    """A spec of ten devices in batches of four."""
    execution = {} if changes.get("scenario") == "cert-throttle" else {"batchSize": 4}
    document = {"scenario": "cert-renewal", "execution": execution, **changes}
    return parse_spec(json.dumps(document).encode(), profiles=TARGETS, max_devices=1000, seed=1, now=0.0)


def target_of(spec: RunSpec) -> Target:
    """The spec's target."""
    target = TARGETS.get(spec.target)
    assert target is not None
    return target


def ranges_of(spec: RunSpec) -> list[tuple[int, int]]:
    """Ten devices are 100 to 104 and 200 to 204."""
    half = spec.devices.count // 2
    return [(100, half), (200, spec.devices.count - half)]


def plan_of(spec: RunSpec) -> RunPlan:
    """Its devices are numbered from 100 and from 200."""
    return plan_run(spec, run_id="run-a", ranges=ranges_of(spec), target=target_of(spec))


def setup_of(spec: RunSpec) -> Setup:
    """What its devices have in common."""
    paces = plan_of(spec).batches[0].paces
    return make_setup(spec, target_of(spec), secrets=SECRETS, tag="tag", zero_wall=7.0, paces=paces)


def work_of(spec: RunSpec, batch: int = 0, **bundles: Bundle) -> Work:
    """The work of one batch."""
    stored = {name.replace("_", "-"): bundle for name, bundle in bundles.items()}
    batches = plan_of(spec).batches
    return make_work(
        spec, batches[batch], target=target_of(spec), setup=setup_of(spec), bundles=stored, loaded=(), resume=None
    )


def test_batches_drain_when_time_or_money_is_over() -> None:
    """Seconds of the run's clock: its own limit, or what the profile lets it spend, whichever is sooner."""
    assert work_of(spec_of(limits={"maxDuration": "3h"})).stop_at == 10_800
    assert work_of(spec_of(limits={"maxDuration": "3h", "maxCostUsd": 0.01})).stop_at == 10_800
    spent = work_of(spec_of(target="staging", limits={"maxDuration": "3h"}, load={"duration": "1s"})).stop_at
    assert spent == pytest.approx(0.001 / (3 * 2 * 0.000026))


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
        make_setup(spec, target_of(spec), secrets=FixedSecrets(), tag="", zero_wall=0.0, paces=FREE)


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
    """The emulator has none; a service's are shared out among the batches, and each device takes what it may need."""
    assert setup_of(spec_of()).budgets == {}
    staging = {"target": "staging", "limits": {"maxDuration": "3h"}, "load": {"duration": "1s"}}
    budgets = setup_of(spec_of(**staging)).budgets
    register = budgets[Operation.DPS_REGISTER]
    assert register.book(0.0) == 0.0
    assert 3 / register.free_at == pytest.approx(0.9 * 1000 / 60, rel=0.01)
    assert set(budgets) == {Operation.DPS_REGISTER, Operation.HUB_CONNECT}  # no quota of issuing is known
    stored = {
        f"device_{n}": Bundle(f"device-{n}", "hub", b"key", (b"leaf",)) for n in (*range(100, 105), *range(200, 205))
    }
    assert work_of(spec_of(**staging), **stored).paced_by == (Operation.HUB_CONNECT,)
    assert work_of(spec_of(**staging)).paced_by == (Operation.HUB_CONNECT, Operation.DPS_REGISTER)
    assert work_of(spec_of(scenario="provision")).paced_by == ()


@pytest.mark.parametrize("word", ["wait", "ask", "replace", "replace-any"])
def test_setup_says_what_becomes_of_a_pending_request(word: str) -> None:
    """As the spec does; only devices of cert-throttle rest as they are told."""
    assert setup_of(spec_of(certificate={"onPending": word})).on_pending == word
    assert not setup_of(spec_of()).rests_as_told
    assert setup_of(spec_of(scenario="cert-throttle")).rests_as_told


def test_load_of_a_search_ends_by_itself() -> None:
    """It has no duration, and no ramp."""
    work = work_of(spec_of(scenario="cert-throttle"))
    assert (work.duration_s, work.ramp_s, len(work.seats)) == (None, 0.0, 100)
