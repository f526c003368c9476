"""What a spec can name."""

from collections.abc import Mapping

from engine.device.scenarios.lifecycle import CERT_LIFECYCLE
from engine.device.scenarios.provision import PROVISION
from engine.device.scenarios.renewal import CERT_RENEWAL
from engine.device.scenarios.scenario import Scenario

SCENARIOS: Mapping[str, Scenario] = {
    "provision": PROVISION,
    "cert-renewal": CERT_RENEWAL,
    "cert-lifecycle": CERT_LIFECYCLE,
}
