"""What is written once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.failing_store import FailingStore
from doubles.means import local_targets
from engine.adapters.memory import MemoryStore
from engine.errors import NotFound, StoreError, StoreUnavailable
from engine.plan.batches import RunPlan, plan_run
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.runspec import RunSpec
from engine.run import keys
from engine.run.files import (
    PIECE,
    Left,
    Outline,
    Submission,
    find_submission,
    read_batch,
    read_left,
    read_outline,
    read_plan,
    read_spec,
    write_left,
    write_plan,
    write_submission,
)
from engine.run.start import Stretch

TARGETS = local_targets()


def spec_of(body: bytes = b'{"scenario": "cert-renewal"}') -> RunSpec:
    """A parsed spec."""
    return parse_spec(body, profiles=TARGETS, max_devices=1000, seed=1, now=0.0)


def planned(body: bytes = b'{"scenario": "cert-renewal"}') -> RunPlan:
    """A plan of these devices, from index 3."""
    target, spec = TARGETS.get("local"), spec_of(body)
    assert target is not None
    return plan_run(spec, run_id="run-a", ranges=[(3, spec.devices.count)], target=target)


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
    store, outline = MemoryStore(), Outline(1, 1, 10, 5.0, {"connects": 1})
    assert write_plan(store, planned(), zero_wall=5.0, counters={"connects": 1}) == outline
    assert write_plan(store, planned(), zero_wall=9.0) == outline
    found = read_plan(store, "run-a")
    assert (found.plan, found.outline, found.zero_wall, found.counters) == (planned(), outline, 5.0, {"connects": 1})


MANY = b"""{"scenario": "provision", "devices": {"count": 505}, "load": {"rampUp": "5s"},
            "execution": {"batchSize": 2, "maxParallelBatches": 7}}"""


def test_plan_of_many_batches_is_kept_in_pieces() -> None:
    """One batch is read without the others, and all of them in their order."""
    store, plan = MemoryStore(), planned(MANY)
    outline = write_plan(store, plan, zero_wall=5.0)
    assert (outline.batches, outline.at_once, outline.waves, outline.devices) == (253, 7, 37, 505)
    assert (outline.wave(0), outline.wave(36)) == (range(7), range(252, 253))
    assert [read_batch(store, "run-a", number) for number in range(253)] == list(plan.batches)
    assert read_plan(store, "run-a").plan == plan
    assert len(list(store.keys("runs/run-a/plan/"))) == -(-253 // PIECE)


def test_outline_comes_after_the_pieces() -> None:
    """Whoever finds a plan finds all of it."""
    store = MemoryStore()
    write_plan(store, planned(MANY), zero_wall=5.0)
    store.delete(keys.plan_key("run-a"))
    for read in (read_outline, read_plan):
        with pytest.raises(NotFound):
            read(store, "run-a")


def test_what_is_left_is_read_as_it_was_first_written() -> None:
    """Per wave, with the place of its load where it had begun."""
    store, left = MemoryStore(), {0: Left(2, Stretch(1.0, 2.5, 30.0)), 12: Left(7, None)}
    write_left(store, "run-a", 2, left)
    write_left(store, "run-a", 2, {})
    assert read_left(store, "run-a", 2) == left
    with pytest.raises(NotFound):
        read_left(store, "run-a", 3)


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
