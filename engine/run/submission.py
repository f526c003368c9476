"""A run's first state, from its spec."""

import hashlib

from engine.plan.spec.runspec import RunSpec, canonical
from engine.run.state import RunState


def digest(spec: RunSpec) -> str:
    """The same for two specs exactly when they ask for the same."""
    return hashlib.sha256(canonical(spec).encode()).hexdigest()


def new_state(run_id: str, spec: RunSpec, *, now: float) -> RunState:
    """The state of a run that was just accepted; now is unix seconds."""
    return RunState(
        run_id=run_id,
        name=spec.name,
        created=now,
        spec_digest=digest(spec),
        scenario=spec.scenario,
        target=spec.target,
        labels=dict(spec.labels),
    )
