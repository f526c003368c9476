"""Hubs and provisioning service are linked to the namespace, which then tells them whose certificates to trust.

Theory of operation. The namespace is read, `decide` says what to do about what was read, that is done, and it is read
again, until nothing is left to do. So an answer that was lost, a command that was interrupted and one that is given
again are one and the same: whatever is there already is left alone. That matters, because a link that is sent again
is refused as immutable. Links fail while roles are on their way; then those that failed, and only those, are asked
for again, a bounded number of times. A namespace that ended as failed though all its links are there is pushed by a
change of its tags, else registrations fail later (403000).

    read ─┬─ a link failed for good ──────────────▶ GiveUp
          ├─ something under way ────────────────▶ Wait
          ├─ links missing, or failed and passing ▶ Submit
          ├─ all linked, namespace failed ───────▶ Settle
          └─ all linked ─────────────────────────▶ Done

Source: infra reference, section 4, steps 1 to 3.
"""

from dataclasses import dataclass
from typing import Final, assert_never

from engine.cli.target.script import Ask, Pause, Reply, Say, Script, SetupFailed, carried_out, failure_of, read, told
from engine.cli.target.wanted import Wanted
from engine.errors import Outcome
from engine.protocol import adr, arm
from engine.protocol.arm import ResourceId
from engine.protocol.namespace import STILL_REPLICATING, LinkState, Seen, endpoints_body, namespace_body, read_namespace

LOOK_EVERY_S: Final = 15.0
LINKED_WITHIN_S: Final = 900.0
RESUBMIT_AFTER_S: Final = 30.0
MOST_RESUBMITS: Final = 5

_ENDED: Final = frozenset({"succeeded", "failed", "canceled", ""})
_OTHERS_AT_WORK: Final = frozenset({Outcome.CONFLICT, Outcome.THROTTLED, Outcome.SERVER, Outcome.NETWORK})
SETTLED_TAG: Final = "certfleet-settled"


@dataclass(frozen=True, slots=True)
class Submit:
    """Ask for these links; is_whole: nothing is linked that may be left out, so the namespace is put anew.

    reasons are the codes that links failed with, for people.
    """

    resources: tuple[ResourceId, ...]
    is_whole: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again later."""

    why: str


@dataclass(frozen=True, slots=True)
class Settle:
    """Change the namespace's tags, so that it ends as it should have."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Nothing here can help."""

    why: str


@dataclass(frozen=True, slots=True)
class Done:
    """All are linked."""


type Decision = Submit | Wait | Settle | GiveUp | Done


def decide(seen: Seen, wanted: tuple[ResourceId, ...]) -> Decision:
    """What to do next about a namespace that was seen so and is to be linked to these."""
    links = {resource: seen.link(resource) for resource in wanted}
    failed = [(one, link.error) for one, link in links.items() if link and link.state is LinkState.FAILED]
    if final := [f"{one.name}: {code or 'no code'}" for one, code in failed if code not in STILL_REPLICATING]:
        return GiveUp(", ".join(final))
    under_way = [one.name for one, link in links.items() if link and link.state is LinkState.UNDER_WAY]
    if under_way or seen.state not in _ENDED:
        return Wait(", ".join(under_way) or f"the namespace is {seen.state}")
    to_send = tuple(one for one, link in links.items() if link is None or link.state is LinkState.FAILED)
    if to_send:
        others = [link for link in seen.links if not any(one.is_same(link.resource_id) for one in to_send)]
        return Submit(to_send, is_whole=not others, reasons=tuple(sorted({code for _, code in failed})))
    return Settle() if seen.state in ("failed", "canceled") else Done()


def link(wanted: Wanted) -> Script[bool]:
    """All is linked; whether anything had to be done for that. Raises SetupFailed."""
    resources = (*wanted.hubs, wanted.provisioning)
    what = f"the links of namespace {wanted.registry.name}"
    began: float | None = None
    submits, has_settled = 0, False
    while True:
        seen = yield from _look(wanted, what)
        decision = decide(seen, resources)
        pause_s = LOOK_EVERY_S
        match decision:
            case Done():
                yield Say(f"{what}: all {len(resources)} are there" + (", left alone" if not submits else ""))
                return submits > 0 or has_settled
            case GiveUp(why):
                raise SetupFailed(f"{what} failed for good: {why}")
            case Wait(why):
                yield Say(f"{what}: under way ({why})")
            case Settle():
                if has_settled:
                    raise SetupFailed(f"{what} are there, but the namespace stays failed, also after its tags changed")
                yield Say(f"{what}: all are there, the namespace failed; its tags are changed, so that it recovers")
                yield from _settle(wanted, seen, what)
                has_settled, pause_s = True, 0.0
            case Submit():
                if submits > MOST_RESUBMITS:
                    raise SetupFailed(f"{what} failed {submits} times: {', '.join(decision.reasons) or 'refused'}")
                if submits:
                    yield Pause(RESUBMIT_AFTER_S)
                submits += 1
                yield from _submit(wanted, seen, decision, what)
            case _:
                assert_never(decision)
        now: float = yield Pause(pause_s)
        began = now if began is None else began
        if now > began + LINKED_WITHIN_S:
            raise SetupFailed(f"{what} are not there after {LINKED_WITHIN_S:.0f} s; look at the namespace, try again")


def _look(wanted: Wanted, what: str) -> Script[Seen]:
    found = yield from read(wanted.namespace_address, what)
    if found is None:
        raise SetupFailed(f"there is no namespace {wanted.registry.name}: deploy infra/target first")
    return read_namespace(found)


def _submit(wanted: Wanted, seen: Seen, submit: Submit, what: str) -> Script[None]:
    """The links are asked for, once. What becomes of it is seen afterwards, also when no answer came."""
    names = ", ".join(resource.name for resource in submit.resources)
    why = f" again, roles had not arrived ({', '.join(submit.reasons)})" if submit.reasons else ""
    yield Say(f"{what}: asked for{why}: {names}")
    if submit.is_whole:
        request = arm.put(wanted.namespace_address, namespace_body(seen, submit.resources))
    else:
        request = arm.patch(wanted.namespace_address, {"properties": endpoints_body(submit.resources)})
    ask = Ask(request, adr.token_scope(wanted.endpoint), what)
    reply: Reply = yield ask
    failure = failure_of(reply.answer)
    if failure is None:
        return
    if failure.outcome not in _OTHERS_AT_WORK and failure.code not in STILL_REPLICATING:
        raise SetupFailed(told(ask, reply.answer))
    yield Say(f"{told(ask, reply.answer)}; looked at again")
    yield Pause(failure.retry_after_s or 0.0)


def _settle(wanted: Wanted, seen: Seen, what: str) -> Script[None]:
    tags = {**seen.tags, SETTLED_TAG: wanted.registry.name}
    request = arm.patch(wanted.namespace_address, {"tags": tags})
    yield from carried_out(Ask(request, adr.token_scope(wanted.endpoint), what), passing=STILL_REPLICATING)
