"""The run that another is compared with: found when the run is accepted, read when it is judged."""

from dataclasses import dataclass
from typing import Final

from engine.errors import NotFound, Problem, SpecError, StoreError, StoreUnavailable
from engine.measure.verdict import Verdict
from engine.plan.spec.runspec import RunSpec
from engine.ports import Store
from engine.report.side import Side
from engine.run import keys, state
from engine.run.means import Means
from engine.run.merged import has_merged, side_of
from engine.run.state import RunState, Stage

BY_NAME: Final = "name:"
"""What a baseline begins with that is no run id: the newest run of the name after it that passed."""


@dataclass(frozen=True, slots=True)
class Against:
    """The run to compare with, None where there is none, and what to warn of."""

    side: Side | None = None
    warnings: tuple[str, ...] = ()


def resolve(store: Store, text: str) -> str | None:
    """The id of the run that a spec's baseline means; of a name of which no run has passed, None."""
    return newest_passed(store, text.removeprefix(BY_NAME)) if text.startswith(BY_NAME) else text


def newest_passed(store: Store, name: str, *, besides: str = "") -> str | None:
    """The id of the newest run of that name that passed and whose measurements are there, `besides` left out."""
    for found in state.list_runs(store):
        is_asked = found.name == name and found.run_id != besides
        is_passed = found.stage is Stage.FINISHED and found.verdict == Verdict.PASSED
        if is_asked and is_passed and has_merged(store, found.run_id):
            return found.run_id
    return None


def choose(store: Store, spec: RunSpec) -> str | None:
    """The id of the run that a run of this spec, which begins now, is compared with.

    Raises SpecError at /baseline for a run id that nothing can be compared with.
    """
    if spec.baseline is None:
        return None
    run_id = resolve(store, spec.baseline)
    problem = None if run_id is None or spec.baseline.startswith(BY_NAME) else _unfit(store, run_id)
    if problem is not None:
        raise SpecError([Problem("/baseline", problem, "a finished run with measurements, or name:<name>")])
    return run_id


def against(found: RunState, spec: RunSpec, means: Means) -> Against:
    """What the run is compared with. A baseline that was deleted since leaves nothing but a warning."""
    if found.baseline is None:
        if spec.baseline is None:
            return Against()
        name = spec.baseline.removeprefix(BY_NAME)
        return Against(warnings=(f"no run named {name} had passed before: there is no baseline to compare with",))
    try:
        return Against(side_of(state.read_state(means.store, found.baseline), means))
    except StoreUnavailable:
        raise
    except StoreError as gone:
        why = gone.detail or "it is gone"
        return Against(warnings=(f"the baseline, run {found.baseline}, cannot be read any more: {why}",))


def _unfit(store: Store, run_id: str) -> str | None:
    """Why nothing can be compared with the run, None if something can."""
    try:
        found = state.read_state(store, run_id) if keys.is_run_id(run_id) else None
    except NotFound:
        found = None
    if found is None:
        return f"there is no run {run_id}"
    if found.is_live:
        return f"run {run_id} is not finished"
    return None if has_merged(store, run_id) else f"run {run_id} has no measurements"
