"""The names of blobs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.run import keys

PREFIXES = st.text("ab._:-", min_size=1, max_size=6)


def test_keys_of_a_run_are_stable() -> None:
    """What was stored under these names is looked for under them for ever."""
    assert keys.spec_key("run-1") == "runs/run-1/spec.json"
    assert keys.plan_key("run-1") == "runs/run-1/plan.json"
    assert keys.summary_key("run-1", "report.md") == "runs/run-1/results/report.md"
    assert keys.state_key("run-1") == "states/run-1.json"
    assert keys.claim_key("run-1", 7) == "runs/run-1/batches/000007/claim.json"
    assert keys.progress_key("run-1", 7) == "runs/run-1/batches/000007/progress"
    assert keys.windows_key("run-1", 7) == "runs/run-1/batches/000007/windows"
    assert keys.piece_key("run-1", 7, 2, 31) == "runs/run-1/batches/000007/pieces/000002-000031"
    assert keys.checkpoint_key("run-1", 7) == "runs/run-1/batches/000007/checkpoint"
    assert keys.merged_key("run-1") == "runs/run-1/merged"
    assert keys.result_key("run-1", 7) == "runs/run-1/batches/000007/result"
    assert keys.start_key("run-1", 3, 2) == "runs/run-1/waves/0003/start-0002.json"
    assert keys.plan_piece_key("run-1", 7) == "runs/run-1/plan/0007.json"
    assert keys.attempt_key("run-1", 2) == "runs/run-1/attempts/0002.json"
    assert keys.launch_key("run-1", 2, 13, 1) == "runs/run-1/launches/0002-0013-001"
    assert keys.launch_key("run-1", 2, 13, 1).startswith(keys.launches_prefix("run-1", 2))
    assert keys.counter_key("counter", "device-") == "counter/device-.json"


def test_newer_runs_come_first() -> None:
    """The keys of the list sort by time, the newest first, and give the run id back."""
    old, new = keys.recent_key("zzzz", 1_760_000_000.0), keys.recent_key("aaaa", 1_760_000_000.001)
    assert new < old
    assert keys.parse_recent_key(old) == "zzzz"
    assert keys.parse_recent_at(new) == 1_760_000_000.001


def test_schedules_are_found_by_name() -> None:
    """The name can be read back from the key; a longer one than a run id has room for is refused."""
    assert keys.schedule_key("nightly") == "schedules/nightly.json"
    assert keys.parse_schedule_key(keys.schedule_key("nightly")) == "nightly"
    with pytest.raises(ValueError, match="cannot be part of a key"):
        keys.schedule_key("a" * 41)


def test_device_state_lies_by_prefix_and_span() -> None:
    """First and count can be read back from the key, and only from such a key."""
    key = keys.device_state_key("data", "device-", first=1500, count=500, name="bundle")
    assert key == "data/device-/0000000001500-000500/bundle"
    assert key.startswith(keys.devices_prefix("data", "device-"))
    assert keys.parse_device_state_key(key) == (1500, 500)
    assert keys.parse_device_state_key("data/device-/registration.json") is None


@pytest.mark.parametrize("prefix", [".", "..", "a.", "a_"])
def test_no_word_ends_in_a_dot(prefix: str) -> None:
    """A legal prefix such as `..` does not become a folder's parent."""
    words = keys.devices_prefix("data", prefix).rstrip("/").split("/")
    assert words == ["data", f"{prefix}_"]


@given(PREFIXES, PREFIXES)
def test_two_prefixes_never_meet(one: str, other: str) -> None:
    """Different prefixes have different keys, and none lies in the other's."""
    first, second = keys.devices_prefix("data", one), keys.devices_prefix("data", other)
    assert first.startswith(second) == (one == other)


@pytest.mark.parametrize("run_id", ["", "abc", "Run-1", "run/1", "../x", "run.1"])
def test_text_that_is_no_run_id_makes_no_key(run_id: str) -> None:
    """A key is only made of what the product calls a run id."""
    with pytest.raises(ValueError, match="cannot be part of a key"):
        keys.state_key(run_id)


@pytest.mark.parametrize("word", ["", ".", "..", "a.", "ü", "a b", "~a"])
def test_other_words_are_checked_too(word: str) -> None:
    """Names, prefixes of settings and device prefixes cannot leave their folder."""
    with pytest.raises(ValueError, match="cannot be part of a key"):
        keys.summary_key("run-1", word)
    with pytest.raises(ValueError, match="cannot be part of a key"):
        keys.devices_prefix(f"data/{word}", "device-")


@pytest.mark.parametrize(("text", "is_one"), [("run-1", True), ("abc", False), ("x" * 65, False), ("run-1\n", False)])
def test_run_ids_are_told_from_other_texts(text: str, is_one: bool) -> None:
    """Before a key is made of one."""
    assert keys.is_run_id(text) is is_one


def test_results_are_told_from_what_else_batches_leave() -> None:
    """By their keys, which lie with all else of the run's batches."""
    assert keys.is_result_key(keys.result_key("run-1", 7))
    assert not keys.is_result_key(keys.progress_key("run-1", 7))
    assert keys.result_key("run-1", 7).startswith(keys.batches_prefix("run-1"))
