"""What a run needs of each limit, and what comes of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from engine.measure.operation import Operation
from engine.plan.needs import Need, Work, figure, needs_of
from engine.plan.spec.runspec import RunSpec
from engine.plan.target import Target, Targets, parse_targets

type Parse = Callable[[dict[str, Any]], RunSpec]

WORK = Work(
    {Operation.DPS_REGISTER: 1, Operation.HUB_CONNECT: 1},
    10_000,
    connections=2_500,
    batches=10,
    replicas=10,
    cores=10,
    longest_s=900,
)
RENEWING = Work(
    {Operation.CERT_REQUEST: 1, Operation.CERT_ISSUED: 1},
    1_000_000,
    connections=130_000,
    batches=3,
    replicas=3,
    cores=1,
    longest_s=900,
)


def needs(parse: Parse, target: Target, document: dict[str, Any], work: Work = WORK) -> dict[str, Need]:
    """The needs of a spec by the name of the limit, in their order."""
    return {need.limit.name: need for need in needs_of(parse(document), target, work)}


def test_needs_put_the_tightest_first(parse: Parse, targets: Targets):
    """A roll-out of 10,000 devices in two minutes is bound by registrations, and the answer says what would fit."""
    document = {"scenario": "provision", "target": "staging", "devices": {"count": 10_000}, "load": {"rampUp": "2m"}}
    found = needs(parse, targets.by_name["staging"], document)
    assert list(found)[:3] == ["dps.registrations", "adr.devices", "hub.connects"]
    assert list(found)[-2:] == ["cert.issue", "aca.parallelism"]
    assert found["dps.registrations"].to_json() == {
        "limit": "dps.registrations", "value": 1000, "unit": "1/min", "need": 5000,
        "source": "Azure docs, DPS limits, 2024-03", "adjustable": True,
        "effect": "about 80 % throttled; rampUp 11m7s would fit",
    }  # fmt: skip
    assert found["hub.connects"].effect == "fits: 83.3 % of it"
    assert found["cert.issue"].to_json()["value"] is None
    assert found["cert.issue"].effect.startswith("unknown: ")
    assert found["aca.parallelism"].effect == "unknown: nobody published it"
    assert (found["aca.cores"].need, found["aca.timeout"].need) == (10, 900)


def test_needs_of_a_rate_say_by_how_much_it_is_over(parse: Parse, targets: Targets):
    """Where no ramp would help, the effect says which share of the rate would fit."""
    load = {"executor": "constant-arrival-rate", "rate": 200}
    document = {"scenario": "connect-churn", "target": "staging", "load": load}
    need = needs(parse, targets.by_name["staging"], document)["hub.connects"]
    assert need.effect == "about 50 % throttled; 0.45 times the rate would fit"


def test_needs_that_the_answers_decide_are_unknown(parse: Parse, targets: Targets):
    """With max-rate nobody knows the rate beforehand, and the answer holds no infinite number."""
    document = {"scenario": "connect-churn", "target": "staging", "load": {"executor": "max-rate"}}
    need = needs(parse, targets.by_name["staging"], document)["hub.connects"]
    assert need.effect == "unknown: the answers set the pace"
    assert json.dumps(need.to_json(), allow_nan=False)


def test_needs_of_stocks_count_what_is_too_many(parse: Parse, targets: Targets):
    """Too many messages, devices and connections are counted, or turned into addresses."""
    document = {"scenario": "cert-renewal", "target": "staging", "devices": {"count": 12_000}}
    found = needs(parse, targets.by_name["staging"], document, RENEWING)
    assert found["hub.messagesPerDay"].effect == "600000 too many"
    assert found["adr.devices"].effect == "2000 too many"
    assert found["net.ports"].effect == "needs 3 outbound addresses"
    assert found["dps.stored"].effect == "fits: 1.2 % of it"


@pytest.mark.parametrize(
    ("document", "present", "absent"),
    [
        ({"scenario": "cert-renewal", "devices": {"source": "stored-only"}}, {"hub.devices"}, {"dps.stored"}),
        ({"scenario": "http-probe"}, {"functions.flex"}, {"hub.devices", "adr.devices", "dps.stored"}),
        ({"scenario": "adr-patch"}, {"adr.devices"}, {"hub.devices", "dps.stored"}),
        (
            {"scenario": "cert-renewal", "execution": {"runner": "job"}},
            {"aca.cores", "aca.replica"},
            {"functions.flex"},
        ),
    ],
)
def test_needs_are_of_what_the_run_touches(
    parse: Parse, targets: Targets, document: dict[str, Any], present: set[str], absent: set[str]
):
    """A limit that the scenario or the runner never meets is not listed."""
    found = needs(parse, targets.by_name["staging"], {**document, "target": "staging"}, RENEWING)
    assert present <= found.keys()
    assert not absent & found.keys()


def test_needs_against_the_emulator_are_what_its_quotas_name(parse: Parse, targets: Targets):
    """The emulator has no limits but those of its profile."""
    assert needs(parse, targets.by_name["local"], {"scenario": "provision"}) == {}
    facts = {"host": "h", "idScope": "s", "quotas": {"dps.registrations": 1}}
    limited = parse_targets("", allowed_hosts=(), local=json.dumps(facts)).by_name["local"]
    assert list(needs(parse, limited, {"scenario": "provision"})) == ["dps.registrations"]


def test_needs_of_several_services_are_of_all_together(parse: Parse, targets: Targets):
    """Quotas are of one service each: two take twice as much, and the source says how many there are, and who says."""
    services = [{"host": "dps.example", "idScope": f"0ne{n}", "secret": "key"} for n in range(2)]
    profile = {"dps": services, "hubs": ["a.example", "b.example", "c.example"], "quotas": {"hub.connects": 50}}
    target = parse_targets(json.dumps({"staging": profile}), allowed_hosts=["*.example"]).by_name["staging"]
    found = needs(
        parse,
        target,
        {"scenario": "provision", "target": "staging", "devices": {"count": 3_000}, "load": {"rampUp": "60s"}},
    )
    assert (found["dps.registrations"].value, found["dps.registrations"].need) == (2_000, 3_000)
    assert found["dps.registrations"].source == "Azure docs, DPS limits, 2024-03, each of 2"
    assert (found["hub.connects"].value, found["hub.connects"].source) == (
        150,
        "quotas of the profile staging, each of 3",
    )
    assert found["adr.devices"].source == "registry best practices, undated"


HOSTED = Work(
    {Operation.DPS_REGISTER: 1, Operation.HUB_CONNECT: 1}, 1_000_000,
    connections=9, batches=1_000, replicas=300, cores=300, longest_s=3_601,
)  # fmt: skip


def test_needs_of_jobs_are_cores_replicas_and_time(parse: Parse, targets: Targets):
    """What one environment has, what one replica may be, and how long the job lets it run."""
    document = {"scenario": "provision", "target": "staging", "execution": {"runner": "job", "cpu": 2}}
    found = needs(parse, targets.by_name["staging"], document, HOSTED)
    assert found["aca.cores"].effect == "200 too many"
    assert found["aca.replica"].effect == "fits: 50 % of it"
    assert found["aca.timeout"].effect == "needs a job whose replicaTimeout is 3601 at least"
    assert found["aca.parallelism"].need == 300


def test_needs_of_activities_are_instances_and_memory(parse: Parse, targets: Targets):
    """Two GiB each: a region's memory is over long before its instances."""
    document = {"scenario": "provision", "target": "staging", "execution": {"runner": "activity"}}
    found = needs(parse, targets.by_name["staging"], document, HOSTED)
    assert found["functions.flex"].effect == "fits: 30 % of it"
    assert (found["functions.memory"].need, found["functions.memory"].effect) == (614_400, "102400 too many")


