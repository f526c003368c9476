"""Who drives a batch: a lease with a fencing token, one blob per batch.

    nobody ── take ──▶ held, token 1 ── renew ──▶ held ── release ──▶ done
                        │      ▲                   │                    │
                        │      ├── take, token + 1 ┤ the lease ran out, or was given back
                        └──────│─ give_back ───────┘                    │
                               └── take, token + 1, by a later attempt ─┘ unless it is whole

A claim is created once and from then on changes only by compare-and-swap, so of two that take it one wins. A lease
ends by the reader's wall clock, and only skew_s after the time written there: machines whose clocks differ by less
never disagree about it. The holder stops earlier still, at must_stop_at of its own monotonic clock, unless it could
renew. Whoever was frozen past all that (a paused machine) is kept out by its token: see `run/record.py`.

A batch that is done is done for ever, or where its work was not finished (the run was cancelled, say) for this attempt
of the run: the next attempt takes it as if its lease had run out.

A holder is one try, not one machine: an activity that is retried takes under a new name, and waits for the old
lease like anybody else. What proves a claim is its token.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from engine.errors import AlreadyExists, ClaimLost, StoreError, VersionConflict
from engine.ports import Clock, Store
from engine.run.keys import claim_key
from engine.run.record import update

SKEW_S = 5.0
"""How far apart the clocks of two machines may be; NTP keeps them within a second, the rest is for bad days."""

STOP_SHARE = 0.8
"""The share of a lease after which a holder that could not renew stops; the rest is for stopping."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on a batch, as its holder knows it.

    token is 1 for the first holder and one more for each after it. taken_at and expires_at are wall seconds.
    must_stop_at is on the holder's monotonic clock: without a renewal it must have stopped driving by then.
    Renew it about every third of the lease.
    """

    run_id: str
    batch: int
    holder: str
    token: int
    taken_at: float
    expires_at: float
    must_stop_at: float
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """How a batch's claim stands for everybody else; neither held nor done is free to take, whole is done for ever.
    attempt is the run's when it was last taken, 0 for never.

    Every holder has another token and every renewal another expires_at, wall seconds: who differs from before lives.
    """

    token: int = 0
    expires_at: float = 0.0
    is_held: bool = False
    is_done: bool = False
    is_whole: bool = False
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class _Lease:
    """A claim as the store keeps it: what everybody knows of it."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    holder: str
    token: int
    taken_at: float
    expires_at: float
    done: bool = False
    whole: bool = True
    attempt: int = 1
    format: Literal[1] = 1


_LEASE = TypeAdapter(_Lease)


class Claims:
    """The claims of all batches in a store, on leases of lease_s seconds, in one attempt of their run."""

    def __init__(self, store: Store, clock: Clock, lease_s: float, *, attempt: int = 1, skew_s: float = SKEW_S) -> None:
        self._store, self._clock, self._attempt = store, clock, attempt
        self._lease_s, self._skew_s = lease_s, skew_s

    def take(self, run_id: str, batch: int, holder: str) -> Claim | None:
        """The batch's claim, or None while someone else holds it, or when the batch is done."""
        key = claim_key(run_id, batch)
        now, wall = self._clock.now(), self._clock.wall()
        held = self._store.read(key)
        try:
            if held is None:
                self._store.create(key, _encode(lease := self._lease(holder, 1, wall)))
            else:
                found = _decode(key, held.body)
                if self._is_done(found) or self._is_held(found, wall):
                    return None
                lease = self._lease(holder, found.token + 1, wall)
                self._store.replace(key, _encode(lease), held.version)
        except (AlreadyExists, VersionConflict):
            return None  # someone else was faster
        return self._claim(run_id, batch, lease, asked_at=now)

    def renew(self, claim: Claim) -> Claim:
        """The claim with a whole lease ahead. Raises ClaimLost when someone newer has it."""
        now, wall = self._clock.now(), self._clock.wall()
        lease = self._change(claim, lambda found: replace(found, expires_at=wall + self._lease_s))
        return self._claim(claim.run_id, claim.batch, lease, asked_at=now)

    def release(self, claim: Claim, *, whole: bool = True) -> None:
        """Mark the batch done: it cannot be claimed again, unless by a later attempt where it is not whole.

        Raises ClaimLost when someone newer has it.
        """
        self._change(claim, lambda found: replace(found, done=True, whole=whole))

    def give_back(self, claim: Claim) -> None:
        """End the lease before its time, the batch unfinished. Raises ClaimLost when someone newer has it."""
        self._change(claim, lambda found: replace(found, expires_at=0.0))

    def is_done(self, run_id: str, batch: int) -> bool:
        """Whether the batch was released."""
        return self.standing(run_id, batch).is_done

    def standing(self, run_id: str, batch: int) -> Standing:
        """How the batch's claim stands now."""
        key = claim_key(run_id, batch)
        held = self._store.read(key)
        if held is None:
            return Standing()
        found, wall = _decode(key, held.body), self._clock.wall()
        is_done = self._is_done(found)
        is_whole = found.done and found.whole
        is_held = not is_done and self._is_held(found, wall)
        return Standing(found.token, found.expires_at, is_held, is_done, is_whole, found.attempt)

    def is_live(self, claim: Claim) -> bool:
        """Whether its holder may go on driving, by both of its clocks: a paused machine loses time on one of them."""
        return self._clock.now() < claim.must_stop_at and self._clock.wall() < claim.expires_at

    def _lease(self, holder: str, token: int, wall: float) -> _Lease:
        return _Lease(holder=holder, token=token, taken_at=wall, expires_at=wall + self._lease_s, attempt=self._attempt)

    def _is_done(self, found: _Lease) -> bool:
        return found.attempt > self._attempt or (found.done and (found.whole or found.attempt == self._attempt))

    def _is_held(self, found: _Lease, wall: float) -> bool:
        return not found.done and wall < found.expires_at + self._skew_s

    def _change(self, claim: Claim, change: Callable[[_Lease], _Lease]) -> _Lease:
        """The lease, changed by whoever proves by token that it is theirs."""
        key, name = claim_key(claim.run_id, claim.batch), f"batch {claim.batch} of {claim.run_id}"

        def changed(body: bytes | None) -> bytes:
            if body is None:
                raise ClaimLost(name, "nobody, its claim is gone")
            found = _decode(key, body)
            if found.token != claim.token:
                raise ClaimLost(name, found.holder)
            lease = change(found)
            if found.done and lease != found:
                raise ClaimLost(name, "nobody, it is done")
            return _encode(lease)

        return _decode(key, update(self._store, key, changed))

    def _claim(self, run_id: str, batch: int, lease: _Lease, *, asked_at: float) -> Claim:
        return Claim(
            run_id=run_id,
            batch=batch,
            holder=lease.holder,
            token=lease.token,
            taken_at=lease.taken_at,
            expires_at=lease.expires_at,
            must_stop_at=asked_at + STOP_SHARE * self._lease_s,
            attempt=lease.attempt,
        )


def _encode(lease: _Lease) -> bytes:
    return _LEASE.dump_json(lease)


def _decode(key: str, body: bytes) -> _Lease:
    try:
        return _LEASE.validate_json(body)
    except ValidationError as error:
        raise StoreError(key, f"not a claim of format 1, {error.error_count()} problems") from error
