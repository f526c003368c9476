"""Driving a batch, whoever does it: the body of an activity, and what a worker does with a claim it has taken.

Either may happen again after it did its work: then the result is there already.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from engine.batch.checkpoint import Checkpoint, CheckpointUnreadable
from engine.batch.courier import Courier
from engine.batch.done import Stop
from engine.batch.runner import run_batch as drive
from engine.batch.teller import Holding, Teller
from engine.batch.telling import Source, telling_every_s
from engine.device.bundle import Bundle
from engine.device.catalog import SCENARIOS
from engine.errors import ClaimLost, LaunchError, Outcome, RunRefused, SettingsError, StoreError, StoreUnavailable
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.timeline import Timeline
from engine.plan.batches import Batch
from engine.plan.spec.load import Load
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import REGISTRY, Executor
from engine.plan.target import DpsTransport, Target
from engine.run import keys, record, state
from engine.run.claims import Claim, Claims, Standing
from engine.run.files import Outline, read_batch, read_left, read_outline, read_spec
from engine.run.home import DeviceState, Span, StoreHome
from engine.run.means import Means, RunClock, target_of
from engine.run.outcome import BatchOutcome, OutcomeUnreadable, of_done
from engine.run.start import Arrival, arrive
from engine.run.work import make_setup, make_work, request_tag

SPARE_DESCRIPTORS = 200
"""What the process itself needs besides one per device."""

IDLE_DESCRIPTORS = 1024
"""The HTTP connections that a wire keeps beside those in use: registering leaves one per device that proves itself by
a certificate."""

TAKE_EVERY_S = 0.5
DELIVER_FOR_S = 120.0

AWAY_S = 120.0
"""How long whoever is to drive waits for a store that is away: as long as a result may wait to be delivered."""


def run_batch(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The batch is done, by us or by whoever had it: returns only when there is a result, or the run wants none.

    Raises StoreUnavailable, and LaunchError when the batch stayed with somebody who never finished it.
    """
    run_id, number, holder = str(order["runId"]), int(order["batch"]), means.new_holder()
    give_up = means.clock.now() + read_batch(means.store, run_id, number).deadline_s
    while (post := insisted(partial(post_of, run_id, means), means)).is_open and post.attempt == int(order["attempt"]):
        claim = insisted(partial(_take, post, number, means, holder=holder, give_up=give_up), means)
        if claim is None:
            return {"batch": number, "stop": "done-before"}
        with suppress(ClaimLost):  # whoever drives it now, or nobody: it may be done, or ours again
            return drive_claimed(post, claim, means)
    return {"batch": number, "stop": "not-wanted"}


@dataclass(frozen=True, slots=True)
class Post:
    """Where whoever drives batches of a run stands: its outline, in which attempt and wave (and since when, wall
    seconds), its clock and claims, and whether results are still wanted (a run that drains wants those of every batch).
    """

    run_id: str
    outline: Outline
    attempt: int
    wave: int
    wave_at: float
    is_open: bool
    clock: RunClock
    zero_wall: float
    claims: Claims

    def unfinished(self, numbers: Iterable[int]) -> dict[int, Standing]:
        """How the claims of those of these batches stand that are not done in this attempt."""
        standings = {number: self.claims.standing(self.run_id, number) for number in numbers}
        return {number: found for number, found in standings.items() if not found.is_done}


def post_of(run_id: str, means: Means) -> Post:
    """The run as it stands now. Raises NotFound."""
    outline, found = read_outline(means.store, run_id), state.read_state(means.store, run_id)
    zero_wall = outline.zero_wall + found.paused_s
    clock = RunClock.at(means.clock, zero_wall)
    claims = Claims(means.store, clock, means.lease_s, attempt=found.attempt)
    is_open = found.stage in (state.Stage.RUNNING, state.Stage.DRAINING)
    return Post(run_id, outline, found.attempt, found.wave, found.wave_at, is_open, clock, zero_wall, claims)


def drive_claimed(post: Post, claim: Claim, means: Means) -> dict[str, Any]:
    """The claimed batch is done. Raises ClaimLost, StoreUnavailable; whatever it raises, the claim is given back."""
    with _returned(claim, post.claims):
        return _hold(post, read_batch(means.store, post.run_id, claim.batch), claim, means)


