"""Names that a run lets go."""

from doubles.means import make_means, plan
from engine.device.bundle import Bundle
from engine.run import pool
from engine.run.files import read_spec
from engine.run.home import DeviceState, Span
from engine.run.release import let_go

KEY = "counter/device-.json"


def test_names_are_free_and_those_with_state_are_known() -> None:
    """Or all of them, where somebody knows better than the store."""
    for keeps_all, stored in ((False, [(1, 2)]), (True, [(0, 4)])):
        means = make_means()
        plan(means, "run-a", {"scenario": "cert-renewal", "devices": {"count": 4}})
        kept = [Bundle(f"device-{n}", "hub", b"key", (b"leaf",)) for n in (1, 2)]
        DeviceState(means.store, "data", "device-", means.wrapping_key).add(Span(0, 4), "0-blob", kept)
        let_go("run-a", read_spec(means.store, "run-a"), means, keeps_all=keeps_all)
        assert pool.holdings(means.store, KEY, "run-a") == ()
        found = pool.allot(means.store, KEY, "run-b", 4, pool.Source.REUSE_OR_CREATE, until=9e9, now=0.0)
        assert [(one.first, one.count) for one in found if one.stored] == stored
