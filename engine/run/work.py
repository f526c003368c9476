"""From spec, plan and target to the work of one batch."""

import hashlib
from collections.abc import Iterator, Mapping

from engine.batch.checkpoint import Checkpoint
from engine.batch.work import Seat, Work
from engine.device.backoff import Backoff
from engine.device.budget import Budget
from engine.device.bundle import Bundle
from engine.device.catalog import ATTESTATIONS, SCENARIOS
from engine.device.setup import Attempts, Dps, DpsTransport, Messages, Setup, Timeouts
from engine.errors import LocalProtocolError, SettingsError
from engine.measure.operation import Operation
from engine.measure.sample import Sample
from engine.plan.batches import Batch, Paces
from engine.plan.bounds import first_bound
from engine.plan.spec.demand import load_s
from engine.plan.spec.devices import Source, Transport
from engine.plan.spec.execution import Cleanup
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import CASES, CLOSED, FIXED, TIMED, Scenario
from engine.plan.target import Profile, Target
from engine.ports import Secrets
from engine.protocol import x509
from engine.protocol.adr import Namespace
from engine.run.rosters import make_roster
from engine.run.watch import watch_of


def request_tag(run_id: str, batch: int, token: int) -> str:
    """What the request ids of one holder of a batch begin with: no two holders ever ask with the same id."""
    return hashlib.blake2b(f"{run_id}/{batch}/{token}".encode(), digest_size=6).hexdigest()


def make_setup(spec: RunSpec, target: Target, *, secrets: Secrets, tag: str, zero_wall: float, paces: Paces) -> Setup:
    """What all devices of a batch have in common. Raises SettingsError for a secret that is not there or of no use."""
    retries, timeouts = spec.retries, spec.timeouts
    websocket = spec.connection.transport is Transport.MQTT_WS
    return Setup(
        dps=tuple(_services(target.profile, secrets)),
        hub_port=target.profile.web_port if websocket else target.profile.port,
        allows=target.allows,
        wall_at_zero=zero_wall,
        seed=spec.random_seed,
        request_tag=tag,
        key_type=x509.KeyType(spec.certificate.key_type),
        reuse_key=spec.certificate.reuse_key,
        renewal_path=spec.certificate.path,
        on_pending=spec.certificate.on_pending,
        rests_as_told=spec.scenario is Scenario.CERT_THROTTLE,
        budgets=_budgets(paces),
        verify=spec.certificate.verify,
        on_invalid=spec.devices.on_invalid,
        may_provision=spec.devices.source is not Source.STORED_ONLY,
        websocket=websocket,
        keep_alive_s=round(spec.connection.keep_alive_s),
        clean_session=spec.connection.clean_session,
        hold_s=spec.connection.hold_s,
        timeouts=Timeouts(
            timeouts.register_s, timeouts.connect_s, timeouts.certificate_s, timeouts.publish_s, timeouts.http_s
        ),
        attempts=Attempts(retries.registrations, retries.connect, retries.renew),
        backoff=Backoff(
            retries.backoff.base_s, retries.backoff.max_s, retries.backoff.jitter, retries.honor_retry_after
        ),
        messages=Messages(spec.telemetry.messages, spec.telemetry.size_bytes, spec.telemetry.interval_s),
        probe_url=target.profile.http.url if target.profile.http else "",
        namespace=_namespace(target.profile),
        get_share=spec.weights.get / max(1, spec.weights.get + spec.weights.patch),
        cases=spec.cases or CASES,
    )


def _namespace(profile: Profile) -> Namespace | None:
    held = profile.adr
    if held is None:
        return None
    return Namespace(held.subscription, held.resource_group, held.namespace, held.location, held.endpoint)


def _services(profile: Profile, secrets: Secrets) -> Iterator[Dps]:
    """The profile's provisioning services, each at the port of its transport."""
    for entry in profile.dps:
        transport = DpsTransport(entry.transport)
        port = profile.port if transport is DpsTransport.MQTT else profile.web_port
        try:
            attestation = ATTESTATIONS[entry.attestation](secrets.read(entry.secret))
        except LocalProtocolError as unusable:
            # The cause is left out: nothing of a secret may end in a traceback.
            raise SettingsError({entry.secret: f"of no use for {entry.attestation}: {unusable}"}) from None
        service = f"https://{entry.service_host}" if entry.service_host else ""
        yield Dps(entry.host, port, entry.id_scope, attestation, transport, service)


def make_work(
    spec: RunSpec,
    batch: Batch,
    *,
    target: Target,
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
        prepare_s=batch.prepare_s,
        ramp_s=batch.ramp_s if spec.load.executor in CLOSED & TIMED else 0.0,
        graceful_stop_s=spec.load.graceful_stop_s,
        stop_at=first_bound(spec, target).at_s,
        interval_s=spec.results.interval_s,
        failure_samples=spec.results.failure_samples,
        is_counted=spec.load.iterations is not None,
        paced_by=() if scenario.fresh else _paced_by([seat.bundle for seat in seats]),
        cleans_up=bool(scenario.cleanup) and spec.cleanup is Cleanup.DELETE,
        resume=resume,
        loaded=loaded,
        watch=watch_of(spec),
    )


def _paced_by(bundles: list[Bundle | None]) -> tuple[Operation, ...]:
    """What preparing a device asks of the services: connecting, and registering too where one of them needs it."""
    return (Operation.HUB_CONNECT, *((Operation.DPS_REGISTER,) if None in bundles else ()))


def _budgets(paces: Paces) -> dict[Operation, Budget]:
    """The batch's share of the quotas, for what is not the load itself."""
    per_s = {
        Operation.DPS_REGISTER: paces.register_per_s,
        Operation.HUB_CONNECT: paces.connect_per_s,
        Operation.CERT_ISSUED: paces.renew_per_s,
    }
    return {operation: Budget(pace) for operation, pace in per_s.items() if pace is not None}