@contextmanager
def _returned(claim: Claim, claims: Claims) -> Iterator[None]:
    """Whatever ends the block with an error, the next to try need not wait until the lease is over."""
    try:
        yield
    except BaseException:
        with suppress(ClaimLost, StoreError):
            claims.give_back(claim)
        raise


def insisted[Found](ask: Callable[[], Found], means: Means) -> Found:
    """What the store says; one that is away gets AWAY_S to come back. Raises StoreUnavailable."""
    give_up = means.clock.now() + AWAY_S
    while True:
        try:
            return ask()
        except StoreUnavailable:
            if means.clock.now() > give_up:
                raise
        means.clock.sleep(TAKE_EVERY_S)


def _take(post: Post, number: int, means: Means, *, holder: str, give_up: float) -> Claim | None:
    """The claim, None when the batch is done; waits while somebody else holds it."""
    while True:
        claim = post.claims.take(post.run_id, number, holder)
        if claim is not None or post.claims.is_done(post.run_id, number):
            return claim
        if means.clock.now() > give_up:
            raise LaunchError(f"batch {number} of {post.run_id}", "somebody holds it and does not finish")
        means.clock.sleep(TAKE_EVERY_S)


def _hold(post: Post, batch: Batch, claim: Claim, means: Means) -> dict[str, Any]:
    """Drive the batch under the claim and deliver its result. Raises ClaimLost, StoreUnavailable."""
    spec = read_spec(means.store, post.run_id)
    home = _home(post, batch, claim, means=means, spec=spec)
    body = record.raise_fence(means.store, keys.result_key(post.run_id, batch.index), claim.token)
    outcome = _delivered(body, claim.attempt)
    if outcome is not None:
        _deliver(home, outcome, post.clock)
        return {"batch": batch.index, "stop": "delivered-before"}
    try:
        outcome = _drive(post, batch, claim, home=home, means=means, spec=spec)
    except (RunRefused, SettingsError) as refused:
        outcome = BatchOutcome(
            batch=batch.index,
            holder=claim.holder,
            token=claim.token,
            stop="refused",
            timeline=Timeline(spec.results.interval_s),
            detail=str(refused),
            attempt=claim.attempt,
        )
    _deliver(home, outcome, post.clock)
    return {"batch": batch.index, "stop": outcome.stop}


def _delivered(body: bytes, attempt: int) -> BatchOutcome | None:
    """What an earlier holder left, if this attempt has nothing to add to it; what cannot be read counts as nothing."""
    try:
        found = BatchOutcome.decode(body) if body else None
    except OutcomeUnreadable:
        return None
    return found if found and (found.is_whole or found.attempt == attempt) else None


def _home(post: Post, batch: Batch, claim: Claim, *, means: Means, spec: RunSpec) -> StoreHome:
    left = read_left(means.store, post.run_id, post.attempt)[batch.wave] if post.attempt > 1 else None
    arrival = Arrival(
        run_id=post.run_id,
        attempt=post.attempt,
        wave=batch.wave,
        batch=batch.index,
        batches_in_wave=left.batches if left else len(post.outline.wave(batch.wave)),
        deadline=post.clock.now() + batch.prepare_s,
        rendezvous=post.outline.waves == 1 and _shares_a_start(spec.load, spec),
    )
    return StoreHome(
        store=means.store,
        clock=post.clock,
        claims=post.claims,
        claim=claim,
        devices=DeviceState(means.store, means.data_prefix, spec.devices.prefix, means.wrapping_key),
        spans=[Span(held.first, held.count) for held in batch.ranges],
        arrive=lambda: arrive(means.store, arrival, post.clock.now(), before=left.stretch if left else None),
    )


def _shares_a_start(load: Load, spec: RunSpec) -> bool:
    """Whether all batches begin together: always where they offer one load, else only behind a barrier."""
    return load.executor is not Executor.ONCE or spec.execution.start_barrier


