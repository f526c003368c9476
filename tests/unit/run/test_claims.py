"""Who drives a batch, also when processes race, freeze and die."""

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from doubles.clock import VirtualClock
from engine.adapters.directory import DirectoryStore
from engine.adapters.memory import MemoryStore
from engine.errors import ClaimLost, StoreError
from engine.ports import Store
from engine.run.claims import SKEW_S, Claims, Standing
from engine.run.keys import checkpoint_key, claim_key
from engine.run.record import Fenced, fenced_write, raise_fence, read_fenced

LEASE_S = 60.0


def machine(store: Store, *, wall_s: float = 1_000_000.0) -> tuple[Claims, VirtualClock]:
    """A machine with a clock of its own."""
    clock = VirtualClock(now_s=100.0, wall_s=wall_s)
    return Claims(store, clock, LEASE_S), clock


def test_first_to_take_gets_the_batch() -> None:
    """One holder at a time; the lease ends after its time and must stop before."""
    claims, clock = machine(MemoryStore())
    claim = claims.take("run-1", 0, "a")
    assert claim is not None
    assert (claim.holder, claim.token, claim.taken_at) == ("a", 1, clock.wall())
    assert claim.expires_at == clock.wall() + LEASE_S
    assert clock.now() < claim.must_stop_at < clock.now() + LEASE_S
    assert claims.take("run-1", 0, "b") is None
    assert claims.take("run-1", 1, "b") is not None


def attempts(store: Store) -> tuple[Claims, Claims]:
    """One machine in the first attempt of a run, and in the second."""
    clock = VirtualClock(now_s=100.0, wall_s=1_000_000.0)
    return Claims(store, clock, LEASE_S), Claims(store, clock, LEASE_S, attempt=2)


def test_batch_that_is_not_whole_is_taken_by_the_next_attempt() -> None:
    """For its own attempt it is done; the next one takes it at once, under a newer token."""
    first, second = attempts(MemoryStore())
    claim = first.take("run-1", 0, "a")
    assert claim is not None
    first.release(claim, whole=False)
    assert first.take("run-1", 0, "b") is None
    assert first.standing("run-1", 0) == Standing(1, claim.expires_at, is_done=True, attempt=1)
    assert second.standing("run-1", 0) == Standing(1, claim.expires_at, attempt=1)
    again = second.take("run-1", 0, "b")
    assert again is not None
    assert (again.token, again.attempt) == (2, 2)
    second.release(again)
    assert second.standing("run-1", 0).is_whole


def test_whole_batch_is_done_for_every_attempt() -> None:
    """Nobody drives it again."""
    first, second = attempts(MemoryStore())
    claim = first.take("run-1", 0, "a")
    assert claim is not None
    first.release(claim)
    assert second.take("run-1", 0, "b") is None
    assert second.standing("run-1", 0) == Standing(1, claim.expires_at, is_done=True, is_whole=True, attempt=1)


def test_batch_of_a_later_attempt_is_none_of_an_earlier_ones() -> None:
    """Who is late by an attempt finds nothing to do."""
    first, second = attempts(MemoryStore())
    claim = second.take("run-1", 0, "b")
    assert claim is not None
    second.give_back(claim)
    assert first.take("run-1", 0, "a") is None
    assert first.is_done("run-1", 0)


def test_holder_of_an_earlier_attempt_is_waited_for() -> None:
    """It may still drive: its lease has to run out first."""
    first, second = attempts(MemoryStore())
    assert first.take("run-1", 0, "a") is not None
    assert second.take("run-1", 0, "b") is None
    assert second.standing("run-1", 0).is_held


def test_same_name_proves_nothing() -> None:
    """An activity that is tried again waits for its own old lease: only a token proves a claim."""
    claims, _ = machine(MemoryStore())
    claims.take("run-1", 0, "a")
    assert claims.take("run-1", 0, "a") is None


def test_expired_lease_is_taken_over_under_a_newer_token() -> None:
    """Only after the allowance for clocks that differ, and then the old holder has lost for good."""
    claims, clock = machine(MemoryStore())
    old = claims.take("run-1", 0, "a")
    assert old is not None
    clock.sleep(LEASE_S + SKEW_S - 0.01)
    assert claims.take("run-1", 0, "b") is None
    clock.sleep(0.01)
    new = claims.take("run-1", 0, "b")
    assert new is not None
    assert (new.holder, new.token) == ("b", 2)
    for write in (claims.renew, claims.release, claims.give_back):
        with pytest.raises(ClaimLost) as caught:
            write(old)
        assert (caught.value.batch, caught.value.holder) == ("batch 0 of run-1", "b")


