"""Every fault that a run may show is seen."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from chaos import witness
from chaos.disturbance import Disturbance, Kind
from chaos.ordeal import Blow, Evidence, Held

NOTHING: dict[str, Any] = {**dict.fromkeys(witness.COUNTS, 0), "outcomes": {}, "drops": {}, "unmatched": 0}
KILLED = Disturbance(Kind.WORKER_KILLED, at=0.1, pick=0.5, for_s=0.0)
FROZEN = Disturbance(Kind.WORKER_FROZEN, at=0.2, pick=0.5, for_s=9.0)


def counted(devices: int) -> dict[str, Any]:
    """So many, all of them well."""
    return {**NOTHING, "due": devices, "started": devices, "ok": devices, "outcomes": {"ok": devices}}


def evidence() -> Evidence:
    """A run of three devices in two batches at which nothing is wrong: the second batch changed hands."""
    summary = {
        "scenario": "provision",
        "verdict": "passed",
        "reasons": [],
        "conservation": {"holds": True, "mismatches": []},
        "operations": {"iteration": counted(3), "dps.register": counted(3)},
        "batches": [
            {"name": "batch 0", "status": "schedule", "devices": 2, "operations": {"iteration": {"ok": 2}}},
            {"name": "batch 1", "status": "schedule", "devices": 1, "operations": {"iteration": {"ok": 1}}},
        ],
    }
    return Evidence(
        summary=summary,
        spec={"devices": {"count": 3, "prefix": "d-"}, "execution": {"batchSize": 2}},
        blows=(Blow(KILLED, 1.0, 0.1, 17, (Held(1, 1),)), Blow(FROZEN, 2.0, 0.2, 18, (), connections=1)),
        missed=(),
        tokens={0: 1, 1: 2},
        takeovers=1,
        issued={name: {"count": 2 if name == "d-2" else 1, "last": name} for name in ("d-0", "d-1", "d-2")},
        stored={name: name for name in ("d-0", "d-1", "d-2")},
        unreadable=(),
        left=(),
        seconds=9.0,
    )


def told(found: Evidence) -> list[str]:
    """What the witness says of it."""
    return witness.problems(found, witness.totals(evidence().summary))


def changed(**changes: Any) -> Callable[[Evidence], Evidence]:
    """The evidence with other facts in its summary."""
    return lambda found: replace(found, summary={**found.summary, **changes})


def test_run_at_which_nothing_is_wrong_has_no_problems() -> None:
    """Neither the killed worker nor the take-over that the frozen one explains is one."""
    assert told(evidence()) == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (changed(verdict="error", reasons=[{"text": "why"}]), "the verdict is error: why"),
        (changed(conservation={"holds": False, "mismatches": ["a sum"]}), "sums do not agree: a sum"),
        (changed(operations={"iteration": counted(2), "dps.register": counted(3)}), "iteration: 2 due and 2 ok of 3"),
        (changed(operations={"iteration": counted(3), "dps.register": counted(4)}), "dps.register: due is 4, undist"),
        (lambda found: replace(found, tokens={0: 1, 1: 1}), "batch 1 of worker 17, worker-killed, never changed"),
        (
            changed(operations={"iteration": counted(3), "dps.register": {**counted(3), "unmatched": 2}}),
            "dps.register: 2 answers that nobody asked for, changes of hands explain 1",
        ),
        (lambda found: replace(found, takeovers=2), "2 take-overs, frozen workers explain 1"),
        (lambda found: replace(found, issued={**found.issued, "d-1": {"count": 2, "last": "d-1"}}), "d-1 was issued 2"),
        (lambda found: replace(found, stored={**found.stored, "d-1": "older"}), "d-1 has a certificate stored that is"),
        (lambda found: replace(found, stored={"d-0": "d-0", "d-2": "d-2"}), "d-1 has no stored state"),
        (lambda found: replace(found, unreadable=("a blob",)), "stored state: a blob"),
        (lambda found: replace(found, left=(19,)), "worker 19 never ended"),
        (lambda found: replace(found, missed=(replace(KILLED, kind=Kind.HOST_ENDED),)), "no moment for host-ended"),
    ],
)
def test_fault_is_told(fault: Callable[[Evidence], Evidence], expected: str) -> None:
    """In words that say where to look."""
    assert any(expected in problem for problem in told(fault(evidence())))


def test_batches_and_their_devices_are_counted() -> None:
    """A batch that is missing, or that left a device out, is told."""
    batches = [*evidence().summary["batches"]]
    assert "1 batches, expected 2" in told(changed(batches=batches[:1])(replace(evidence(), blows=())))
    batches[0] = {**batches[0], "operations": {"iteration": {"ok": 1}}}
    assert "batch 0 (schedule) drove 1 of its 2 devices" in told(changed(batches=batches)(evidence()))


def test_totals_of_few_devices_tell_those_of_many() -> None:
    """As long as each did the same."""
    few = {"iteration": {"due": 4, "outcomes": {"ok": 4}}}
    assert witness.scaled(few, of=2, to=50) == {"iteration": {"due": 100, "outcomes": {"ok": 100}}}
    with pytest.raises(ValueError, match="4 is no multiple of 3 devices"):
        witness.scaled(few, of=3, to=50)
