"""The activities of a run whose batches are driven by workers: (order, means) → a short receipt.

Theory of operation. A wave's workers are launched together, and then an activity per batch waits until that batch is
done, by its claim alone: which worker has it, nobody says. A batch that is nobody's for longer than a lease and
COMING_S has been forsaken: its worker never came, or died with nobody left to take over. Then the activity fails, and
its next attempt launches one replica more, which takes the batch, or finds a holder that lives and ends.
"""

from collections.abc import Mapping
from typing import Any, Final

from engine.errors import LaunchError
from engine.plan.spec.rules import processes_of, replicas_of
from engine.run import keys, record
from engine.run.claims import Claims
from engine.run.files import read_plan, read_spec
from engine.run.means import Means

COMING_S: Final = 30.0
"""How long a worker may take from its launch to its first claim."""

LOOK_EVERY_S: Final = 0.5


def launch_wave(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The wave has as many replicas as its batches need. Raises LaunchError."""
    run_id, number = str(order["runId"]), int(order["wave"])
    spec, wave = read_spec(means.store, run_id), read_plan(means.store, run_id).plan.waves[number]
    replicas = replicas_of(spec, len(wave))
    _launch(
        run_id, f"a{int(order['attempt'])}-wave-{number:04d}", means, replicas=replicas, processes=processes_of(spec)
    )
    return {"wave": number, "replicas": replicas}


def await_batch(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The batch is done, by whoever drove it.

    Raises LaunchError when nobody comes for it, or somebody holds it and never finishes.
    """
    run_id, number = str(order["runId"]), int(order["batch"])
    clock, claims = means.clock, Claims(means.store, means.clock, means.lease_s)
    give_up = clock.now() + read_plan(means.store, run_id).plan.batches[number].deadline_s
    call = _count_call(run_id, number, means)
    if call > 1 and not claims.is_done(run_id, number):
        _launch(run_id, f"batch-{number:06d}-call-{call}", means, replicas=1, processes=1)
    forsaken = clock.now() + means.lease_s + COMING_S
    while not (found := claims.standing(run_id, number)).is_done:
        now = clock.now()
        if found.is_held:
            forsaken = now + means.lease_s + COMING_S
        if now > forsaken:
            raise LaunchError(f"batch {number} of {run_id}", "no worker comes for it")
        if now > give_up:
            raise LaunchError(f"batch {number} of {run_id}", "somebody holds it and does not finish")
        clock.sleep(LOOK_EVERY_S)
    return {"batch": number, "stop": "done-by-worker"}


def _launch(run_id: str, name: str, means: Means, *, replicas: int, processes: int) -> None:
    if means.launcher is None:
        raise LaunchError(run_id, "a job runner is not set up here")
    means.launcher.launch(run_id, key=keys.launch_key(run_id, name), replicas=replicas, processes=processes)


def _count_call(run_id: str, number: int, means: Means) -> int:
    """How often the batch has been waited for, this time included: an activity does not know which attempt it is."""
    key = keys.launch_key(run_id, f"batch-{number:06d}-calls")
    return int(record.update(means.store, key, lambda held: b"%d" % (int(held or b"0") + 1)))
