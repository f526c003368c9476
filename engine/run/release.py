"""How a run's device names become free again."""

from engine.plan.spec.runspec import RunSpec
from engine.run import keys, pool
from engine.run.home import DeviceState, Span
from engine.run.means import Means


def let_go(run_id: str, spec: RunSpec, means: Means, *, keeps_all: bool) -> None:
    """The device names are free for the next run; those with state are known to have it, or all where that is said."""
    key = keys.counter_key(means.counter_prefix, spec.devices.prefix)
    spans = [Span(held.first, held.count) for held in pool.holdings(means.store, key, run_id)]
    devices = DeviceState(means.store, means.data_prefix, spec.devices.prefix, means.wrapping_key)
    found = spans if keeps_all or not spans else devices.known(spans)
    pool.release(means.store, key, run_id, [pool.Range(span.first, span.count) for span in found])
