"""The activities of a wave, and of workers that drive it: (order, means) → a short receipt.

Theory of operation. Workers are launched with the first wave, as many as the largest needs, and go on to the next when
all batches of one are taken: starting them takes seconds on one machine and minutes elsewhere. Whoever orchestrates
looks at each block of batches from time to time, until all are done, by their claims alone: which worker has a batch,
nobody says. A batch that is nobody's is taken by a worker that has nothing else to do. If there is none any more,
because all have ended or nobody came for longer than workers take here to come, the batch is forsaken, and as many
replicas as such batches need are launched again. After the last of the launches in a wave that the spec allows, what
is forsaken stays undone.
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
from engine.run.state import RunState, Stage


def reach_wave(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The run's state says which wave is under way, and since when."""
    number, now = int(order["wave"]), means.clock.wall()

    def reached(found: RunState) -> RunState:
        is_known = found.wave == number and found.wave_at >= found.times.get(Stage.RUNNING, now)
        return found if is_known else replace(found, wave=number, wave_at=now)

    state.amend(means.store, str(order["runId"]), reached)
    return {"wave": number}


def begin_wave(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The wave is under way; where workers drive it and none of an earlier wave are left, new ones are launched.

    Raises LaunchError.
    """
    run_id, number = str(order["runId"]), int(order["wave"])
    reach_wave(order, means)
    post, spec = post_of(run_id, means), read_spec(means.store, run_id)
    if runner_of(spec) is not Runner.JOB or not post.is_open:
        return {"wave": number, "replicas": 0}
    launcher = _launcher(run_id, means)
    last = _last_launch(post, launcher, means)
    if (last is not None and not last.is_over) or not post.unfinished(post.outline.wave(number)):
        return {"wave": number, "replicas": 0}
    return {"wave": number, "replicas": _launch(post, number, spec, means, batches=post.outline.at_once)}


def look_at_block(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """How many of a block's batches are still to come to their end; workers are launched where none comes for them.

    Raises LaunchError.
    """
    run_id, first, count = str(order["runId"]), int(order["first"]), int(order["count"])
    post = post_of(run_id, means)
    left = post.unfinished(range(first, first + count))
    if not left or not post.is_open:
        return {"left": 0}
    launcher = _launcher(run_id, means)
    launched, by = _last_launch(post, launcher, means), means.clock.wall() - launcher.coming_s
    forsaken = [n for n, found in left.items() if _is_forsaken(found, launched, since=post.wave_at, by=by)]
    if not forsaken:
        return {"left": len(left)}
    wave, spec = first // post.outline.at_once, read_spec(means.store, run_id)
    if len(_launches(post, means, wave)) >= spec.retries.batch:
        return {"left": len(left) - len(forsaken), "lost": len(forsaken)}
    _launch(post, wave, spec, means, batches=len(forsaken))
    return {"left": len(left)}


def stop_workers(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """Whoever was launched in this attempt ends. Raises LaunchError when somebody could not be told."""
    run_id = str(order["runId"])
    launcher, launches = _launcher(run_id, means), _launches(post_of(run_id, means), means)
    for key in launches:
        launcher.stop(key)
    return {"stopped": len(launches)}


def _is_forsaken(found: Standing, launched: Launched | None, *, since: float, by: float) -> bool:
    """Whether nobody drives the batch, and nobody is likely to come for it any more.

    since is when its wave began, by the time since which workers would have come: wall seconds.
    """
    if found.is_held:
        return False
    if launched is None or launched.is_over:
        return True
    return by > max(launched.at, since, found.expires_at + SKEW_S)


def _launch(post: Post, wave: int, spec: RunSpec, means: Means, *, batches: int) -> int:
    """So many replicas as the batches need; how many that is."""
    replicas = replicas_of(spec, batches)
    key = keys.launch_key(post.run_id, post.attempt, wave, len(_launches(post, means, wave)) + 1)
    _launcher(post.run_id, means).launch(
        post.run_id, key=key, replicas=replicas, processes=processes_of(spec), cpu=spec.execution.cpu
    )
    return replicas


def _launches(post: Post, means: Means, wave: int | None = None) -> list[str]:
    """The keys of the attempt's launches, or of those in one wave, oldest first."""
    prefix = keys.launches_prefix(post.run_id, post.attempt)
    return list(means.store.keys(prefix if wave is None else f"{prefix}{wave:04d}-"))


def _last_launch(post: Post, launcher: Launcher, means: Means) -> Launched | None:
    """The latest launch of the attempt, None where there was none."""
    launches = _launches(post, means)
    return launcher.look(launches[-1]) if launches else None


def _launcher(run_id: str, means: Means) -> Launcher:
    if means.launcher is None:
        raise LaunchError(run_id, "a job runner is not set up here")
    return means.launcher
