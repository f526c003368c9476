"""A worker: one process that drives batches, one after the other, until none is left for it.

Theory of operation. Nobody tells a worker what to do. It looks at the wave that is under way, and claims whichever
batch of it is free, from a place of its own on, so that workers do not race for the same. When none is free it waits
for the next wave. In the last one it stays only as long as a batch may become free: until every one left has a holder
that was seen to live, because its claim was taken or renewed meanwhile. A holder that is not seen to loses its lease,
and the worker takes over.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from engine.errors import ClaimLost, StoreUnavailable
from engine.run.activities import Post, drive_claimed, insisted, post_of
from engine.run.claims import Claim, Standing
from engine.run.means import Means

LOOK_EVERY_S: Final = 0.5
LOOK_S_PER_BATCH: Final = 0.02
IDLE_S_PER_WORKER: Final = 0.002
"""How long a worker with nothing to do waits before it looks again: at least, per batch of others, and per worker that
there may be. A thousand that look at a thousand claims twice a second are more than a storage account takes."""


def work(run_id: str, means: Means) -> list[dict[str, Any]]:
    """The receipts of the batches that this process finished, none where others have them all.

    Raises NotFound for a run that is not planned here, and whatever driving a batch raises.
    """
    turn, receipts = means.new_seed(), list[dict[str, Any]]()
    looked_at, first = -1, dict[int, Standing]()
    while (post := insisted(partial(post_of, run_id, means), means)).is_open:
        if post.wave != looked_at:
            looked_at, first = post.wave, {}
            wave = _turned(post.outline.wave(post.wave), turn)
        if claim := insisted(partial(_take_any, post, wave, means), means):
            with suppress(ClaimLost, StoreUnavailable):  # free for anybody, at the latest when its lease is over
                receipts.append(drive_claimed(post, claim, means))
            continue
        left = insisted(partial(post.unfinished, wave), means)
        first = {number: first.get(number, found) for number, found in left.items()}
        lives = all(found.is_held and found != first[number] for number, found in left.items())
        if lives and post.wave == post.outline.waves - 1:
            break
        wave = [number for number in wave if number in left]
        means.clock.sleep(max(LOOK_EVERY_S, LOOK_S_PER_BATCH * len(left), IDLE_S_PER_WORKER * post.outline.at_once))
    return receipts


def _turned(wave: Sequence[int], by: int) -> Sequence[int]:
    place = by % len(wave)
    return (*wave[place:], *wave[:place])


def _take_any(post: Post, wave: Sequence[int], means: Means) -> Claim | None:
    holder = means.new_holder()
    return next((claim for number in wave if (claim := post.claims.take(post.run_id, number, holder))), None)