def test_renewed_lease_is_whole_again() -> None:
    """Token and begin stay, the end moves, and nobody else gets it meanwhile."""
    claims, clock = machine(MemoryStore())
    claim = claims.take("run-1", 0, "a")
    assert claim is not None
    for _ in range(5):
        clock.sleep(LEASE_S / 3)
        renewed = claims.renew(claim)
        assert (renewed.token, renewed.taken_at) == (claim.token, claim.taken_at)
        assert renewed.must_stop_at > claim.must_stop_at
        claim = renewed
    assert claim.expires_at == clock.wall() + LEASE_S
    assert claims.take("run-1", 0, "b") is None


def test_late_renewal_counts_while_nobody_took_over() -> None:
    """An expired lease is still its holder's until somebody newer has it."""
    claims, clock = machine(MemoryStore())
    claim = claims.take("run-1", 0, "a")
    assert claim is not None
    clock.sleep(10 * LEASE_S)
    assert not claims.is_live(claim)
    assert claims.is_live(claims.renew(claim))


def test_holder_stops_before_anyone_else_can_begin() -> None:
    """With clocks as far apart as allowed, either way, the old holder stops first."""
    for ahead in (SKEW_S, -SKEW_S):
        store = MemoryStore()
        mine, my_clock = machine(store)
        theirs, their_clock = machine(store, wall_s=1_000_000.0 + ahead)
        claim = mine.take("run-1", 0, "a")
        assert claim is not None
        while mine.is_live(claim):
            assert theirs.take("run-1", 0, "b") is None
            my_clock.sleep(0.5)
            their_clock.sleep(0.5)


def test_claim_is_live_by_both_clocks() -> None:
    """A machine that was paused may have lost time on one clock: either one ends the claim."""
    store = MemoryStore()
    claims, clock = machine(store)
    claim = claims.take("run-1", 0, "a")
    assert claim is not None
    wall_moved, _ = machine(store, wall_s=claim.expires_at)
    assert claims.is_live(claim)
    assert not wall_moved.is_live(claim)
    clock.sleep(claim.must_stop_at - clock.now())
    assert clock.wall() < claim.expires_at
    assert not claims.is_live(claim)


def test_released_batch_is_done_for_ever() -> None:
    """Nobody gets it again, however late; releasing twice is harmless, renewing it is not possible."""
    claims, clock = machine(MemoryStore())
    assert not claims.is_done("run-1", 0)
    claim = claims.take("run-1", 0, "a")
    assert claim is not None
    assert not claims.is_done("run-1", 0)
    claims.release(claim)
    claims.release(claim)
    assert claims.is_done("run-1", 0)
    clock.sleep(1e9)
    assert claims.take("run-1", 0, "b") is None
    with pytest.raises(ClaimLost, match="it is done"):
        claims.renew(claim)


def test_batch_given_back_is_free_at_once() -> None:
    """The next holder does not wait for the lease, and still gets a newer token."""
    claims, _ = machine(MemoryStore())
    claim = claims.take("run-1", 0, "a")
    assert claim is not None
    claims.give_back(claim)
    new = claims.take("run-1", 0, "b")
    assert new is not None
    assert new.token == 2
    with pytest.raises(ClaimLost):
        claims.give_back(claim)


def test_claim_of_a_deleted_run_is_lost() -> None:
    """Where there is no claim any more there is nothing to go on with."""
    store = MemoryStore()
    claims, _ = machine(store)
    claim = claims.take("run-1", 0, "a")
    assert claim is not None
    store.delete(claim_key("run-1", 0))
    with pytest.raises(ClaimLost, match="its claim is gone"):
        claims.renew(claim)


def test_claim_that_cannot_be_read_is_an_error() -> None:
    """A blob of another format is never taken for a free batch."""
    store = MemoryStore()
    store.create(claim_key("run-1", 0), b'{"holder": "a", "format": 2}')
    with pytest.raises(StoreError, match="not a claim of format 1"):
        machine(store)[0].take("run-1", 0, "b")


class Overtaken(MemoryStore):
    """A store in which somebody else takes the batch between our look and our write."""

    def create(self, key: str, body: bytes) -> str:
        """Theirs first."""
        super().create(key, body.replace(b'"b"', b'"theirs"'))
        return super().create(key, body)

    def replace(self, key: str, body: bytes, version: str) -> str:
        """Theirs first."""
        super().replace(key, body.replace(b'"b"', b'"theirs"'), version)
        return super().replace(key, body, version)


