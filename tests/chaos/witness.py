"""What must hold of a disturbed run, each claim with what is wrong where it does not hold.

Whoever drives a device holds its batch. A batch changes hands under a token that is one higher, and each holder drives
each device of it at most once. From that follow two bounds on the emulator's side. A device was issued no more
certificates than a holder needs for one iteration, times the number of holders. And a device that connects finds an
older connection of its own open only where a holder has neither closed it nor died, which is to say was frozen: so
there are no more take-overs than frozen workers had connections open.

One number may differ from that of a run left alone. What a holder asked for and did not live to hear is answered to
the next one, who never asked: each answer that is unmatched so has its place in a device and a change of hands.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from chaos.disturbance import Kind
from chaos.ordeal import Evidence

COUNTS = (
    *("due", "started", "ok", "failed", "late", "lost", "cancelled", "dropped", "inFlight", "overdue"),
    *("retries", "outcomes", "drops"),
)
"""What is the same however long everything took."""

ISSUED: Mapping[str, int] = {"provision": 1, "cert-lifecycle": 2}
"""Certificates per iteration: registering gives one, renewing another."""


def totals(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of every operation."""
    return {name: {what: counted[what] for what in COUNTS} for name, counted in summary["operations"].items()}


def scaled(found: Mapping[str, Any], *, of: int, to: int) -> dict[str, Any]:
    """What the totals of so many devices are for another number: each does the same.

    Raises ValueError where they did not.
    """

    def one(many: Any) -> Any:
        if isinstance(many, dict):
            return {name: one(each) for name, each in many.items()}
        if many % of:
            raise ValueError(f"{many} is no multiple of {of} devices")
        return many // of * to

    return {name: one(counted) for name, counted in found.items()}


def problems(evidence: Evidence, undisturbed: Mapping[str, Any]) -> list[str]:
    """What does not hold; undisturbed are the totals of the same run with nothing done to it."""
    dealt = {blow.disturbance.kind for blow in evidence.blows}
    return [
        *_judged(evidence),
        *_counted(evidence, undisturbed),
        *_handed_over(evidence),
        *_driven_once(evidence),
        *_stored(evidence),
        *(f"worker {pid} never ended" for pid in evidence.left),
        *(f"there was no moment for {kind}" for kind in sorted({one.kind for one in evidence.missed} - dealt)),
    ]


def allowed_takeovers(evidence: Evidence) -> int:
    """How many connections were open in workers that were frozen."""
    return sum(blow.connections for blow in evidence.blows)


def _judged(evidence: Evidence) -> Iterator[str]:
    summary = evidence.summary
    if summary["verdict"] != "passed":
        reasons = "; ".join(reason["text"] for reason in summary["reasons"])
        yield f"the verdict is {summary['verdict']}: {reasons}"
    if not summary["conservation"]["holds"]:
        yield f"sums do not agree: {'; '.join(summary['conservation']['mismatches'])}"


def _counted(evidence: Evidence, undisturbed: Mapping[str, Any]) -> Iterator[str]:
    """Every device once, and every number as if nothing had happened."""
    summary, devices = evidence.summary, int(evidence.spec["devices"]["count"])
    for name in ("iteration", "dps.register"):
        counted = summary["operations"].get(name, {})
        if not counted.get("due") == counted.get("ok") == devices:
            yield f"{name}: {counted.get('due')} due and {counted.get('ok')} ok of {devices} devices"
    found = totals(summary)
    for name in sorted({*found, *undisturbed}):
        for what in COUNTS:
            ours, theirs = found.get(name, {}).get(what), undisturbed.get(name, {}).get(what)
            if ours != theirs:
                yield f"{name}: {what} is {ours}, undisturbed it is {theirs}"


def _handed_over(evidence: Evidence) -> Iterator[str]:
    """Every batch is done and has its devices, and what a dead worker had was taken by another."""
    summary = evidence.summary
    batches = {int(batch["name"].rpartition(" ")[2]): batch for batch in summary["batches"]}
    share = int(evidence.spec["execution"]["batchSize"])
    expected = -(-int(evidence.spec["devices"]["count"]) // share)
    if len(batches) != expected:
        yield f"{len(batches)} batches, expected {expected}"
    for number, batch in sorted(batches.items()):
        iterations = batch["operations"].get("iteration", {}).get("ok")
        if iterations != batch["devices"]:
            yield f"batch {number} ({batch['status']}) drove {iterations} of its {batch['devices']} devices"
    for blow in evidence.blows:
        if blow.disturbance.kind in (Kind.WORKER_KILLED, Kind.WORKER_ENDED):
            for held in blow.held:
                if evidence.tokens[held.batch] <= held.token:
                    yield f"batch {held.batch} of worker {blow.pid}, {blow.disturbance.kind}, never changed hands"


def _driven_once(evidence: Evidence) -> Iterator[str]:
    summary = evidence.summary
    allowed = allowed_takeovers(evidence)
    if evidence.takeovers > allowed:
        yield f"{evidence.takeovers} take-overs, frozen workers explain {allowed}"
    most, prefix, index = ISSUED[summary["scenario"]], evidence.spec["devices"]["prefix"], 0
    changes = sum((evidence.tokens[number] - 1) * batch["devices"] for number, batch in enumerate(summary["batches"]))
    for name, counted in summary["operations"].items():
        if counted["unmatched"] > changes:
            yield f"{name}: {counted['unmatched']} answers that nobody asked for, changes of hands explain {changes}"
    for number, batch in enumerate(summary["batches"]):  # in the order of their devices' names
        holders = evidence.tokens[number]
        for name in (f"{prefix}{index + own}" for own in range(batch["devices"])):
            count = evidence.issued.get(name, {}).get("count", 0)
            if count > most * holders:
                yield f"{name} was issued {count} certificates by {holders} holders"
        index += batch["devices"]


def _stored(evidence: Evidence) -> Iterator[str]:
    """Every device's state opens, and holds the last certificate that it was issued."""
    yield from (f"stored state: {problem}" for problem in evidence.unreadable)
    prefix, devices = evidence.spec["devices"]["prefix"], int(evidence.spec["devices"]["count"])
    for name in (f"{prefix}{index}" for index in range(devices)):
        if name not in evidence.stored:
            yield f"{name} has no stored state"
        elif evidence.stored[name] != evidence.issued.get(name, {}).get("last"):
            yield f"{name} has a certificate stored that is not its last one"
