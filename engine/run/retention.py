"""Old runs are removed, a few at a time: finished long ago, and no schedule's baseline."""

from collections.abc import Iterator

from engine.errors import RunRefused
from engine.run import schedules, state
from engine.run.answers import Answer
from engine.run.keys import RECENT, parse_recent_at, parse_recent_key
from engine.run.means import Means
from engine.run.removal import instances_of, remove_run
from engine.run.state import RunState, Stage

REMOVED_AT_ONCE = 5
LOOK_AT = 50
"""Runs that began long ago and may not be removed yet are read again at the next tick: no more than these."""

_DAY_S = 86_400.0


def remove_old(means: Means) -> Iterator[Answer]:
    """The runs that were removed, as their removal would be answered, the oldest first."""
    if means.retention_days == 0:
        return
    limit = means.clock.wall() - means.retention_days * _DAY_S
    old = [place for place in means.store.keys(RECENT) if parse_recent_at(place) < limit]
    kept = schedules.protected(means.store) if old else frozenset()
    removed = 0
    for place in [place for place in reversed(old) if parse_recent_key(place) not in kept][:LOOK_AT]:
        found = state.read_listed(means.store, place)
        if found is None:  # nobody's place any more
            means.store.delete(place)
        elif _is_over(found, limit) and _remove(found, means):
            yield Answer(204, b"", purge=instances_of(found))
            removed += 1
        if removed == REMOVED_AT_ONCE:
            return


def _is_over(found: RunState, limit: float) -> bool:
    """Whether the run has been finished since before limit, wall seconds."""
    return not found.is_live and found.times.get(Stage.FINISHED, found.created) < limit


def _remove(found: RunState, means: Means) -> bool:
    try:
        remove_run(found, means)
    except RunRefused:  # its devices are being cleaned up, or it has been resumed
        return False
    return True
