"""What a spec can name."""

from collections.abc import Callable, Mapping

from engine.device.attestations.symmetric import GroupKey
from engine.device.attestations.x509 import parse_authority
from engine.device.proof import Attestation
from engine.device.scenarios.adr_get_patch import ADR_GET_PATCH
from engine.device.scenarios.adr_patch import ADR_PATCH
from engine.device.scenarios.churn import CONNECT_CHURN
from engine.device.scenarios.conformance import CONFORMANCE
from engine.device.scenarios.lifecycle import CERT_LIFECYCLE
from engine.device.scenarios.probe import HTTP_PROBE
from engine.device.scenarios.provision import PROVISION
from engine.device.scenarios.renewal import CERT_RENEWAL
from engine.device.scenarios.scenario import Scenario
from engine.device.scenarios.storm import CONNECT_STORM
from engine.device.scenarios.telemetry import TELEMETRY
from engine.device.scenarios.throttle import CERT_THROTTLE

SCENARIOS: Mapping[str, Scenario] = {
    "provision": PROVISION,
    "cert-renewal": CERT_RENEWAL,
    "cert-lifecycle": CERT_LIFECYCLE,
    "connect-churn": CONNECT_CHURN,
    "connect-storm": CONNECT_STORM,
    "cert-throttle": CERT_THROTTLE,
    "telemetry": TELEMETRY,
    "adr-get-patch": ADR_GET_PATCH,
    "adr-patch": ADR_PATCH,
    "http-probe": HTTP_PROBE,
    "conformance": CONFORMANCE,
}

ATTESTATIONS: Mapping[str, Callable[[bytes], Attestation]] = {
    "symmetric-key-group": GroupKey,
    "x509": parse_authority,
}
"""From the secret of an enrollment group to what its devices prove themselves by. Raises LocalProtocolError."""
