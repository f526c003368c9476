"""What is left of a run, deleted: its devices' leavings on request, or the run itself with all that it wrote."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final

from engine.errors import NotFound, RunRefused
from engine.plan.spec.scenario import REGISTRY
from engine.ports import Store
from engine.run import cleanup, keys, schedules, state
from engine.run.answers import Answer, Request, as_json
from engine.run.api import read_run
from engine.run.files import read_plan, read_spec
from engine.run.live import links
from engine.run.means import Means
from engine.run.release import let_go
from engine.run.state import RunState

AT_ONCE: Final = 10
"""How many blobs are deleted at a time, of forty thousand that a run of 10,000 batches has: as many connections as the
storage client keeps."""


def delete_devices(request: Request, means: Means) -> Answer:
    """DELETE /api/runs/{id}/devices: the clean-up that the run did not ask for; harmless when repeated while it goes
    on."""
    found = read_run(request.run_id, means)
    now = means.clock.wall()
    if not found.is_cleaning(now):
        found = _begin(_at_rest(found, now), means)
    body = {"runId": found.run_id, "cleanup": cleanup.figures(found, means), "links": links(found.run_id)}
    return replace(as_json(202, body, start=_start_of(found)), orchestrator="clean")


def delete_run(request: Request, means: Means) -> Answer:
    """DELETE /api/runs/{id}: nothing is left of the run but what its devices have; 409 while it is needed."""
    found = read_run(request.run_id, means)
    if found.run_id in schedules.protected(means.store):
        raise RunRefused("in-use", f"run {found.run_id} is the baseline of a schedule")
    remove_run(found, means)
    return Answer(204, b"", purge=instances_of(found))


def remove_run(found: RunState, means: Means) -> None:
    """The run, which has ended, and all its blobs are gone; its devices keep their state. Again is harmless.

    Order matters here: the state goes last, so that a removal that failed half way can be asked for again.
    Raises RunRefused `in-use` while it is live or its devices are being cleaned up.
    """
    now = means.clock.wall()
    found = state.amend(means.store, found.run_id, lambda held: replace(_at_rest(held, now), removed_at=now))
    with suppress(NotFound):  # an earlier try has let the names go, and has deleted the spec since
        spec = read_spec(means.store, found.run_id)
        let_go(found.run_id, spec, means, keeps_all=spec.scenario in REGISTRY)
    _delete_all(means.results, f"{found.run_id}/")
    _delete_all(means.store, keys.run_prefix(found.run_id))
    state.forget_run(means.store, found)


def instances_of(found: RunState) -> tuple[str, ...]:
    """The ids of all orchestrations that the run ever had: without them its id is as good as new."""
    attempts = (replace(found, attempt=attempt).instance_id for attempt in range(1, found.attempt + 1))
    cleanings = (
        _cleaning_id(found.run_id, number + 1) for number in range(found.cleaning.number if found.cleaning else 0)
    )
    return (*attempts, *cleanings)


def _at_rest(found: RunState, now: float) -> RunState:
    """The run, which nobody works on. Raises RunRefused `in-use`."""
    if found.is_live:
        raise RunRefused("in-use", f"run {found.run_id} is {found.stage}")
    if found.is_cleaning(now):
        raise RunRefused("in-use", f"the devices of run {found.run_id} are being cleaned up")
    return found


def _begin(found: RunState, means: Means) -> RunState:
    """The run with a clean-up under way, by whoever began it first. Raises RunRefused, NotFound.

    Order matters here: the names first, because another run may have them.
    """
    try:
        spec, batches = read_spec(means.store, found.run_id), read_plan(means.store, found.run_id).plan.batches
    except NotFound as never:
        raise NotFound(f"run {found.run_id}", "it was never planned, so it has no devices") from never
    cleanup.take_names(replace(found, cleaning=None), spec, batches, means)
    return state.amend(means.store, found.run_id, partial(_begun, now=means.clock.wall()))


def _begun(held: RunState, *, now: float) -> RunState:
    if held.is_cleaning(now):
        return held
    return state.begin_cleaning(_at_rest(held, now), now=now, is_asked=True)


def _start_of(found: RunState) -> tuple[str, Mapping[str, Any]] | None:
    """The orchestration of the clean-up under way; none where the run's own carries it out, at the run's end."""
    if found.cleaning is None or not found.cleaning.is_asked:
        return None
    return _cleaning_id(found.run_id, found.cleaning.number), {"runId": found.run_id}


def _cleaning_id(run_id: str, number: int) -> str:
    """No run is called that: a run id has no dot."""
    return f"{run_id}.clean-{number}"


def _delete_all(store: Store, prefix: str) -> None:
    """Every key that begins so holds nothing. Raises StoreUnavailable."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="removal") as pool:
        for _ in pool.map(store.delete, store.keys(prefix)):
            pass
