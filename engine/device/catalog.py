"""What a spec can name."""

from collections.abc import Mapping

from engine.device.scenarios.churn import CONNECT_CHURN
from engine.device.scenarios.lifecycle import CERT_LIFECYCLE
from engine.device.scenarios.provision import PROVISION
from engine.device.scenarios.renewal import CERT_RENEWAL
from engine.device.scenarios.scenario import Scenario
from engine.device.scenarios.storm import CONNECT_STORM
from engine.device.scenarios.telemetry import TELEMETRY

SCENARIOS: Mapping[str, Scenario] = {
    "provision": PROVISION,
    "cert-renewal": CERT_RENEWAL,
    "cert-lifecycle": CERT_LIFECYCLE,
    "connect-churn": CONNECT_CHURN,
    "connect-storm": CONNECT_STORM,
    "telemetry": TELEMETRY,
}