def _drive(post: Post, batch: Batch, claim: Claim, *, home: StoreHome, means: Means, spec: RunSpec) -> BatchOutcome:
    target = target_of(spec, means)
    _preflight(batch.devices, target, means)
    bundles, loaded, problems = ({}, (), []) if SCENARIOS[spec.scenario].fresh else _load(home, post.clock)
    setup = make_setup(
        spec,
        target,
        secrets=means.secrets,
        tag=request_tag(claim.run_id, claim.batch, claim.token),
        zero_wall=post.zero_wall,
        paces=batch.paces,
    )
    if spec.scenario in REGISTRY:
        setup = replace(setup, token=means.tokens(target))
    resume = _resume(claim, means)
    work = make_work(spec, batch, target=target, setup=setup, bundles=bundles, loaded=loaded, resume=resume)
    wire = means.wire(post.clock, target.profile.ca_file, target.profile.tls)
    courier = Courier(home, post.clock, home.listen())
    teller = _teller(post, batch, claim, means=means, spec=spec)
    done = drive(work, wire=wire, clock=post.clock, courier=courier, teller=teller)
    if done.stop is Stop.STORE:  # not the batch's end: whoever takes it next goes on from its checkpoint
        raise ClaimLost(f"batch {claim.batch} of {claim.run_id}", done.store_detail or "nobody: the lease is over")
    return of_done(done, claim, warnings=tuple(f"stored state was not used: {problem}" for problem in problems))


def _teller(post: Post, batch: Batch, claim: Claim, *, means: Means, spec: RunSpec) -> Teller | None:
    """Who tells what the batch measures, None where nobody listens."""
    if means.telemetry is None:
        return None
    return Teller(
        means.telemetry(),
        Source(post.run_id, spec.scenario, str(batch.index)),
        Holding(claim.holder, claim.token, claim.attempt, batch.devices),
        zero_wall=post.zero_wall,
        interval_s=telling_every_s(spec.results.interval_s, post.outline.batches),
    )


def _load(home: StoreHome, clock: RunClock) -> tuple[Mapping[str, Bundle], tuple[Sample, ...], Sequence[str]]:
    """What is stored of the batch's devices, the sample of loading it, and what of it could not be read."""
    began = clock.now()
    bundles, problems = home.load()
    loaded = Sample(Series(Operation.STATE_LOAD, Phase.PREPARE), began, began, clock.now(), Outcome.OK)
    return bundles, (loaded,), problems


def _preflight(devices: int, target: Target, means: Means) -> None:
    """Raise RunRefused where the process may not open a descriptor per device, or the minimum if that is strict."""
    keeps_idle = any(dps.transport is DpsTransport.HTTPS for dps in target.profile.dps)
    least = devices + SPARE_DESCRIPTORS + (IDLE_DESCRIPTORS if keeps_idle else 0)
    wanted = max(least, means.min_descriptors)
    need = wanted if means.strict_descriptors else least
    available = means.descriptors(wanted)
    if available < need:
        message = f"the batch needs {need} file descriptors, the process may open {available}"
        raise RunRefused("over-quota", message, limit="descriptors", value=str(available), need=str(need))


def _resume(claim: Claim, means: Means) -> Checkpoint | None:
    """Where an earlier holder of the batch stopped; from now on it cannot write there any more."""
    record.raise_fence(means.store, keys.progress_key(claim.run_id, claim.batch), claim.token)
    body = record.raise_fence(means.store, keys.checkpoint_key(claim.run_id, claim.batch), claim.token)
    if not body:
        return None
    try:
        return Checkpoint.decode(body)
    except CheckpointUnreadable as broken:
        raise RunRefused("blocked", f"batch {claim.batch} cannot go on: {broken}") from broken


def _deliver(home: StoreHome, outcome: BatchOutcome, clock: RunClock) -> None:
    """The result is written and the batch done; a store that is away gets time to come back."""
    result, give_up = outcome.encode(), clock.now() + DELIVER_FOR_S
    while True:
        try:
            home.finish(result, whole=outcome.is_whole)
            return
        except StoreUnavailable:
            if clock.now() > give_up:
                raise
            clock.sleep(TAKE_EVERY_S)