def test_whoever_is_overtaken_gets_nothing() -> None:
    """Losing the race for a new batch, or for an expired one, is not having the claim."""
    store = Overtaken()
    claims, clock = machine(store)
    assert claims.take("run-1", 0, "b") is None
    clock.sleep(10 * LEASE_S)
    assert claims.take("run-1", 0, "b") is None
    held = store.read(claim_key("run-1", 0))
    assert held is not None
    assert b'"holder":"theirs","token":2' in held.body


def test_frozen_holder_comes_back_and_is_refused() -> None:
    """What a paused machine still writes does not reach what its successor goes on from."""
    store = MemoryStore()
    mine, clock = machine(store)
    old = mine.take("run-1", 0, "a")
    assert old is not None
    key = checkpoint_key("run-1", 0)
    version = fenced_write(store, key, old.token, b"at 10")
    clock.sleep(10 * LEASE_S)
    new = mine.take("run-1", 0, "b")
    assert new is not None
    assert raise_fence(store, key, new.token) == b"at 10"
    with pytest.raises(ClaimLost):
        fenced_write(store, key, old.token, b"at 11", version=version)
    fenced_write(store, key, new.token, b"at 20")
    with pytest.raises(ClaimLost):
        mine.renew(old)
    assert read_fenced(store, key) == Fenced(2, b"at 20")


TAKER = """
import sys
from pathlib import Path
from engine.adapters.clock import SystemClock
from engine.adapters.directory import DirectoryStore
from engine.run.claims import Claims
claims = Claims(DirectoryStore(Path(sys.argv[1])), SystemClock(), 3600.0)
sys.stdin.readline()
for batch in range(int(sys.argv[3])):
    if claims.take("run-1", batch, sys.argv[2]) is not None:
        print(batch, flush=True)
print("end", flush=True)
sys.stdin.readline()
"""


def taker(root: Path, holder: str, batches: int) -> "subprocess.Popen[str]":
    """A process that waits for a line, takes what it can, and stays."""
    command = [sys.executable, "-c", TAKER, str(root), holder, str(batches)]
    engine = Path(__file__).parents[3]
    return subprocess.Popen(command, cwd=engine, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def taken_by(process: "subprocess.Popen[str]") -> list[int]:
    """The batches it says it took, once it has tried all."""
    assert process.stdout is not None
    taken: list[int] = []
    for line in process.stdout:
        if line == "end\n":
            return taken
        taken.append(int(line))
    raise AssertionError("the process ended early")


def test_two_processes_never_hold_one_batch(tmp_path: Path) -> None:
    """Every batch is taken, and by one of the racing processes only."""
    processes = [taker(tmp_path, name, 100) for name in ("a", "b")]
    try:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        taken = [taken_by(process) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert Counter(taken[0] + taken[1]) == Counter(range(100))


def test_killed_holder_is_followed_after_its_lease(tmp_path: Path) -> None:
    """SIGKILL leaves the claim behind; the next holder waits for the lease and takes the next token."""
    process = taker(tmp_path, "a", 1)
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    assert taken_by(process) == [0]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    held = DirectoryStore(tmp_path).read(claim_key("run-1", 0))
    assert held is not None
    expires_at = float(held.body.split(b'"expires_at":')[1].split(b",")[0])
    claims, clock = machine(DirectoryStore(tmp_path), wall_s=expires_at)
    assert claims.take("run-1", 0, "b") is None
    clock.sleep(SKEW_S)
    new = claims.take("run-1", 0, "b")
    assert new is not None
    assert new.token == 2


def test_standing_is_what_everybody_else_sees() -> None:
    """Free, held, renewed, free again when the lease is over for good, and done."""
    claims, clock = machine(MemoryStore())
    assert claims.standing("run-1", 0) == Standing()
    claim = claims.take("run-1", 0, "a")
    assert claim is not None
    first = claims.standing("run-1", 0)
    assert (first.token, first.is_held, first.is_done) == (1, True, False)
    clock.sleep(1)
    assert claims.standing("run-1", 0) == first
    claims.renew(claim)
    assert claims.standing("run-1", 0) not in (first, Standing())
    clock.sleep(LEASE_S + SKEW_S)
    assert not claims.standing("run-1", 0).is_held
    claims.release(claim)
    assert (claims.standing("run-1", 0).is_held, claims.standing("run-1", 0).is_done) == (False, True)
