"""The bodies of the activities: (order, means) → a short receipt. Each may be called again after it did its work."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from engine.batch.checkpoint import Checkpoint, CheckpointUnreadable
from engine.batch.courier import Courier
from engine.batch.home import Beginning
from engine.batch.runner import run_batch as drive
from engine.device.bundle import Bundle
from engine.device.catalog import SCENARIOS
from engine.errors import (
    ClaimLost,
    IllegalMove,
    LaunchError,
    Outcome,
    RunRefused,
    SettingsError,
    StoreError,
    StoreUnavailable,
)
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.timeline import Timeline
from engine.plan.batches import Batch, RunPlan
from engine.plan.batches import plan_run as share_out
from engine.plan.spec.execution import Runner
from engine.plan.spec.load import Load
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import REGISTRY, Executor
from engine.plan.target import DpsTransport, Target
from engine.run import keys, record, start, state
from engine.run.claims import Claim, Claims
from engine.run.files import Planned, read_plan, read_spec, write_plan
from engine.run.home import DeviceState, Span, StoreHome
from engine.run.means import Means, RunClock
from engine.run.outcome import BatchOutcome, of_done
from engine.run.submission import hold
from engine.run.work import make_setup, make_work, request_tag

SPARE_DESCRIPTORS = 200
"""What the process itself needs besides one per device."""

IDLE_DESCRIPTORS = 1024
"""The HTTP connections that a wire keeps beside those in use: registering leaves one per device that proves itself by
a certificate."""

TAKE_EVERY_S = 0.5
DELIVER_FOR_S = 120.0


def plan_run(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """Names held, the plan written, the run under way; the waves and deadlines the orchestrator needs.

    `refused` says why not, "" where all is well: trying again would not help.
    """
    run_id = str(order["runId"])
    spec = read_spec(means.store, run_id)
    try:
        plan = _share_out(run_id, spec, means)
    except RunRefused as refused:
        return {"refused": str(refused)}
    patience_s = spec.load.graceful_stop_s + means.lease_s + 60.0
    deadline_s = sum(max(plan.batches[index].deadline_s for index in wave) for wave in plan.waves)
    hold(run_id, spec, means, for_s=deadline_s + patience_s)
    state.advance(
        means.store,
        run_id,
        state.Event.PLANNED,
        now=means.clock.wall(),
        change=lambda found: state.with_batches(found, planned=len(plan.batches)),
    )
    return {
        "refused": "",
        "waves": [list(wave) for wave in plan.waves],
        "deadlineS": deadline_s,
        "patienceS": patience_s,
        "batchAttempts": spec.retries.batch,
        "launches": spec.execution.runner is Runner.JOB,
    }


def _share_out(run_id: str, spec: RunSpec, means: Means) -> RunPlan:
    """The plan, as it is kept. Raises RunRefused."""
    target = target_of(spec, means)
    ranges = hold(run_id, spec, means)
    devices = sum(held.count for held in ranges)
    sized = spec.model_copy(update={"devices": spec.devices.model_copy(update={"count": devices})})
    plan = share_out(sized, run_id=run_id, ranges=[(held.first, held.count) for held in ranges], target=target)
    control = target.profile.control
    counters = means.counters(control) if control else None
    planned = Planned(plan, means.clock.wall(), dict(counters) if counters else None)
    return write_plan(means.store, run_id, planned).plan


def target_of(spec: RunSpec, means: Means) -> Target:
    """The spec's target. Raises RunRefused where the server no longer has it."""
    target = means.targets.get(spec.target)
    if target is None:
        raise RunRefused("blocked", f"there is no target profile {spec.target!r} on this server", limit="target")
    return target


