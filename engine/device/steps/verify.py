"""Proving a new certificate by using it: what makes a renewal worth its name."""

from collections.abc import Callable

from engine.device.identity import CREDENTIAL_OUTCOMES, Device
from engine.device.script import End, Lap, Script, StepFailed
from engine.device.steps.check import check
from engine.device.steps.connect import connect, connect_bare, leave
from engine.device.steps.register import register
from engine.device.steps.waiting import keep_to
from engine.errors import Failure, Outcome
from engine.measure.operation import Operation
from engine.protocol import x509


def reconnect(device: Device) -> Script[None]:
    """The renewed certificate is in use: the old connection is closed, a new one is made with it."""
    if device.setup.verify == "reconnect":
        yield from leave(device)
        yield from _prove(device, connect)


def prove_first(device: Device) -> Script[None]:
    """The first certificate fits its key and, unless the spec asks for less, the hub accepts it."""
    assert device.bundle is not None
    if device.setup.verify != "none":
        yield from check(device, device.bundle.chain, x509.key_from_der(device.bundle.key))
    if device.setup.verify == "reconnect":
        yield from _prove(device, connect_bare)


def _prove(device: Device, dial: Callable[[Device], Script[None]]) -> Script[None]:
    """`cert.verified` has ended; `unusable` where the hub refuses the certificate it was issued."""
    began: float = yield Lap()
    try:
        yield from dial(device)
    except StepFailed as failed:
        failure = failed.failure
        if failure.outcome in CREDENTIAL_OUTCOMES:
            failure = Failure(Outcome.UNUSABLE, failure.code or failure.outcome, "the hub refused the new certificate")
        raise StepFailed(failure) from failed
    ended: float = yield Lap()
    parts = (("check", device.verify_check_s), ("reconnect", ended - began))
    yield End(Operation.CERT_VERIFIED, parts=parts)


def ready(device: Device) -> Script[None]:
    """A provisioned device, connected with what it holds: `prepare` of every scenario that renews.

    A stored certificate that the hub refuses is dealt with as `devices.onInvalid` says; one that fails for any
    other reason is kept.
    """
    from_store = device.bundle is not None
    try:
        yield from connect(device) if from_store else _fresh(device)
    except StepFailed as failed:
        if not from_store or failed.failure.outcome not in CREDENTIAL_OUTCOMES:
            raise
        if device.setup.on_invalid != "reprovision" or not device.setup.may_provision:
            device.invalid = True
            raise
        device.key = x509.generate_key(device.setup.key_type)
        yield from keep_to(device.setup.budgets.get(Operation.DPS_REGISTER))
        yield from _fresh(device)


def _fresh(device: Device) -> Script[None]:
    if not device.setup.may_provision:
        raise StepFailed(Failure(Outcome.NOT_FOUND, "no-stored-state", "no usable state is stored for the device"))
    yield from register(device)
    yield from connect(device)
