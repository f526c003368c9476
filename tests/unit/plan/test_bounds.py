"""What ends a run before its time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import RunRefused
from engine.plan.bounds import bounds_of, first_bound, usd_per_s
from engine.plan.estimate import estimate
from engine.plan.spec.runspec import RunSpec
from engine.plan.target import Ceilings, Target, Targets

type Parse = Callable[[dict[str, Any]], RunSpec]

STAGING = {"scenario": "cert-renewal", "target": "staging"}


def under(targets: Targets, **ceilings: Any) -> Target:
    """Staging with these ceilings."""
    target = targets.by_name["staging"]
    return replace(target, profile=target.profile.model_copy(update={"ceilings": Ceilings.model_validate(ceilings)}))


@pytest.mark.parametrize(
    ("document", "per_s"),
    [
        (STAGING, 2 * 0.000026),
        ({**STAGING, "devices": {"count": 1_500}}, 3 * 2 * 0.000026),
        ({**STAGING, "execution": {"runner": "job"}}, 0.000024 + 2 * 0.000003),
        ({**STAGING, "devices": {"count": 1_500}, "execution": {"cpu": 2}}, 3 * 2 * (0.000024 + 2 * 0.000003)),
        (
            {
                "scenario": "provision",
                "target": "staging",
                "devices": {"count": 4_000},
                "execution": {"maxParallelBatches": 2},
            },
            2 * 2 * 0.000026,
        ),
        ({"scenario": "cert-renewal"}, 0.0),
    ],
)
def test_price_is_of_the_replicas_at_the_same_time(
    parse: Parse, targets: Targets, document: dict[str, Any], per_s: float
):
    """Memory of activities, cores and memory of a job's replicas, of one wave at a time; the emulator costs nothing."""
    spec = parse(document)
    assert usd_per_s(spec, targets.by_name[spec.target]) == pytest.approx(per_s)


def test_run_ends_where_its_money_does(parse: Parse, targets: Targets):
    """Two activities spend a cent in 96 seconds; whatever is reached first ends the run, and is named."""
    spec = parse({**STAGING, "devices": {"count": 1_000}, "limits": {"maxDuration": "100s", "maxCostUsd": 0.01}})
    found = first_bound(spec, under(targets))
    assert (found.limit, found.at_s) == ("limits.maxCostUsd", pytest.approx(0.01 / (2 * 2 * 0.000026)))
    assert found.reached == "limits.maxCostUsd, 0.01 USD, was spent"
    richer = parse({**STAGING, "devices": {"count": 1_000}, "limits": {"maxDuration": "90s", "maxCostUsd": 0.01}})
    found = first_bound(richer, under(targets))
    assert (found.limit, found.at_s, found.reached) == (
        "limits.maxDuration", 90, "limits.maxDuration, 1m30s, was over"
    )  # fmt: skip


def test_ceiling_of_a_profile_ends_a_run_too(parse: Parse, targets: Targets):
    """The lower of two budgets counts, and who set it is told."""
    spec = parse({**STAGING, "limits": {"maxCostUsd": 0.02}})
    found = first_bound(spec, under(targets, costUsd=0.01))
    assert (found.limit, found.source) == ("staging.ceilings.costUsd", "target profile staging")


def test_nothing_is_spent_against_the_emulator(parse: Parse, targets: Targets):
    """Only time ends such a run."""
    spec = parse({"scenario": "cert-renewal", "limits": {"maxCostUsd": 0.01}})
    assert [bound.limit for bound in bounds_of(spec, targets.by_name["local"])] == ["limits.maxDuration"]


@pytest.mark.parametrize(
    ("document", "ends"),
    [
        ({"scenario": "cert-throttle"}, True),
        ({"scenario": "provision"}, True),
        ({"scenario": "cert-renewal"}, False),
    ],
)
def test_ceiling_on_duration_ends_what_ends_by_itself(
    parse: Parse, targets: Targets, document: dict[str, Any], ends: bool
):
    """Nobody knows beforehand how long a search or slow devices take; a load of known length is over when it is."""
    spec = parse({**document, "target": "staging"})
    found = first_bound(spec, under(targets, duration="15m"))
    assert (found.limit == "staging.ceilings.duration") is ends
    assert found.at_s == (900 if ends else 7_200)


@pytest.mark.parametrize("cost_usd", [0.0, 0.001, 0.01, 0.02, 1.0])
def test_estimate_refuses_exactly_what_would_be_stopped(parse: Parse, targets: Targets, cost_usd: float):
    """The dry run and the batches count with the same figures."""
    target, spec = under(targets, costUsd=cost_usd), parse(STAGING)
    free = estimate(spec, under(targets))
    if free.duration_s <= first_bound(spec, target).at_s:
        assert estimate(spec, target) == free
        return
    with pytest.raises(RunRefused) as caught:
        estimate(spec, target)
    assert (caught.value.reason, caught.value.limit) == ("over-budget", "staging.ceilings.costUsd")
