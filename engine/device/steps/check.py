"""Looking at a new certificate before it is used."""

from engine.device.identity import Device
from engine.device.script import Begin, End, Lap, Script, StepFailed
from engine.measure.operation import Operation
from engine.protocol import x509


def check(device: Device, chain: tuple[bytes, ...], key: x509.PrivateKey) -> Script[None]:
    """`cert.verified` has begun and the chain fits; it ends here unless a reconnect is to prove it."""
    began: float = yield Begin(Operation.CERT_VERIFIED, device.setup.timeouts.connect)
    unfit = x509.check_chain(chain, key, device.setup.wall_at_zero + began)
    if unfit is None and device.setup.verify == "chain":
        unfit = x509.check_signatures(chain)
    device.verify_check_s = (yield Lap()) - began
    if unfit is not None:
        raise StepFailed(unfit)
    if device.setup.verify == "chain":
        yield End(Operation.CERT_VERIFIED, parts=(("check", device.verify_check_s),))