def test_needs_of_the_stores_grow_with_the_batches_at_once(parse: Parse, targets: Targets):
    """Each batch is begun and ended by the orchestrator, and asks the store twice a second, and keeps its devices."""
    services = [{"host": "dps.example", "idScope": "0ne1", "secret": "key"}]
    profile = {"dps": services, "quotas": {"storage.requests": 2_000}}
    slow = parse_targets(json.dumps({"staging": profile}), allowed_hosts=["*.example"]).by_name["staging"]
    document = {"scenario": "provision", "target": "staging", "devices": {"count": 30_000}, "load": {"rampUp": "30s"}}
    found = needs(parse, slow, document, HOSTED)
    assert found["durable.actions"].need == 2 * 1_000
    assert found["durable.actions"].effect == "a wave takes 4 s to begin, and to end"
    assert found["storage.requests"].need == 2 * 1_000 + 1_000
    assert found["storage.requests"].effect == "batches wait for it: 1.5 times what it takes"


def test_needs_of_the_store_are_bounded_where_the_answers_set_the_pace(parse: Parse, targets: Targets):
    """However fast devices go, a batch keeps them fifty times a second at most."""
    document = {"scenario": "provision", "target": "staging", "load": {"executor": "max-rate"}}
    assert needs(parse, targets.by_name["staging"], document, HOSTED)["storage.requests"].need == 52 * 1_000


def test_needs_of_messages_are_those_of_a_day(parse: Parse, targets: Targets):
    """A run of two days sends half of its messages on each."""
    document = {"scenario": "cert-renewal", "target": "staging", "load": {"duration": "48h"}}
    assert needs(parse, targets.by_name["staging"], document, RENEWING)["hub.messagesPerDay"].need == 500_000


@pytest.mark.parametrize(("number", "shown"), [(3, 3), (2.0, 2), (0.123, 0.12), (12.4, 12), (9.999, 10.0)])
def test_figure_is_short(number: float, shown: float):
    """People read whole numbers, or two digits of small ones."""
    assert figure(number) == shown
