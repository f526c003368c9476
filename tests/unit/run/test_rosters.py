"""From a spec's executor to the roster of one batch."""

import json
import math
from typing import Any

import pytest

from doubles.drive import ISSUER, ROOT, ZERO_WALL, make_setup
from doubles.means import local_targets
from engine.batch.rosters.arrivals import Arrivals
from engine.batch.rosters.max_rate import MaxRate
from engine.batch.rosters.once import Once
from engine.batch.rosters.pacing import Pacing
from engine.batch.rosters.roster import Go, Roster
from engine.batch.rosters.search import RateSearch
from engine.device.bundle import Bundle
from engine.device.identity import Device
from engine.plan.batches import Batch, plan_run
from engine.plan.spec.load import ASSUMED_VALIDITY_S
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.runspec import RunSpec
from engine.protocol import issuing, x509
from engine.run.rosters import make_roster

TARGETS = local_targets()
RAMPING = {
    "executor": "ramping-arrival-rate",
    "stages": [{"duration": "40s", "target": 3}, {"duration": "20s", "target": 0}],
}


def spec_of(**changes: Any) -> RunSpec:
    """A spec of ten devices in batches of four."""
    execution = {} if changes.get("load", {}).get("executor") == "rate-search" else {"batchSize": 4}
    document = {"scenario": "cert-renewal", "execution": execution, **changes}
    return parse_spec(json.dumps(document).encode(), profiles=TARGETS, max_devices=1000, seed=1, now=0.0)


def batches_of(spec: RunSpec) -> tuple[Batch, ...]:
    """The batches of its plan."""
    target = TARGETS.get(spec.target)
    assert target is not None
    return tuple(plan_run(spec, run_id="run-a", ranges=[(100, spec.devices.count)], target=target).batches)


def devices_of(batch: Batch, *lifetimes_s: float) -> list[Device]:
    """The batch's devices; the first of them hold certificates that live so long, 0 for one that does not parse."""
    bundles = [_bundle(lifetime_s) for lifetime_s in lifetimes_s]
    bundles += [None] * (batch.devices - len(bundles))
    return [Device(make_setup(), f"d-{n}", index=n, ordinal=n, bundle=bundle) for n, bundle in enumerate(bundles)]


def _bundle(lifetime_s: float) -> Bundle | None:
    if lifetime_s == 0:
        return Bundle("d", "hub", b"key", (b"leaf",))
    key = x509.generate_key(x509.KeyType.EC_P256)
    csr = issuing.read_csr(x509.build_csr(key, "d"))
    leaf = issuing.issue_leaf(ISSUER, csr, mark=b"", begins=ZERO_WALL, ends=ZERO_WALL + lifetime_s)
    return Bundle("d", "hub", x509.key_to_der(key), (leaf, ISSUER.der, ROOT.der))


def roster_of(spec: RunSpec, batch: Batch, *lifetimes_s: float, unready: frozenset[int] = frozenset()) -> Roster:
    """The batch's roster from the beginning."""
    return make_roster(spec, batch)(devices_of(batch, *lifetimes_s), unready, None)


def starts(roster: Roster, device: int) -> list[float]:
    """When the device starts, each start being over at once."""
    found: list[float] = []
    while (due := roster.next_due()) < math.inf:
        for call in roster.calls(due):
            if isinstance(call, Go):
                roster.free(call.device)
                if call.device == device:
                    assert call.due is not None
                    found.append(call.due)
    return found


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, Pacing),
        ({"scenario": "provision"}, Once),
        ({"load": {"executor": "max-rate"}}, MaxRate),
        ({"load": {"executor": "constant-arrival-rate", "rate": 5}}, Arrivals),
        ({"load": RAMPING}, Arrivals),
        ({"load": {"executor": "rate-search"}}, RateSearch),
    ],
)
def test_executor_has_its_roster(changes: dict[str, Any], kind: type) -> None:
    """Closed ones belong to devices, open ones to nobody."""
    spec = spec_of(**changes)
    assert isinstance(roster_of(spec, batches_of(spec)[0]), kind)


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
    for batch in batches_of(spec):
        roster = roster_of(spec, batch)
        now = 0.0
        while (due := roster.next_due()) < math.inf:
            now = max(now, due)
            calls = roster.calls(now)
            handed += len(calls)
            for call in calls:
                if isinstance(call, Go):
                    roster.free(call.device)
    assert handed == spec.load.iterations


