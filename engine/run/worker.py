"""A worker: one process that drives batches of one wave, one after the other, until none is left for it.

Theory of operation. Nobody tells a worker what to do. It finds the lowest wave with an unfinished batch, and claims
whichever batch of it is free, from a place of its own on, so that workers do not race for the same. When none is free
it stays only as long as one may become so: until every batch left has a holder that was seen to live, because its
claim was taken or renewed meanwhile. A holder that is not seen to loses its lease, and the worker takes over.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from engine.errors import ClaimLost
from engine.plan.batches import RunPlan
from engine.run import state
from engine.run.activities import drive_claimed
from engine.run.claims import Claim, Claims, Standing
from engine.run.files import read_plan
from engine.run.means import Means, RunClock

LOOK_EVERY_S: Final = 0.5


def work(run_id: str, means: Means) -> list[dict[str, Any]]:
    """The receipts of the batches that this process finished, none where others have them all.

    Raises NotFound for a run that is not planned here, and whatever driving a batch raises.
    """
    planned = read_plan(means.store, run_id)
    clock = RunClock.at(means.clock, planned.zero_wall)
    claims = Claims(means.store, clock, means.lease_s)
    wave = _turned(_current(planned.plan, claims), means.new_seed())
    receipts: list[dict[str, Any]] = []
    first: dict[int, Standing] = {}
    while _goes_on(run_id, means):
        if claim := _take_any(run_id, wave, claims, means):
            with suppress(ClaimLost):
                receipts.append(drive_claimed(planned, claim, claims=claims, clock=clock, means=means))
            continue
        left = _unfinished(run_id, wave, claims)
        first = {number: first.get(number, found) for number, found in left.items()}
        if all(found.is_held and found != first[number] for number, found in left.items()):
            break
        clock.sleep(LOOK_EVERY_S)
    return receipts


def _current(plan: RunPlan, claims: Claims) -> Sequence[int]:
    """The batches of the lowest wave that is not finished, none when all are."""
    return next((wave for wave in plan.waves if _unfinished(plan.run_id, wave, claims)), ())


def _turned(wave: Sequence[int], by: int) -> Sequence[int]:
    place = by % len(wave) if wave else 0
    return (*wave[place:], *wave[:place])


def _goes_on(run_id: str, means: Means) -> bool:
    """Whether results still count; a run that drains wants those of every batch."""
    return state.read_state(means.store, run_id).stage in (state.Stage.RUNNING, state.Stage.DRAINING)


def _take_any(run_id: str, wave: Sequence[int], claims: Claims, means: Means) -> Claim | None:
    holder = means.new_holder()
    return next((claim for number in wave if (claim := claims.take(run_id, number, holder))), None)


def _unfinished(run_id: str, wave: Sequence[int], claims: Claims) -> Mapping[int, Standing]:
    standings = {number: claims.standing(run_id, number) for number in wave}
    return {number: found for number, found in standings.items() if not found.is_done}
