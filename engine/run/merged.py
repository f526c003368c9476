"""What a whole run measured: kept when the run is closed, so that no comparison ever reads its batches again."""

from engine.device.catalog import SCENARIOS
from engine.errors import NotFound, StoreError
from engine.measure.encoding import NotATally
from engine.measure.measured import Measured
from engine.ports import Store
from engine.report.side import Side
from engine.run import keys, record
from engine.run.files import read_plan, read_spec
from engine.run.gather import UNFINISHED, gather
from engine.run.means import Means
from engine.run.state import RunState


def write_merged(store: Store, run_id: str, measured: Measured) -> None:
    """Keep what the run measured; again, also by a later attempt, is the same."""
    body = measured.encode()
    record.update(store, keys.merged_key(run_id), lambda _held: body)


def has_merged(store: Store, run_id: str) -> bool:
    """Whether there is something to compare with: the run's merged measurement, or a batch's as in older runs."""
    if any(True for _ in store.keys(keys.merged_key(run_id))):
        return True
    return any(keys.is_result_key(key) for key in store.keys(keys.batches_prefix(run_id)))


def read_merged(found: RunState, means: Means) -> Measured:
    """What the run measured, or has so far while it goes on.

    Raises NotFound for a run that never measured anything, and StoreError for a measurement that cannot be read.
    """
    key = keys.merged_key(found.run_id)
    held = None if found.is_live else means.store.read(key)
    if held is None:
        return _gathered(found, means)
    try:
        return Measured.decode(held.body)
    except NotATally as broken:
        raise StoreError(key, f"not a run's measurement: {broken}") from broken


def side_of(found: RunState, means: Means) -> Side:
    """The run as it is compared with another. Raises as `read_merged`."""
    measured = read_merged(found, means)
    spec = read_spec(means.store, found.run_id)
    return Side(
        run_id=found.run_id,
        name=found.name,
        scenario=spec.scenario,
        target=spec.target,
        spec=spec.echo(),
        created_at=found.created,
        verdict=found.verdict,
        main=SCENARIOS[spec.scenario].main,
        devices=spec.devices.count,
        percentiles=spec.results.percentiles,
        measured=measured,
        total=measured.timeline.total(),
        is_partial=found.is_live,
    )


def _gathered(found: RunState, means: Means) -> Measured:
    """Of a run that goes on, or was given up, or is from before measurements were kept: what its batches left."""
    try:
        planned, spec = read_plan(means.store, found.run_id), read_spec(means.store, found.run_id)
    except NotFound as early:
        why = "it is not planned yet" if found.is_live else "it was never planned, or its batches are deleted"
        raise NotFound(f"run {found.run_id}", f"there are no measurements, {why}") from early
    gathered = gather(found, planned, spec, means, missing=UNFINISHED)
    if not found.is_live and not gathered.timeline.windows:
        raise NotFound(f"run {found.run_id}", "there are no measurements, its batches left none or are deleted")
    return Measured(gathered.timeline, gathered.durations_s)
