"""From spec, plan and target to the work of one batch."""

import hashlib
import math
from collections.abc import Collection, Mapping
from typing import Any, assert_never

from engine.batch.checkpoint import Checkpoint
from engine.batch.rosters.arrivals import Arrivals
from engine.batch.rosters.max_rate import MaxRate
from engine.batch.rosters.once import Once
from engine.batch.rosters.pacing import Pacing
from engine.batch.rosters.roster import Roster, Shape
from engine.batch.work import MakeRoster, Seat, Work
from engine.device.backoff import Backoff
from engine.device.bundle import Bundle
from engine.device.catalog import SCENARIOS
from engine.device.setup import Attempts, Dps, Messages, Setup, Timeouts
from engine.measure.sample import Sample
from engine.plan.batches import Batch, schedule_of
from engine.plan.pacer import Grid
from engine.plan.spec.demand import load_s
from engine.plan.spec.devices import Source
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import CLOSED, FIXED, TIMED, Executor
from engine.plan.target import Target
from engine.ports import Secrets
from engine.protocol import x509


def request_tag(run_id: str, batch: int, token: int) -> str:
    """What the request ids of one holder of a batch begin with: no two holders ever ask with the same id."""
    return hashlib.blake2b(f"{run_id}/{batch}/{token}".encode(), digest_size=6).hexdigest()


def make_setup(spec: RunSpec, target: Target, *, secrets: Secrets, tag: str, zero_wall: float) -> Setup:
    """What all devices of a batch have in common. Raises SettingsError for a secret that is not there."""
    retries, timeouts = spec.retries, spec.timeouts
    return Setup(
        dps=tuple(
            Dps(d.host, target.profile.port, d.id_scope, d.attestation, secrets.read(d.secret))
            for d in target.profile.dps
        ),
        hub_port=target.profile.port,
        allows=target.allows,
        wall_at_zero=zero_wall,
        seed=spec.random_seed,
        request_tag=tag,
        key_type=x509.KeyType(spec.certificate.key_type),
        reuse_key=spec.certificate.reuse_key,
        renewal_path=spec.certificate.path,
        verify=spec.certificate.verify,
        on_invalid=spec.devices.on_invalid,
        may_provision=spec.devices.source is not Source.STORED_ONLY,
        keep_alive_s=round(spec.connection.keep_alive_s),
        clean_session=spec.connection.clean_session,
        hold_s=spec.connection.hold_s,
        timeouts=Timeouts(timeouts.register_s, timeouts.connect_s, timeouts.certificate_s, timeouts.publish_s),
        attempts=Attempts(retries.registrations, retries.connect, retries.renew),
        backoff=Backoff(
            retries.backoff.base_s, retries.backoff.max_s, retries.backoff.jitter, retries.honor_retry_after
        ),
        messages=Messages(spec.telemetry.messages, spec.telemetry.size_bytes, spec.telemetry.interval_s),
    )


def make_work(
    spec: RunSpec,
    batch: Batch,
    *,
    setup: Setup,
    bundles: Mapping[str, Bundle],
    loaded: tuple[Sample, ...],
    resume: Checkpoint | None,
) -> Work:
    """The batch's work, ready to be driven."""
    scenario = SCENARIOS[spec.scenario]
    seats = tuple(
        Seat(index, batch.ordinal(own), f"{spec.devices.prefix}{index}")
        for own in range(batch.devices)
        for index in (batch.device_index(own),)
    )
    if not scenario.fresh:
        seats = tuple(Seat(s.index, s.ordinal, s.device_id, bundles.get(s.device_id)) for s in seats)
    return Work(
        scenario=scenario,
        setup=setup,
        seats=seats,
        roster=make_roster(spec, batch),
        duration_s=load_s(spec) if spec.load.executor in FIXED else None,
        ramp_s=batch.ramp_s if spec.load.executor in CLOSED & TIMED else 0.0,
        graceful_stop_s=spec.load.graceful_stop_s,
        stop_at=spec.limits.max_duration_s,
        interval_s=spec.results.interval_s,
        failure_samples=spec.results.failure_samples,
        is_counted=spec.load.iterations is not None,
        prepare_per_s=_prepare_per_s(batch, [seat.bundle for seat in seats]),
        resume=resume,
        loaded=loaded,
    )


def make_roster(spec: RunSpec, batch: Batch) -> MakeRoster:
    """The executor's roster over the batch's share of the schedule; iterations end it sooner where they are given."""
    schedule = schedule_of(spec, batch)
    most = math.inf if batch.iterations is None else batch.iterations

    def grid_due(device: int, k: int) -> float | None:
        assert isinstance(schedule, Grid)
        return schedule.due(batch.ordinal(device), k) if k * batch.devices + device < most else None

    def due(own: int) -> float | None:
        assert not isinstance(schedule, Grid)
        return schedule.due(batch.ordinal(own)) if own < most else None

    def make(unprovisioned: Collection[int], state: Mapping[str, Any] | None) -> Roster:
        shape = Shape(batch.devices, frozenset(unprovisioned), batch.max_in_flight, state)
        match spec.load.executor:
            case Executor.ONCE:
                return Once(due, shape)
            case Executor.PER_DEVICE_PACING:
                return Pacing(grid_due, shape)
            case Executor.MAX_RATE:
                return MaxRate(due, shape, points=most, until_s=spec.load.duration_s)
            case Executor.CONSTANT_ARRIVAL_RATE | Executor.RAMPING_ARRIVAL_RATE | Executor.RATE_SEARCH:
                return Arrivals(due, shape)
            case _:
                assert_never(spec.load.executor)

    return make


def _prepare_per_s(batch: Batch, bundles: list[Bundle | None]) -> float | None:
    """The pace of preparing: that of connecting, and that of registering too where a device needs it."""
    paces = [batch.paces.connect_per_s, batch.paces.register_per_s if None in bundles else None]
    return min((pace for pace in paces if pace is not None), default=None)
