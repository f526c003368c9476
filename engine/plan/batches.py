"""Who does which part: a run's devices, starts and allowances, shared out among batches once and for all.

Theory of operation. Devices are shared out evenly over count / batchSize batches, rounded up, and over as many of them
again as a job's replica has processes: sizes differ by at most one and the larger batches come first. Batches that run
at the same time are a wave; what may run in parallel is counted in replicas. Only `once` without a barrier may
have several waves, one after the other, each with its share of the ramp; everything else offers one schedule together
and must run at once or not at all.

A wave has one schedule: its starts, or with a grid its devices, are numbered from 0. Of a wave with m batches, the
batch in place p owns the ordinals p, p + m, p + 2m, …: its device (or start) j is ordinal j · m + p. So every batch
sees the same load shape at 1/m of the rate, computes its own due times from the plan alone, and the ordinals of a
wave's batches are a partition. Iterations, in-flight places and quotas are shared out within the wave likewise.

Device indexes are something else: the names. A batch takes the next ones of the ranges allotted to the run, in
order, so that a batch's names lie together.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import Problem, RunRefused, SpecError
from engine.plan.document import pointer
from engine.plan.limits import LIMITS, WINDOWS_S
from engine.plan.schedule import Schedule, schedule_for
from engine.plan.spec.demand import load_s
from engine.plan.spec.devices import RenewalPath, Source
from engine.plan.spec.rules import QUOTA_SHARE
from engine.plan.spec.runner import at_once_of, batches_of, replicas_of, runs_in_waves
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import FIXED, REGISTERING, Executor
from engine.plan.target import Target

SLACK_S: Final = 300.0
"""What a batch's deadline allows beyond preparing, load and drain: starting, stopping, writing."""

LOADING_S: Final = 60.0
"""What preparing allows for reading stored state."""

OWN_STEP_S: Final = 0.1
"""What one device's step of preparing is taken to cost ourselves: 10 a second, far below what a core does."""

_Count = Annotated[int, Field(ge=0)]
_Seconds = Annotated[float, Field(ge=0)]


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Range(_Stored):
    """Device indexes that follow each other."""

    first: _Count
    count: Annotated[int, Field(ge=1)]


class Paces(_Stored):
    """How fast preparing and retries may go, per second; None is as fast as can be."""

    register_per_s: float | None
    connect_per_s: float | None
    renew_per_s: float | None


class Batch(_Stored):
    """A fixed share of a run's devices, driven by one process.

    index counts over the whole run, wave says when. place and stride turn what is the batch's own, numbered from
    0, into ordinals of the wave's schedule; wave_devices, ramp_s, iterations describe that schedule. Deadlines
    are seconds: prepare_s for preparing, deadline_s for all of the batch, from the moment it is claimed.
    """

    index: _Count
    wave: _Count
    place: _Count
    stride: Annotated[int, Field(ge=1)]
    devices: Annotated[int, Field(ge=1)]
    ranges: tuple[Range, ...]
    wave_devices: Annotated[int, Field(ge=1)]
    ramp_s: _Seconds
    iterations: _Count | None
    max_in_flight: Annotated[int, Field(ge=1)]
    paces: Paces
    prepare_s: _Seconds
    deadline_s: _Seconds

    def ordinal(self, own: int) -> int:
        """The place in the wave's schedule of the batch's own device or start, numbered from 0."""
        return own * self.stride + self.place

    def device_index(self, own: int) -> int:
        """The index, part of the name, of the batch's own device 0 … devices - 1."""
        for held in self.ranges:
            if own < held.count:
                return held.first + own
            own -= held.count
        raise IndexError("the batch has no such device")


