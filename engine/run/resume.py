"""Resuming a run: the next attempt of the same run, which drives what is unfinished and keeps what is whole.

Theory of operation. A batch whose result says that its schedule came to its end is whole, and nobody drives it again.
Every other one, whether it was cancelled, never began or was lost, goes on from its last checkpoint: its claim may be
taken by the new attempt, and its old result is replaced in the end. The run's clock stood still in between. A wave
whose load had begun goes on at the second where the batch that is furthest behind was; the others wait for it there.
"""

from dataclasses import replace

from engine.batch.checkpoint import Checkpoint, CheckpointUnreadable
from engine.errors import IllegalMove
from engine.run import keys, pool, record, start, state
from engine.run.activities import Post, post_of
from engine.run.answers import RETRY_AFTER_S, Answer, Request, as_json
from engine.run.api import order_of, read_run
from engine.run.files import Left, read_plan, read_spec, write_left
from engine.run.live import links
from engine.run.means import Means
from engine.run.start import Stretch
from engine.run.state import RunState, Stage
from engine.run.submission import hold_again


def post_resume(request: Request, means: Means) -> Answer:
    """POST /api/runs/{id}/resume: the run goes on; harmless when repeated while it does."""
    found = read_run(request.run_id, means)
    if not (found.is_live and found.attempt > 1):
        found = _reopened(found, means)
    body = {"runId": found.run_id, "state": found.stage, "attempt": found.attempt, "links": links(found.run_id)}
    headers = {"Location": f"/api/runs/{found.run_id}", "Retry-After": str(RETRY_AFTER_S)}
    return as_json(202, body, headers=headers, start=(found.instance_id, order_of(found)))


def take_stock(run_id: str, attempt: int, means: Means) -> None:
    """What this attempt finds left to do is written down, for its batches to begin together."""
    post = post_of(run_id, means)
    left: dict[int, list[int]] = {}
    for number in _unfinished(post):
        left.setdefault(number // post.outline.at_once, []).append(number)
    found = {
        wave: Left(len(batches), _stretch(run_id, wave, batches, attempt=attempt, means=means))
        for wave, batches in left.items()
    }
    write_left(means.store, run_id, attempt, found)


def _reopened(found: RunState, means: Means) -> RunState:
    """The run's next attempt. Raises IllegalMove where nothing is left to do, RunRefused where its names are held."""
    run_id = found.run_id
    if found.stage is not Stage.FINISHED:
        raise IllegalMove(found.stage, state.Event.RESUMED)
    if found.batches.planned == 0:
        raise IllegalMove("finished without a plan", state.Event.RESUMED)
    if not _unfinished(post_of(run_id, means)):
        raise IllegalMove("finished with every batch whole", state.Event.RESUMED)
    batches = read_plan(means.store, run_id).plan.batches
    ranges = [pool.Range(held.first, held.count) for batch in batches for held in batch.ranges]
    hold_again(run_id, read_spec(means.store, run_id), ranges, means)
    now = means.clock.wall()
    paused_s = max(0.0, now - found.times.get(Stage.MERGING, found.times.get(Stage.FINISHED, now)))
    return state.advance(
        means.store,
        run_id,
        state.Event.RESUMED,
        now=now,
        attempt=found.attempt,
        change=lambda held: replace(held, paused_s=held.paused_s + paused_s),
    )


def _unfinished(post: Post) -> list[int]:
    """The batches that no attempt has brought to their end."""
    numbers = range(post.outline.batches)
    return [number for number in numbers if not post.claims.standing(post.run_id, number).is_whole]


def _stretch(run_id: str, wave: int, batches: list[int], *, attempt: int, means: Means) -> Stretch | None:
    """Where the wave's load stood when the last attempt that drove it ended, None where it never began."""
    before = range(attempt - 1, 0, -1)
    begun = next((found for each in before if (found := start.read(means.store, run_id, wave, each))), None)
    if begun is None:
        return None
    elapsed_s = min(_elapsed_s(run_id, number, means) for number in batches)
    return Stretch(begun.origin, begun.start, elapsed_s)


def _elapsed_s(run_id: str, number: int, means: Means) -> float:
    """How many seconds of its load the batch has behind it, by its last checkpoint."""
    held = record.read_fenced(means.store, keys.checkpoint_key(run_id, number))
    try:
        return Checkpoint.decode(held.body).elapsed_s if held and held.body else 0.0
    except CheckpointUnreadable:
        return 0.0
