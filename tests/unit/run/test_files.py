"""What is written once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.failing_store import FailingStore
from doubles.means import local_targets
from engine.adapters.memory import MemoryStore
from engine.errors import NotFound, StoreError, StoreUnavailable
from engine.plan.batches import plan_run
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.runspec import RunSpec
from engine.run import keys
from engine.run.files import (
    Planned,
    Submission,
    find_submission,
    read_plan,
    read_spec,
    write_plan,
    write_submission,
)

TARGETS = local_targets()


def spec_of(body: bytes = b'{"scenario": "cert-renewal"}') -> RunSpec:
    """A parsed spec."""
    return parse_spec(body, profiles=TARGETS, max_devices=1000, seed=1, now=0.0)


def planned(zero_wall: float = 5.0) -> Planned:
    """A plan of ten devices."""
    target = TARGETS.get("local")
    assert target is not None
    return Planned(plan_run(spec_of(), run_id="run-a", ranges=[(3, 10)], target=target), zero_wall, {"connects": 1})


@given(st.floats(0, 1e10), st.sampled_from(["cert-renewal", "provision", "cert-lifecycle"]))
def test_submission_is_read_as_it_was_written(created: float, scenario: str) -> None:
    """Spec and moment, exactly."""
    asked = Submission(spec_of(b'{"scenario": "%s"}' % scenario.encode()), created)
    store = MemoryStore()
    assert write_submission(store, "run-a", asked) == asked
    assert find_submission(store, "run-a") == asked
    assert read_spec(store, "run-a") == asked.spec


def test_first_submission_wins() -> None:
    """Whoever comes later gets what was kept."""
    store = MemoryStore()
    first = write_submission(store, "run-a", Submission(spec_of(), 1.0))
    assert write_submission(store, "run-a", Submission(spec_of(b'{"scenario": "provision"}'), 2.0)) == first


def test_plan_is_read_as_it_was_first_written() -> None:
    """Batches, the clock's zero and what the emulator had counted."""
    store = MemoryStore()
    assert write_plan(store, "run-a", planned()) == planned()
    assert write_plan(store, "run-a", planned(zero_wall=9.0)) == planned()
    assert read_plan(store, "run-a") == planned()


def test_what_was_never_written_is_not_found() -> None:
    """A submission is looked for, a spec and a plan are expected."""
    store = MemoryStore()
    assert find_submission(store, "run-a") is None
    for read in (read_spec, read_plan):
        with pytest.raises(NotFound):
            read(store, "run-a")


WRONG = b'{"version": 1, "spec": {"scenario": 5}, "plan": {}, "createdAt": "x", "zeroWall": 1, "counters": null}'


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"{}", b'{"version": 2}', b'{"version": 1}', WRONG])
def test_unreadable_document_is_a_store_error(body: bytes) -> None:
    """It names the key, whatever lies there."""
    store = MemoryStore()
    store.create(keys.spec_key("run-a"), body)
    store.create(keys.plan_key("run-a"), body)
    for read in (find_submission, read_spec, read_plan):
        with pytest.raises(StoreError, match=r"runs/run-a/(spec|plan)\.json: "):
            read(store, "run-a")


def test_store_that_is_away_is_not_an_unreadable_document() -> None:
    """It can be tried again."""
    with pytest.raises(StoreUnavailable):
        read_plan(FailingStore(MemoryStore()), "run-a")