class RunPlan(_Stored):
    """What will be done, written once before anything starts: batches by index, waves of their indexes."""

    run_id: str
    batches: tuple[Batch, ...]
    waves: tuple[tuple[_Count, ...], ...]

    def to_json(self) -> str:
        """The plan as JSON text."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The plan that `to_json` wrote. Raises SpecError on anything else."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            problems = [Problem(pointer(detail["loc"]), detail["msg"].lower()) for detail in error.errors()]
            raise SpecError(problems) from error


@dataclass(frozen=True, slots=True)
class _Wave:
    """Batches that run at the same time: which, and their devices together."""

    number: int
    indexes: range
    devices: int


def plan_run(spec: RunSpec, *, run_id: str, ranges: Sequence[tuple[int, int]], target: Target) -> RunPlan:
    """The plan of a run whose devices have the indexes of ranges, (first, count) each, together spec.devices.count.

    Raises RunRefused "over-quota" when batches that must run together are more than may run in parallel.
    """
    waves = waves_of(spec)
    sizes = [_share(spec.devices.count, waves[-1].stop, index) for index in range(waves[-1].stop)]
    pieces = list(_cut(ranges, sizes))
    batches: list[Batch] = []
    for number, indexes in enumerate(waves):
        held = pieces[indexes.start : indexes.stop]
        wave = _Wave(number, indexes, sum(part.count for parts in held for part in parts))
        batches += [_batch(spec, target, wave=wave, place=place, ranges=parts) for place, parts in enumerate(held)]
    return RunPlan(run_id=run_id, batches=tuple(batches), waves=tuple(tuple(indexes) for indexes in waves))


def waves_of(spec: RunSpec) -> list[range]:
    """The indexes of the batches of each wave, in order.

    Raises RunRefused "over-quota" when batches that must run together are more than may run in parallel.
    """
    refuse_too_many_at_once(spec)
    batches, at_once = batches_of(spec), at_once_of(spec)
    return [range(first, min(first + at_once, batches)) for first in range(0, batches, at_once)]


def refuse_too_many_at_once(spec: RunSpec) -> None:
    """Raise RunRefused "over-quota" when batches that must run together are more than may run in parallel."""
    need, most = replicas_of(spec, batches_of(spec)), spec.execution.max_parallel_batches
    if not runs_in_waves(spec) and need > most:
        limit = "execution.maxParallelBatches"
        message = f"{need} batches must run at once, {limit} is {most}"
        raise RunRefused(
            "over-quota", message, limit=limit, value=str(most), need=str(need), unit="batches", source="the spec"
        )


def schedule_of(spec: RunSpec, batch: Batch) -> Schedule:
    """When what the ordinals of the batch's wave number is due, in seconds from the wave's start."""
    return schedule_for(spec, devices=batch.wave_devices, ramp_s=batch.ramp_s)


def _batch(spec: RunSpec, target: Target, *, wave: _Wave, place: int, ranges: tuple[Range, ...]) -> Batch:
    devices, at_once, index = sum(held.count for held in ranges), len(wave.indexes), wave.indexes[place]
    iterations, paces = spec.load.iterations, _paces(target, at_once)
    max_in_flight = min(devices, _share(spec.load.max_in_flight, at_once, place))
    prepare_s = _prepare_s(spec, devices, paces)
    ramp_s = spec.load.ramp_up_s * wave.devices / spec.devices.count
    return Batch(
        index=index,
        wave=wave.number,
        place=place,
        stride=at_once,
        devices=devices,
        ranges=ranges,
        wave_devices=wave.devices,
        ramp_s=ramp_s,
        iterations=None if iterations is None else _share(iterations, batches_of(spec), index),
        max_in_flight=max_in_flight,
        paces=paces,
        prepare_s=prepare_s,
        deadline_s=_deadline_s(spec, prepare_s, ramp_s=ramp_s, turns=math.ceil(devices / max_in_flight)),
    )


def longest_batch_s(spec: RunSpec, target: Target) -> float:
    """The deadline of the batch that may last longest, for whoever sets one on its replica."""
    at_once, devices = at_once_of(spec), _share(spec.devices.count, batches_of(spec), 0)
    places = min(devices, _share(spec.load.max_in_flight, at_once, at_once - 1))
    prepare_s = _prepare_s(spec, devices, _paces(target, at_once))
    ramp_s = spec.load.ramp_up_s * wave_devices(spec) / spec.devices.count
    return _deadline_s(spec, prepare_s, ramp_s=ramp_s, turns=math.ceil(devices / places))


def wave_devices(spec: RunSpec) -> int:
    """How many devices the largest wave has: the first one."""
    batches, at_once = batches_of(spec), at_once_of(spec)
    return spec.devices.count // batches * at_once + min(spec.devices.count % batches, at_once)


def _deadline_s(spec: RunSpec, prepare_s: float, *, ramp_s: float, turns: int) -> float:
    return prepare_s + _load_s(spec, ramp_s=ramp_s, turns=turns) + spec.load.graceful_stop_s + SLACK_S


def _paces(target: Target, at_once: int) -> Paces:
    """The batch's token-bucket shares: 90 % of each quota over the batches that run at the same time."""

    def pace(name: str) -> float | None:
        quota = target.quota(name)
        return None if quota is None else QUOTA_SHARE * quota / WINDOWS_S[LIMITS[name].unit] / at_once

    return Paces(
        register_per_s=pace("dps.registrations"),
        connect_per_s=pace("hub.connects"),
        renew_per_s=pace("cert.issue"),
    )