def stop_run(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The run drains: every batch sees it within a second."""
    try:
        state.advance(means.store, str(order["runId"]), state.Event.STOP_ASKED, now=means.clock.wall())
    except IllegalMove as late:
        return {"stopped": False, "why": str(late)}
    return {"stopped": True}


def run_batch(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The batch is done, by us or by whoever had it: returns only when there is a result.

    Raises StoreUnavailable, and LaunchError when the batch stayed with somebody who never finished it.
    """
    run_id, number = str(order["runId"]), int(order["batch"])
    planned = read_plan(means.store, run_id)
    clock = RunClock.at(means.clock, planned.zero_wall)
    claims = Claims(means.store, clock, means.lease_s)
    holder = means.new_holder()
    give_up = clock.now() + planned.plan.batches[number].deadline_s
    while True:
        claim = _take(claims, run_id, number, holder=holder, clock=clock, give_up=give_up)
        if claim is None:
            return {"batch": number, "stop": "done-before"}
        with suppress(ClaimLost):
            return drive_claimed(planned, claim, claims=claims, clock=clock, means=means)


def drive_claimed(planned: Planned, claim: Claim, *, claims: Claims, clock: RunClock, means: Means) -> dict[str, Any]:
    """The claimed batch is done. Raises ClaimLost, StoreUnavailable; whatever it raises, the claim is given back."""
    with _returned(claim, claims):
        return _hold(planned, planned.plan.batches[claim.batch], claim, claims=claims, clock=clock, means=means)


@contextmanager
def _returned(claim: Claim, claims: Claims) -> Iterator[None]:
    """Whatever ends the block with an error, the next to try need not wait until the lease is over."""
    try:
        yield
    except BaseException:
        with suppress(ClaimLost, StoreError):
            claims.give_back(claim)
        raise


def _take(claims: Claims, run_id: str, number: int, *, holder: str, clock: RunClock, give_up: float) -> Claim | None:
    """The claim, None when the batch is done; waits while somebody else holds it."""
    while True:
        claim = claims.take(run_id, number, holder)
        if claim is not None or claims.is_done(run_id, number):
            return claim
        if clock.now() > give_up:
            raise LaunchError(f"batch {number} of {run_id}", "somebody holds it and does not finish")
        clock.sleep(TAKE_EVERY_S)


def _hold(
    planned: Planned, batch: Batch, claim: Claim, *, claims: Claims, clock: RunClock, means: Means
) -> dict[str, Any]:
    """Drive the batch under the claim and deliver its result. Raises ClaimLost, StoreUnavailable."""
    run_id, number = claim.run_id, claim.batch
    spec = read_spec(means.store, run_id)
    home = _home(planned, batch, claim, claims=claims, clock=clock, means=means, spec=spec)
    delivered = record.raise_fence(means.store, keys.result_key(run_id, number), claim.token)
    if delivered:
        _deliver(home, delivered, clock)
        return {"batch": number, "stop": "delivered-before"}
    try:
        outcome = _drive(planned, batch, claim, home=home, clock=clock, means=means, spec=spec)
    except (RunRefused, SettingsError) as refused:
        outcome = BatchOutcome(
            batch=number,
            holder=claim.holder,
            token=claim.token,
            stop="refused",
            timeline=Timeline(spec.results.interval_s),
            detail=str(refused),
        )
    _deliver(home, outcome.encode(), clock)
    return {"batch": number, "stop": outcome.stop}


def _home(
    planned: Planned,
    batch: Batch,
    claim: Claim,
    *,
    claims: Claims,
    clock: RunClock,
    means: Means,
    spec: RunSpec,
) -> StoreHome:
    wave = planned.plan.waves[batch.wave]
    rendezvous = len(planned.plan.waves) == 1 and _shares_a_start(spec.load, spec)

    def arrive() -> Beginning | None:
        at = start.arrive(
            means.store,
            claim.run_id,
            batch.wave,
            batch.index,
            batches_in_wave=len(wave),
            now_wall=clock.wall(),
            deadline_wall=planned.zero_wall + batch.prepare_s,
            rendezvous=rendezvous,
        )
        if at is None:
            return None
        first = at if batch.wave == 0 else start.read(means.store, claim.run_id, 0) or at
        return Beginning(first - planned.zero_wall, at - planned.zero_wall)

    return StoreHome(
        store=means.store,
        clock=clock,
        claims=claims,
        claim=claim,
        devices=DeviceState(means.store, means.data_prefix, spec.devices.prefix, means.wrapping_key),
        spans=[Span(held.first, held.count) for held in batch.ranges],
        arrive=arrive,
    )


def _shares_a_start(load: Load, spec: RunSpec) -> bool:
    """Whether all batches begin together: always where they offer one load, else only behind a barrier."""
    return load.executor is not Executor.ONCE or spec.execution.start_barrier


def _drive(
    planned: Planned,
    batch: Batch,
    claim: Claim,
    *,
    home: StoreHome,
    clock: RunClock,
    means: Means,
    spec: RunSpec,
) -> BatchOutcome:
    target = target_of(spec, means)
    _preflight(batch.devices, target, means)
    bundles, loaded, problems = ({}, (), []) if SCENARIOS[spec.scenario].fresh else _load(home, clock)
    setup = make_setup(
        spec,
        target,
        secrets=means.secrets,
        tag=request_tag(claim.run_id, claim.batch, claim.token),
        zero_wall=planned.zero_wall,
        paces=batch.paces,
    )
    if spec.scenario in REGISTRY:
        setup = replace(setup, token=means.tokens(target))
    work = make_work(spec, batch, setup=setup, bundles=bundles, loaded=loaded, resume=_resume(claim, means))
    wire = means.wire(clock, target.profile.ca_file, target.profile.tls)
    done = drive(work, wire=wire, clock=clock, courier=Courier(home, clock, home.listen()))
    return of_done(
        done,
        batch=claim.batch,
        holder=claim.holder,
        token=claim.token,
        warnings=tuple(f"stored state was not used: {problem}" for problem in problems),
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


def _deliver(home: StoreHome, result: bytes, clock: RunClock) -> None:
    """The result is written and the batch done; a store that is away gets time to come back."""
    give_up = clock.now() + DELIVER_FOR_S
    while True:
        try:
            home.finish(result)
            return
        except StoreUnavailable:
            if clock.now() > give_up:
                raise
            clock.sleep(TAKE_EVERY_S)
