"""Runs of many batches by the product's orchestrators: no history grows with the run."""

from pathlib import Path

from integration.localhost.many import run_empty_batches

from engine.run.workflow import BLOCK, WAVES_A_LIFE

PASSED = {"verdict": "passed", "exitCode": 0}


def test_large_waves_are_kept_in_histories_of_a_hundred_batches(tmp_path: Path) -> None:
    """A block has two events for each of its batches and a few more, the run a few for each block."""
    found = run_empty_batches(tmp_path, batches=230, at_once=130)
    assert found.output == PASSED
    assert set(found.histories) == {"", ":block-000000", ":block-000100", ":block-000130"}
    assert 2 * BLOCK < found.histories[":block-000000"] < 2 * BLOCK + 40
    assert found.histories[""] < 60


def test_many_waves_do_not_make_a_long_history(tmp_path: Path) -> None:
    """After WAVES_A_LIFE waves the run begins a new one: what is left is of the last life."""
    found = run_empty_batches(tmp_path, batches=WAVES_A_LIFE + 2, at_once=1)
    assert found.output == PASSED
    assert len(found.histories) == WAVES_A_LIFE + 3
    assert found.histories[""] < 60