def _prepare_s(spec: RunSpec, devices: int, paces: Paces) -> float:
    """How long preparing a batch may take: twice what pacing alone needs, and one try of everything at its worst."""
    steps_s = [] if spec.scenario in REGISTERING else [_step_s(paces.connect_per_s)]
    if steps_s and spec.devices.source is not Source.STORED_ONLY:
        steps_s.append(_step_s(paces.register_per_s))
    return LOADING_S + 2 * devices * sum(steps_s) + spec.timeouts.register_s + spec.timeouts.connect_s


def _step_s(per_s: float | None) -> float:
    return OWN_STEP_S if per_s is None else max(OWN_STEP_S, 1 / per_s)


def _load_s(spec: RunSpec, *, ramp_s: float, turns: int) -> float:
    """How long the load of a batch may last, at most as long as the run; ramp_s is its wave's.

    A load that ends by itself gets the time of every attempt at its worst, for each turn of the in-flight places.
    """
    length_s = ramp_s if spec.load.executor is Executor.ONCE else load_s(spec)
    if spec.load.executor not in FIXED:
        length_s += turns * _longest_iteration_s(spec)
    return min(length_s, spec.limits.max_duration_s)


def _longest_iteration_s(spec: RunSpec) -> float:
    timeouts, retries, telemetry = spec.timeouts, spec.retries, spec.telemetry
    by_dps_s = timeouts.register_s if spec.certificate.path is RenewalPath.DPS else 0.0
    waits_s = (
        retries.registrations * (timeouts.register_s + retries.backoff.max_s),
        2 * retries.connect * (timeouts.connect_s + retries.backoff.max_s),
        retries.renew * (max(timeouts.certificate_s, by_dps_s) + retries.backoff.max_s),
        telemetry.messages * (timeouts.publish_s + telemetry.interval_s),
        timeouts.http_s + (spec.connection.hold_s if math.isfinite(spec.connection.hold_s) else 0.0),
    )
    return sum(waits_s)


def _cut(ranges: Sequence[tuple[int, int]], sizes: Sequence[int]) -> Iterator[tuple[Range, ...]]:
    """The ranges cut into pieces of those sizes, in order; together they are as long as the ranges."""
    left = list(reversed(ranges))
    for size in sizes:
        parts: list[Range] = []
        while size:
            first, count = left.pop()
            taken = min(size, count)
            parts.append(Range(first=first, count=taken))
            size -= taken
            if taken < count:
                left.append((first + taken, count - taken))
        yield tuple(parts)


def _share(total: int, among: int, place: int) -> int:
    """What one of `among` gets of a total shared out evenly, the first ones one more."""
    return total // among + (place < total % among)
