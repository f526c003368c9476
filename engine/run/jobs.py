"""The activities of a wave, and of workers that drive it: (order, means) → a short receipt.

Theory of operation. A wave's workers are launched together; then whoever orchestrates looks at each block of batches
from time to time, until all are done, by their claims alone: which worker has a batch, nobody says. A batch that is
nobody's is taken by a worker that has nothing left to do. If there is none any more, because all have ended or nobody
came for longer than workers take here to come, the batch is forsaken, and as many replicas as such batches need are
launched again. After the last of the launches that the spec allows, what is forsaken stays undone.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.errors import LaunchError
from engine.plan.spec.execution import Runner
from engine.plan.spec.runner import processes_of, replicas_of, runner_of
from engine.plan.spec.runspec import RunSpec
from engine.ports import Launched, Launcher
from engine.run import keys, state
from engine.run.activities import Post, post_of
from engine.run.claims import SKEW_S, Standing
from engine.run.files import read_spec
from engine.run.means import Means


def reach_wave(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The run's state says which wave is under way."""
    number = int(order["wave"])
    state.amend(means.store, str(order["runId"]), lambda found: replace(found, wave=number))
    return {"wave": number}


def begin_wave(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The wave is under way; where workers drive it, with as many replicas as its unfinished batches need.

    Raises LaunchError.
    """
    run_id, number = str(order["runId"]), int(order["wave"])
    reach_wave(order, means)
    post, spec = post_of(run_id, means), read_spec(means.store, run_id)
    left = _unfinished(post, post.outline.wave(number)) if runner_of(spec) is Runner.JOB else {}
    if not post.is_open or not left:
        return {"wave": number, "replicas": 0}
    key = keys.launch_key(run_id, _of_wave(post, number))
    replicas = _launch(_launcher(run_id, means), spec, run_id, key=key, batches=len(left))
    return {"wave": number, "replicas": replicas}


def look_at_block(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """How many of a block's batches are still to come to their end; workers are launched where none comes for them.

    Raises LaunchError.
    """
    run_id, first, count = str(order["runId"]), int(order["first"]), int(order["count"])
    post = post_of(run_id, means)
    left = _unfinished(post, range(first, first + count))
    if not left or not post.is_open:
        return {"left": 0}
    spec, launcher = read_spec(means.store, run_id), _launcher(run_id, means)
    key = keys.launch_key(run_id, _of_wave(post, first // post.outline.at_once))
    launched, launches = launcher.look(key), 1
    while (later := launcher.look(_again(post, first, launches))) is not None:
        launched, launches = later, launches + 1
    forsaken = [n for n, found in left.items() if _is_forsaken(found, launched, means.clock.wall(), launcher.coming_s)]
    if not forsaken:
        return {"left": len(left)}
    if launches >= spec.retries.batch:
        return {"left": len(left) - len(forsaken), "lost": len(forsaken)}
    _launch(launcher, spec, run_id, key=_again(post, first, launches), batches=len(forsaken))
    return {"left": len(left)}


def stop_workers(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The wave's workers end, as far as they were launched together; those launched later find the run closed."""
    run_id, number = str(order["runId"]), int(order["wave"])
    key = keys.launch_key(run_id, _of_wave(post_of(run_id, means), number))
    _launcher(run_id, means).stop(key)
    return {"wave": number}


def _unfinished(post: Post, numbers: range) -> dict[int, Standing]:
    standings = {number: post.claims.standing(post.run_id, number) for number in numbers}
    return {number: found for number, found in standings.items() if not found.is_done}


def _is_forsaken(found: Standing, launched: Launched | None, now: float, coming_s: float) -> bool:
    """Whether nobody drives the batch, and nobody is likely to come for it any more; now is wall seconds."""
    if found.is_held:
        return False
    if launched is None or launched.is_over:
        return True
    return now - max(launched.at, found.expires_at + SKEW_S) > coming_s


def _launch(launcher: Launcher, spec: RunSpec, run_id: str, *, key: str, batches: int) -> int:
    """So many replicas as the batches need; how many that is."""
    replicas = replicas_of(spec, batches)
    launcher.launch(run_id, key=key, replicas=replicas, processes=processes_of(spec), cpu=spec.execution.cpu)
    return replicas


def _launcher(run_id: str, means: Means) -> Launcher:
    if means.launcher is None:
        raise LaunchError(run_id, "a job runner is not set up here")
    return means.launcher


def _of_wave(post: Post, number: int) -> str:
    return f"a{post.attempt}-wave-{number:04d}"


def _again(post: Post, first: int, launches: int) -> str:
    return keys.launch_key(post.run_id, f"a{post.attempt}-block-{first:06d}-again-{launches:03d}")
