"""What only files can do wrong; that they are a store is shown in contract/test_store.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.adapters.directory import DirectoryStore
from engine.errors import StoreUnavailable, VersionConflict

ADDER = """
import sys
from pathlib import Path
from engine.adapters.directory import DirectoryStore
from engine.run.record import update
store = DirectoryStore(Path(sys.argv[1]))
sys.stdin.readline()
for _ in range(100):
    update(store, "counter", lambda body: b"%d" % (int(body or b"0") + 1))
"""

HOLDER = """
import fcntl, sys
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""


def python(code: str, *arguments: str) -> "subprocess.Popen[str]":
    """A process of its own that runs the code."""
    engine = Path(__file__).parents[3]
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, cwd=engine, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_processes_take_turns(tmp_path: Path) -> None:
    """Four processes that add a hundred each lose none, and leave nothing but the body and the lock."""
    processes = [python(ADDER, str(tmp_path)) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.wait(60) for process in processes] == [0] * 4
    for process in processes:
        process.communicate()
    assert (tmp_path / "counter").read_bytes() == b"400"
    assert sorted(os.listdir(tmp_path)) == ["counter", "~lock"]


def test_a_holder_that_does_not_end_is_not_waited_for_long(tmp_path: Path) -> None:
    """A stopped process that holds the lock makes the store unavailable; reading needs no lock."""
    store = DirectoryStore(tmp_path, turn_within_s=0.05)
    store.create("a", b"one")
    holder = python(HOLDER, str(tmp_path / "~lock"))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        with pytest.raises(StoreUnavailable, match=r"another process has held .*~lock"):
            store.create("b", b"two")
        held = store.read("a")
    finally:
        holder.kill()
        holder.communicate()
    assert held is not None
    assert store.replace("a", b"two", held.version)


def test_files_hold_exactly_the_bodies(tmp_path: Path) -> None:
    """People can look into the folder."""
    DirectoryStore(tmp_path / "made" / "here").create("runs/a/spec.json", b"{}\n")
    assert (tmp_path / "made" / "here" / "runs" / "a" / "spec.json").read_bytes() == b"{}\n"


def test_deleting_removes_empty_folders(tmp_path: Path) -> None:
    """Of a deleted run no folders stay, of its neighbours all do."""
    store = DirectoryStore(tmp_path)
    for key in ("runs/a/batches/0/claim", "runs/b/spec"):
        store.create(key, b"")
    store.delete("runs/a/batches/0/claim")
    store.delete("runs/c/never/was")
    assert sorted(os.listdir(tmp_path / "runs")) == ["b"]
    store.delete("runs/b/spec")
    assert sorted(os.listdir(tmp_path)) == ["~lock"]


def test_a_clock_that_goes_back_repeats_no_version(tmp_path: Path) -> None:
    """The stamp of a write is later than that of any before it, also when the clock has yet to reach that."""
    store = DirectoryStore(tmp_path)
    store.create("a", b"one")
    in_2100_ns = 4_102_444_800 * 10**9
    os.utime(tmp_path / "~lock", ns=(in_2100_ns, in_2100_ns))
    versions = set()
    for _ in range(3):
        store.delete("a")
        versions.add(store.create("a", b"one"))
    assert len(versions) == 3
    assert (tmp_path / "a").stat().st_mtime_ns == in_2100_ns + 3


def test_a_file_changed_by_hand_is_another_version(tmp_path: Path) -> None:
    """Who edits a file is a writer like any other."""
    store = DirectoryStore(tmp_path)
    version = store.create("a", b"one")
    (tmp_path / "a").write_bytes(b"two")
    with pytest.raises(VersionConflict):
        store.replace("a", b"three", version)


def test_a_full_disk_is_unavailable(tmp_path: Path) -> None:
    """The error names the path, the old body stays, and no half-written file does."""
    store = DirectoryStore(tmp_path)
    version = store.create("a", b"one")
    (tmp_path / "~draft").symlink_to("/dev/full")
    with pytest.raises(StoreUnavailable, match="No space left on device") as caught:
        store.replace("a", b"two", version)
    assert str(tmp_path) in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    held = store.read("a")
    assert held is not None
    assert held.body == b"one"
    assert sorted(os.listdir(tmp_path)) == ["a", "~lock"]


def test_a_root_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    """Every method names the path that is in the way."""
    (tmp_path / "file").write_bytes(b"")
    store = DirectoryStore(tmp_path / "file")
    for call in (
        lambda: store.read("a"),
        lambda: store.create("a", b""),
        lambda: store.replace("a", b"", "1"),
        lambda: store.delete("a"),
        lambda: list(store.keys("")),
    ):
        with pytest.raises(StoreUnavailable, match=str(tmp_path / "file")):
            call()


@pytest.mark.parametrize("key", ["", "..", "a/../b", "/etc/passwd", "a//b", "a/", ".", "~lock", "a/~b"])
def test_no_key_leads_out_of_the_root(tmp_path: Path, key: str) -> None:
    """A key that could reach another file is refused before anything is touched."""
    store = DirectoryStore(tmp_path / "root")
    for call in (
        lambda: store.read(key),
        lambda: store.create(key, b""),
        lambda: store.replace(key, b"", "1"),
        lambda: store.delete(key),
    ):
        with pytest.raises(ValueError, match="not a key"):
            call()
    assert not (tmp_path / "root").exists()
