"""The `timeouts`, `retries`, `execution`, `limits` and `results` of a spec: how it is carried out."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from engine.plan.field import Choice, Duration, Flag, Number, Section, Whole

_TIMEOUT: Final = Duration(1, 43_200)
_ATTEMPTS: Final = Whole(1, 20)


class Runner(StrEnum):
    """Where batches run; `auto` lets the plan choose."""

    AUTO = "auto"
    ACTIVITY = "activity"
    JOB = "job"


class Cleanup(StrEnum):
    """What becomes of state, registrations and registry devices when the run ends."""

    KEEP = "keep"
    DELETE = "delete"
    DELETE_ON_PASS = "delete-on-pass"


class Timeouts(Section):
    """How long each wait may last: connect covers TCP to SUBACK, certificate the publish to the 200."""

    register_s: Annotated[float, _TIMEOUT] = 300.0
    """How long a registration may take."""
    connect_s: Annotated[float, _TIMEOUT] = 120.0
    """How long a connect may take, from TCP to SUBACK."""
    certificate_s: Annotated[float, _TIMEOUT] = 300.0
    """How long a new certificate may take, from the publish to the 200."""
    publish_s: Annotated[float, _TIMEOUT] = 10.0
    """How long a publish may wait for its acknowledgement."""
    http_s: Annotated[float, _TIMEOUT] = 30.0
    """How long an HTTP call may take."""


class Backoff(Section):
    """The wait before another attempt: doubling from base to max, moved by ± the share `jitter`."""

    base_s: Annotated[float, Duration(0.001, 3_600)] = 2.0
    """The wait before the second attempt; it doubles from there."""
    max_s: Annotated[float, Duration(0.001, 3_600)] = 60.0
    """The longest wait between two attempts, no less than base."""
    jitter: Annotated[float, Number(0, 1)] = 0.5
    """The share by which every wait moves, up or down."""


class Retries(Section):
    """Attempts in all, the first included; renew is 1 so that retries hide nothing."""

    registrations: Annotated[int, _ATTEMPTS] = Field(5, alias="register")
    """Attempts of a registration, the first included."""
    connect: Annotated[int, _ATTEMPTS] = 3
    """Attempts of a connect, the first included."""
    renew: Annotated[int, _ATTEMPTS] = 1
    """Attempts of a renewal, the first included; 1 so that retries hide nothing."""
    batch: Annotated[int, _ATTEMPTS] = 3
    """Attempts at a batch, the first included; after the last it is lost."""
    backoff: Backoff = Backoff()
    """The wait before another attempt."""
    honor_retry_after: Annotated[bool, Flag()] = True
    """Whether a wait is at least as long as the service asks for."""


class Execution(Section):
    """Who carries it out: batches of batch_size devices, so many at a time; cpu is vCPUs of a job's replica.

    A replica has a process per core, begun ones included: they share its batch_size devices, a batch each. With
    start_barrier the batches of `once` begin together when all are ready, so none may come later; those of every other
    executor share one schedule and always do.
    """

    runner: Annotated[Runner, Choice(Runner)] = Runner.AUTO
    """Where batches run: in activities, or in the replicas of a job; auto chooses."""
    batch_size: Annotated[int, Whole(1, 10_000)] = 500
    """The devices of a batch; a job's replica shares them among its processes."""
    max_parallel_batches: Annotated[int, Whole(1, 1_000)] = 10
    """How many batches may run at the same time."""
    cpu: Annotated[float, Number(0.25, 4)] = 1.0
    """The vCPUs of a job's replica, each with 2 GiB."""
    start_barrier: Annotated[bool, Flag()] = False
    """Whether the batches of once begin together, when all are ready."""


class Limits(Section):
    """What ends a run before its time: seconds over all waves, and dollars of compute."""

    max_duration_s: Annotated[float, Duration(1, 30 * 86_400)] = 7_200.0
    """How long the run may last over all waves; reaching it drains."""
    max_cost_usd: Annotated[float, Number(0, 1_000_000, above=True)] | None = None
    """What the run's compute may cost in US dollars; null is no limit."""


class Results(Section):
    """What results are made of: percentiles in percent, the length of an interval, samples kept per failure."""

    percentiles: Annotated[
        tuple[Annotated[float, Number(0, 100, above=True)], ...], Field(min_length=1, max_length=10)
    ] = (50.0, 90.0, 95.0, 99.0, 99.9)
    """Which percentiles the results give, in percent."""
    interval_s: Annotated[float, Duration(5, 300)] = 10.0
    """The length of an interval; where nobody says, longer than 10 s for loads of more than 28 h."""
    failure_samples: Annotated[int, Whole(0, 20)] = 3
    """How many samples are kept of each kind of failure."""


class Weights(Section):
    """How often adr-get-patch does the one and the other, relative to their sum."""

    get: Annotated[int, Whole(0, 100)] = 70
    """How often a device is read, relative to the sum of both."""
    patch: Annotated[int, Whole(0, 100)] = 30
    """How often a device is patched, relative to the sum of both."""
