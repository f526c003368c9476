"""A worker: one process that drives batches of one wave, one after the other, until none is left for it.

Theory of operation. Nobody tells a worker what to do. It looks at the wave that is under way, and claims whichever
batch of it is free, from a place of its own on, so that workers do not race for the same. When none is free
it stays only as long as one may become so: until every batch left has a holder that was seen to live, because its
claim was taken or renewed meanwhile. A holder that is not seen to loses its lease, and the worker takes over.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from engine.errors import ClaimLost
from engine.run import state
from engine.run.activities import Post, drive_claimed, post_of
from engine.run.claims import Claim, Standing
from engine.run.means import Means

LOOK_EVERY_S: Final = 0.5
LOOK_S_PER_BATCH: Final = 0.02
"""How long a worker with nothing to do waits before it looks again, at least, and per batch of others: a thousand
workers that look at a thousand claims twice a second would be more than a storage account takes."""


def work(run_id: str, means: Means) -> list[dict[str, Any]]:
    """The receipts of the batches that this process finished, none where others have them all.

    Raises NotFound for a run that is not planned here, and whatever driving a batch raises.
    """
    post = post_of(run_id, means)
    wave = _turned(post.outline.wave(state.read_state(means.store, run_id).wave), means.new_seed())
    receipts: list[dict[str, Any]] = []
    first: dict[int, Standing] = {}
    while (post := post_of(run_id, means)).is_open:
        if claim := _take_any(post, wave, means):
            with suppress(ClaimLost):
                receipts.append(drive_claimed(post, claim, means))
            continue
        left = _unfinished(post, wave)
        first = {number: first.get(number, found) for number, found in left.items()}
        if all(found.is_held and found != first[number] for number, found in left.items()):
            break
        wave = [number for number in wave if number in left]
        means.clock.sleep(max(LOOK_EVERY_S, LOOK_S_PER_BATCH * len(left)))
    return receipts


def _turned(wave: Sequence[int], by: int) -> Sequence[int]:
    place = by % len(wave)
    return (*wave[place:], *wave[:place])


def _take_any(post: Post, wave: Sequence[int], means: Means) -> Claim | None:
    holder = means.new_holder()
    return next((claim for number in wave if (claim := post.claims.take(post.run_id, number, holder))), None)


def _unfinished(post: Post, wave: Sequence[int]) -> Mapping[int, Standing]:
    standings = {number: post.claims.standing(post.run_id, number) for number in wave}
    return {number: found for number, found in standings.items() if not found.is_done}
