"""One device's names and credentials."""

from engine.device.backoff import fraction
from engine.device.bundle import Bundle
from engine.device.proof import Claimant, Proof
from engine.device.setup import Dps, Setup
from engine.errors import Failure, Outcome
from engine.protocol import hub, mqtt, x509

CREDENTIAL_OUTCOMES = frozenset({Outcome.UNAUTHORIZED, Outcome.TLS, Outcome.UNUSABLE})
"""Only after these is a stored certificate given up; never because of throttling or the network."""


class Device:
    """What a device's scripts know of themselves; index picks its DPS, ordinal its jitter.

    connected means a hub connection that is ready for use, linked any connection that was dialled and has not ended.
    doing says what the device is busy with, for the live view. pending is the id of the certificate request that the
    service may still be working at, "" for none. asking means an HTTP exchange that was begun and not ended; enlisted
    that the device registry holds the device.
    """

    __slots__ = (
        "_csr_info",
        "_csr_key",
        "_der",
        "_der_key",
        "asking",
        "bundle",
        "connected",
        "device_id",
        "doing",
        "enlisted",
        "inbox",
        "index",
        "invalid",
        "key",
        "linked",
        "onboarding_key",
        "ordinal",
        "pending",
        "requests",
        "setup",
        "throws",
        "verify_check_s",
    )

    def __init__(self, setup: Setup, device_id: str, *, index: int, ordinal: int, bundle: Bundle | None = None) -> None:
        self.setup, self.device_id, self.index, self.ordinal = setup, device_id, index, ordinal
        self.bundle = bundle
        self.key: x509.PrivateKey | None = None
        self.onboarding_key: x509.PrivateKey | None = None
        self.connected = False
        self.linked = False
        self.asking = False
        self.enlisted = False
        self.invalid = False
        self.doing = ""
        self.inbox: list[mqtt.Received] = []
        self.pending = ""
        self._csr_key: x509.PrivateKey | None = None
        self._csr_info = b""
        self._der_key: x509.PrivateKey | None = None
        self._der = b""
        self.requests = 0
        self.throws = 0
        self.verify_check_s = 0.0

    @property
    def dps(self) -> Dps:
        """The provisioning service this device is dealt to."""
        return self.setup.dps[self.index % len(self.setup.dps)]

    def signing_key(self) -> x509.PrivateKey:
        """The key of the next CSR: the one it has, where keys are reused, else a new one."""
        if not self.setup.reuse_key or (self.key is None and self.bundle is None):
            self.key = x509.generate_key(self.setup.key_type)
        elif self.key is None and self.bundle is not None:
            self.key = x509.key_from_der(self.bundle.key)
        assert self.key is not None
        return self.key

    def csr(self, key: x509.PrivateKey) -> bytes:
        """A certificate request of that key for this device, DER."""
        if self._csr_key is not key:
            self._csr_key, self._csr_info = key, x509.csr_info(key, self.device_id)
        return x509.sign_csr(key, self._csr_info)

    def prove(self, now: float, until: float) -> Proof:
        """What it shows its provisioning service from now to until, seconds on the run's clock."""
        claimant = Claimant(self.dps.id_scope, self.device_id, self._onboarding_key)
        zero = self.setup.wall_at_zero
        return self.dps.attestation.prove(claimant, now=zero + now, until=zero + until)

    def _onboarding_key(self) -> x509.PrivateKey:
        """The key of its onboarding certificate, made when it is first asked for and kept for the run."""
        if self.onboarding_key is None:
            self.onboarding_key = x509.generate_key(x509.KeyType.EC_P256)
        return self.onboarding_key

    def next_request_id(self) -> str:
        """A request id the service has not seen from this device: letters, digits and dashes, under 36 characters."""
        self.requests += 1
        return f"{self.setup.request_tag}-{self.requests}"

    def rest_s(self, failures: int, failure: Failure) -> float:
        """Seconds of rest after so many failed scripts in a row: what the service asked for, or the back-off."""
        if self.setup.rests_as_told:
            return failure.retry_after_s or 0.0
        return self.backoff_s(failures, failure)

    def backoff_s(self, attempt: int, failure: Failure) -> float:
        """Seconds until the next try after a failed attempt."""
        self.throws += 1
        chance = fraction(self.setup.seed, self.ordinal, self.throws)
        return self.setup.backoff.delay_s(attempt, chance=chance, retry_after_s=failure.retry_after_s)

    def accept(self, assigned_hub: str, chain: tuple[bytes, ...], key: x509.PrivateKey) -> Bundle:
        """The bundle that replaces the current one."""
        generation = self.bundle.generation + 1 if self.bundle else 1
        if self._der_key is not key:
            self._der_key, self._der = key, x509.key_to_der(key)
        return Bundle(self.device_id, assigned_hub, self._der, chain, generation)

    def dial_hub(self) -> mqtt.Connect:
        """The connect to the assigned hub with the issued certificate."""
        assert self.bundle is not None
        return mqtt.Connect(
            host=self.bundle.hub,
            port=self.setup.hub_port,
            client_id=self.device_id,
            username=hub.username(self.bundle.hub, self.device_id),
            identity=mqtt.Identity(self.bundle.key, self.bundle.chain),
            keep_alive_s=self.setup.keep_alive_s,
            clean_session=self.setup.clean_session,
            websocket=self.setup.websocket,
        )
