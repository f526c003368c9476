"""What happens once a minute: schedules fire, runs that nobody carries out are seen to, old ones are removed.

Theory of operation. Everything here may happen twice, at the same time even, and may be cut off anywhere. A firing's
run id is made of its minute, so starting it again is the same run; what became of it is noted afterwards, and a tick
that finds nothing noted does it again. A run that was accepted but whose orchestration was not started, because the
process died in between, is started by a later tick; starting one that has begun changes nothing.

Of all runs the newest are looked at, and of the older ones a page, at each tick another. What fails is told as the
answer that it would be over HTTP, and keeps nothing else from happening.
"""

import json
from collections.abc import Iterator
from typing import Final

from engine.errors import HarnessError, NotFound
from engine.run import api, bulletin, overdue, retention, schedules, state
from engine.run.answers import Answer, Request, answer, refusal
from engine.run.keys import RECENT
from engine.run.means import Means
from engine.run.schedules import Became, Firing, Overlap, Schedule
from engine.run.state import RunState, Stage

ORPHAN_S: Final = 60.0
LOOK_AT: Final = 50
ENDED_AT_ONCE: Final = 1
"""Ending a run merges it, which takes as long as it takes: the others can wait for the next tick."""

_TICK_S: Final = 60
_TRY_LATER: Final = frozenset({429, 503})
_LONGEST_WHY: Final = 500


def tick(means: Means) -> Iterator[Answer]:
    """What is to be started or told, each as soon as it is known, and what was refused."""
    yield from _told(_fire_all(means))
    yield from _told(_see_to_runs(means))
    yield from _told(retention.remove_old(means))


def _told(part: Iterator[Answer]) -> Iterator[Answer]:
    """What a part comes to, and at last the error that it ended with."""
    try:
        yield from part
    except HarnessError as error:
        yield refusal(error)


def _fire_all(means: Means) -> Iterator[Answer]:
    for name in schedules.names(means.store):
        yield from _told(_fire(name, means))


def _fire(name: str, means: Means) -> Iterator[Answer]:
    """What is due of one schedule, in order; what cannot be told yet is left for the next tick, and all after it."""
    held, now = schedules.find(means.store, name), means.clock.wall()
    if held is None:
        return
    for at in held.due(now):
        firing = _forgone(held, at, now=now, means=means)
        if firing is None:
            headers = {"idempotency-key": held.run_id(at)}
            request = Request(json.dumps(held.wish.spec).encode(), headers=headers, principal=f"schedule:{name}")
            found = answer(api.post_run, request, means)
            yield found
            if found.status in _TRY_LATER:
                return
            firing = _came_to(held, at, found)
        bulletin.tell(means, [bulletin.fired(held, firing)])
        if not schedules.note(means.store, held, firing):
            return
        held = held.with_firing(firing)


def _forgone(held: Schedule, at: float, *, now: float, means: Means) -> Firing | None:
    """What became of a firing that starts nothing, None of one that is to start its run."""
    run_id = held.run_id(at)
    is_started = _read(run_id, means) is not None
    if schedules.is_missed(at, now):
        if is_started:  # in time, but whoever did it never got to note it
            return Firing(at, Became.STARTED, run_id)
        return Firing(at, Became.MISSED, why=f"nobody looked for more than {schedules.LATE_S:.0f} s")
    last = _read(held.started, means) if held.started else None
    if held.wish.overlap is Overlap.SKIP and not is_started and last is not None and last.is_live:
        return Firing(at, Became.SKIPPED, why=f"run {held.started} was {last.stage}")
    return None


def _came_to(held: Schedule, at: float, found: Answer) -> Firing:
    if found.status < 400:
        return Firing(at, Became.STARTED, held.run_id(at))
    said = json.loads(found.body)
    return Firing(at, Became.REFUSED, why=f"{said['code']}: {said['message']}"[:_LONGEST_WHY])


def _see_to_runs(means: Means) -> Iterator[Answer]:
    """Runs that were never started are, and those past their deadline drain or end."""
    now = means.clock.wall()
    over: list[RunState] = []
    for place in _places(means):
        try:
            found = state.read_listed(means.store, place)
        except HarnessError as broken:
            yield refusal(broken)
            continue
        if found is None:
            continue
        act = overdue.act_of(found, now)
        if act is overdue.Act.STOP and overdue.stop(found, means):
            yield Answer(202, b"", cancel=found.instance_id)
        elif act is overdue.Act.END:
            over.append(found)
        elif found.stage is Stage.ACCEPTED and now - found.created > ORPHAN_S:
            yield Answer(202, b"", start=(found.instance_id, api.order_of(found)))
    for found in over[:ENDED_AT_ONCE]:
        overdue.end(found, means)


def _places(means: Means) -> list[str]:
    """The newest runs' places in the list, and those of this minute's page of the older ones."""
    places = list(means.store.keys(RECENT))
    pages = max(1, -(-(len(places) - LOOK_AT) // LOOK_AT))
    page = 1 + int(means.clock.wall() // _TICK_S) % pages
    return places[:LOOK_AT] + places[page * LOOK_AT : (page + 1) * LOOK_AT]


def _read(run_id: str, means: Means) -> RunState | None:
    try:
        return state.read_state(means.store, run_id)
    except NotFound:
        return None
