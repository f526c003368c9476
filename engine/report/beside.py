"""What the embedded service counted, beside what the devices counted.

The emulator counts what it answered; devices count what they got. Every phase counts, prepare included, because the
emulator knows none. Where both counted the same thing the difference is said in words; the rest stands alone.
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
    """The emulator's counts in its own order, statuses of one outcome taken together, each beside ours.

    emulator is its /stats: whole numbers, by name or by name and status; anything else in it is left out.
    """
    theirs: dict[str, int] = {}
    for what, many in _flat(emulator):
        theirs[what] = theirs.get(what, 0) + many
    ours = _counted(total, theirs)
    return [Beside(what, ours.get(what), many, _note(ours.get(what), many)) for what, many in theirs.items()]


def _flat(emulator: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, found in emulator.items():
        match found:
            case bool():
                continue
            case int():
                yield name, found
            case Mapping():
                for status, many in found.items():
                    if type(many) is int:
                        yield f"{name} {_answer(str(status)) if name in _ANSWERING else status}", many


_ANSWERING = {"cert": Operation.CERT_ISSUED, "dps.register": Operation.DPS_REGISTER}
"""The emulator's names for what it answers with a status, and the operation that such an answer ends."""


def _answer(status: str) -> str:
    """A status as the outcome it gives, if it is a refusal."""
    if not (status.isascii() and status.isdigit()) or int(status) < 400:
        return status
    number = int(status)
    return _OUTCOMES.get(number, Outcome.SERVER if number >= 500 else Outcome.BAD_REQUEST)


def _counted(total: Tally, theirs: Mapping[str, int]) -> dict[str, int]:
    """What the devices counted, by the emulator's names.

    Where neither end knows of a request to the hub, certificates came by registering again: the hub answered none.
    """
    requested, accepted = total.select(Operation.CERT_REQUEST), total.select(Operation.CERT_ACCEPTED)
    answered = {name: total.select(operation) for name, operation in _ANSWERING.items()}
    if not requested.started and not theirs.get("cert requests"):
        answered["cert"] = requested
    refusals = (*_OUTCOMES.values(), Outcome.SERVER, Outcome.BAD_REQUEST)
    return {
        "cert requests": requested.started,
        "cert 202": accepted.ok + accepted.late,
        **{f"{name} 200": counts.ok + counts.late for name, counts in answered.items()},
        "telemetry": total.select(Operation.TELEMETRY_PUBLISH).started,
        **{f"{name} {outcome}": counts.outcomes[outcome] for name, counts in answered.items() for outcome in refusals},
    }


def _note(ours: int | None, theirs: int) -> str:
    if ours is None:
        return ""
    if ours == theirs:
        return "equal"
    if theirs > ours:
        return f"{theirs - ours} more at the service: repeated requests, or answers that no device took"
    return f"{ours - theirs} more at the devices: never seen by the service, or answered in another way"