VALIDITY = {"ofValidity": 0.5, "jitter": 0.0, "timeCompression": 100}


def test_pacing_by_validity_gives_each_device_the_grid_of_its_certificate() -> None:
    """At the share of its lifetime, in compressed time; without a certificate as it was planned."""
    spec = spec_of(load={"pacing": VALIDITY, "duration": "600s", "rampUp": "0s"}, devices={"count": 3})
    (batch,) = batches_of(spec)
    assert starts(roster_of(spec, batch, 20_000.0, 40_000.0), 0) == pytest.approx(
        [0.0, 100.0, 200.0, 300.0, 400.0, 500.0]
    )
    assert starts(roster_of(spec, batch, 20_000.0, 40_000.0), 1) == pytest.approx([0.0, 200.0, 400.0])
    assert ASSUMED_VALIDITY_S * 0.5 / 100 > 600.0
    assert starts(roster_of(spec, batch, 20_000.0, 40_000.0), 2) == [0.0]


def test_pacing_by_validity_never_goes_below_the_shortest_interval() -> None:
    """However short a lifetime and however fast time goes."""
    pacing = {**VALIDITY, "timeCompression": 100_000}
    spec = spec_of(load={"pacing": pacing, "duration": "2s", "rampUp": "0s"}, devices={"count": 1})
    (batch,) = batches_of(spec)
    assert starts(roster_of(spec, batch, 60.0), 0) == pytest.approx([n / 10 for n in range(20)])


def test_pacing_by_validity_does_not_read_what_no_hub_accepts() -> None:
    """A device that is not ready may hold anything; its starts are dropped as planned."""
    spec = spec_of(load={"pacing": VALIDITY, "duration": "600s", "rampUp": "0s"}, devices={"count": 2})
    (batch,) = batches_of(spec)
    roster = roster_of(spec, batch, 20_000.0, 0, unready=frozenset({1}))
    assert len(starts(roster, 0)) == 6


def test_search_is_the_specs() -> None:
    """Rates per its time unit, its own condition, and answers overdue after the operation's own time."""
    search = {"start": 30, "step": 2, "hold": "20s", "stopWhen": {"metric": "cert.issued", "expr": "p(95)>500"}}
    spec = spec_of(load={"executor": "rate-search", "timeUnit": "1m", "search": search}, timeouts={"certificate": "7s"})
    (batch,) = batches_of(spec)
    roster = roster_of(spec, batch)
    assert isinstance(roster, RateSearch)
    assert len(roster.calls(0.5)) == 1
    assert roster.next_due() == 2.0
    assert roster.findings()["stopWhen"] == "cert.issued p(95)>500"
    assert roster.findings()["unitS"] == 60.0


@pytest.mark.parametrize(("rests", "scenario"), [(False, "cert-renewal"), (True, "cert-throttle")])
@pytest.mark.parametrize("load", [{"executor": "constant-arrival-rate", "rate": 1}, {"executor": "rate-search"}])
def test_throttled_devices_rest_in_cert_throttle_only(rests: bool, scenario: str, load: dict[str, Any]) -> None:
    """Elsewhere an open start takes whoever is free."""
    load = {**load, "timeUnit": "1s"} | ({"duration": "60s"} if "rate" in load else {"search": {"start": 1}})
    spec = spec_of(scenario=scenario, load=load, devices={"count": 1}, execution={})
    roster = roster_of(spec, batches_of(spec)[0])
    assert isinstance(roster.calls(0.0)[0], Go)
    roster.free(0, 30.0)
    assert isinstance(roster.calls(1.0)[0], Go) is not rests
