"""What the embedded service counted, beside what the devices counted.

The emulator counts what it answered; devices count what they got. Every phase counts, prepare included, because the
emulator knows none. Where both counted the same thing the difference is said in words; the rest stands alone.

A change of the registry is counted by the devices until it is finished, and is refused with the question that was
refused, of which nothing tells what it asked about: refusals of changes stand together, less those of questions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import Outcome
from engine.measure.operation import Operation
from engine.measure.tally import Tally

_OUTCOMES = {
    401: Outcome.UNAUTHORIZED,
    403: Outcome.UNAUTHORIZED,
    404: Outcome.NOT_FOUND,
    409: Outcome.CONFLICT,
    412: Outcome.PRECONDITION,
    429: Outcome.THROTTLED,
}
"""Statuses with an outcome of their own (product section 4.2)."""

_REFUSALS = (*dict.fromkeys(_OUTCOMES.values()), Outcome.SERVER, Outcome.BAD_REQUEST)

_ANSWERING = {"cert": Operation.CERT_ISSUED, "dps.register": Operation.DPS_REGISTER}
"""The emulator's names for what it answers with a status, and the operation that such an answer ends."""

_CHANGES = {"create": Operation.ADR_CREATE, "patch": Operation.ADR_PATCH, "delete": Operation.ADR_DELETE}
_QUESTIONS = {"get": Operation.ADR_GET, "poll": Operation.ADR_POLL}
"""The emulator's names for the calls of the registry."""


@dataclass(frozen=True, slots=True)
class Beside:
    """One thing counted on both ends; ours is None where devices count nothing like it."""

    what: str
    ours: int | None
    theirs: int
    note: str

    def figures(self) -> dict[str, Any]:
        """The row as a JSON value."""
        return {"what": self.what, "devices": self.ours, "emulator": self.theirs, "note": self.note}


def compare_counts(total: Tally, emulator: Mapping[str, Any]) -> list[Beside]:
    """The emulator's counts in its own order, statuses of one outcome taken together, each beside ours; then what only
    devices counted, of the kinds that the emulator counts.

    emulator is its /stats: whole numbers, by name or by name and status; anything else in it is left out.
    """
    theirs: dict[str, int] = {}
    for what, many in _flat(emulator):
        theirs[what] = theirs.get(what, 0) + many
    ours = _counted(total, theirs)
    theirs |= {what: 0 for what, many in ours.items() if many and what not in theirs and what.split()[0] in emulator}
    return [Beside(what, ours.get(what), many, _note(ours.get(what), many)) for what, many in theirs.items()]


def _flat(emulator: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, found in emulator.items():
        match found:
            case bool():
                continue
            case int():
                yield name, found
            case Mapping():
                for kind, many in found.items():
                    if type(many) is int:
                        yield f"{name} {_named(name, str(kind))}", many


def _named(name: str, kind: str) -> str:
    """A kind of what the emulator counts under a name, as devices would say it."""
    if name in _ANSWERING:
        return _answer(kind)
    if name != "adr":
        return kind
    call, _, status = kind.partition(".")
    answer = _answer(status)
    return f"{call} ok" if answer == status else f"{'change' if call in _CHANGES else call} {answer}"


def _answer(status: str) -> str:
    """A status as the outcome it gives, if it is a refusal."""
    if not (status.isascii() and status.isdigit()) or int(status) < 400:
        return status
    number = int(status)
    return _OUTCOMES.get(number, Outcome.SERVER if number >= 500 else Outcome.BAD_REQUEST)


def _counted(total: Tally, theirs: Mapping[str, int]) -> dict[str, int]:
    """What the devices counted, by the emulator's names."""
    hubs = sorted({series.hub for series in total.series if series.operation is Operation.HUB_CONNECT} - {""})
    return {
        **_answered(total, theirs),
        "telemetry": total.select(Operation.TELEMETRY_PUBLISH).started,
        "http.get": _good(total, Operation.HTTP_GET),
        **{f"hub.connects {hub}": _good(total, Operation.HUB_CONNECT, hub) for hub in hubs},
        **_called(total),
    }


def _answered(total: Tally, theirs: Mapping[str, int]) -> dict[str, int]:
    """Registrations and certificates.

    Where neither end knows of a request to the hub, certificates came by registering again: the hub answered none.
    Cases of the contract ask for certificates that no device counts: then nothing stands beside the hub's.
    """
    registered = total.select(Operation.DPS_REGISTER)
    found = {"dps.register requests": registered.started}
    answered = {"dps.register": registered}
    if not total.select(Operation.CONFORMANCE_CASE).due:
        requested = total.select(Operation.CERT_REQUEST)
        is_hubs = requested.started or theirs.get("cert requests")
        answered["cert"] = total.select(Operation.CERT_ISSUED) if is_hubs else requested
        found |= {"cert requests": requested.started, "cert 202": _good(total, Operation.CERT_ACCEPTED)}
    for name, counts in answered.items():
        found[f"{name} 200"] = counts.ok + counts.late
        found |= {f"{name} {outcome}": counts.outcomes[outcome] for outcome in _REFUSALS}
    return found


def _called(total: Tally) -> dict[str, int]:
    """Calls of the registry."""
    calls = {**_CHANGES, **_QUESTIONS}
    counted = {call: total.select(operation).outcomes for call, operation in calls.items()}
    found = {f"adr {call} ok": outcomes[Outcome.OK] for call, outcomes in counted.items()}
    for outcome in _REFUSALS:
        found |= {f"adr {call} {outcome}": counted[call][outcome] for call in _QUESTIONS}
        found[f"adr change {outcome}"] = sum(counted[call][outcome] for call in _CHANGES) - counted["poll"][outcome]
    return found


def _good(total: Tally, operation: Operation, hub: str | None = None) -> int:
    """How many had the right answer, in time or not."""
    counts = total.select(operation, hub=hub)
    return counts.ok + counts.late


def _note(ours: int | None, theirs: int) -> str:
    if ours is None:
        return ""
    if ours == theirs:
        return "equal"
    if theirs > ours:
        return f"{theirs - ours} more at the service: repeated requests, or answers that no device took"
    return f"{ours - theirs} more at the devices: never seen by the service, or answered in another way"
