"""How a run begins to exist: its first state, and the device names it holds."""

import hashlib
from collections.abc import Sequence

from engine.plan.spec.runspec import RunSpec, canonical
from engine.run import keys, pool
from engine.run.files import Submission
from engine.run.means import Means
from engine.run.state import RunState

RESERVED_S = 300.0
"""How long names are kept for a run that is not yet accepted: one whose acceptance fails half way frees them so."""

HOLD_SLACK_S = 3600.0


def digest(spec: RunSpec) -> str:
    """The same for two specs exactly when they ask for the same."""
    return hashlib.sha256(canonical(spec).encode()).hexdigest()


def new_state(run_id: str, asked: Submission, started_by: str = "", *, baseline: str | None = None) -> RunState:
    """The state of a run that was just accepted."""
    spec = asked.spec
    return RunState(
        run_id=run_id,
        name=spec.name,
        created=asked.created,
        spec_digest=digest(spec),
        scenario=spec.scenario,
        target=spec.target,
        labels=dict(spec.labels),
        started_by=started_by,
        baseline=baseline,
    )


def reserve(run_id: str, spec: RunSpec, means: Means) -> None:
    """The run's names are kept for it for a short while. Raises RunRefused."""
    _allot(run_id, spec, means, for_s=RESERVED_S)


def hold(run_id: str, spec: RunSpec, means: Means, *, for_s: float | None = None) -> tuple[pool.Range, ...]:
    """The run's names, kept for as long as it may last: for_s, or its own limit. Raises RunRefused."""
    return _allot(run_id, spec, means, for_s=(spec.limits.max_duration_s if for_s is None else for_s) + HOLD_SLACK_S)


def hold_again(run_id: str, spec: RunSpec, ranges: Sequence[pool.Range], means: Means) -> None:
    """The run has these very names again, for as long as it may last. Raises RunRefused when another run has them."""
    now = means.clock.wall()
    key = keys.counter_key(means.counter_prefix, spec.devices.prefix)
    pool.retake(means.store, key, run_id, ranges, until=now + spec.limits.max_duration_s + HOLD_SLACK_S, now=now)


def _allot(run_id: str, spec: RunSpec, means: Means, *, for_s: float) -> tuple[pool.Range, ...]:
    now = means.clock.wall()
    return pool.allot(
        means.store,
        keys.counter_key(means.counter_prefix, spec.devices.prefix),
        run_id,
        spec.devices.count,
        spec.devices.source,
        until=now + for_s,
        now=now,
        start_index=spec.devices.start_index,
    )
