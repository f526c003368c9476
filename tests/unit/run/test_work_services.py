"""How the devices of a batch reach their services and prove themselves, from profile and spec."""

import json
import traceback
from collections.abc import Mapping
from typing import Any

import pytest

from doubles.means import FixedSecrets
from engine.device.attestations.x509 import GroupAuthority
from engine.device.setup import Setup
from engine.errors import SettingsError
from engine.plan.batches import Paces
from engine.plan.spec.parse import parse_spec
from engine.plan.target import parse_targets
from engine.protocol import issuing
from engine.protocol.x509 import KeyType
from engine.run.work import make_setup

CA = issuing.new_root(KeyType.EC_P256, "onboarding", now=0.0)
SECRETS = FixedSecrets({"ca": issuing.authority_pem(CA), "none": b"canary"})


def setup_at(dps: Mapping[str, Any] | None = None, **spec: Any) -> Setup:
    """What devices have in common whose one DPS is described so; the ports are 1 and 2."""
    entry = {"host": "dps.example", "idScope": "0ne1", "secret": "ca", **(dps or {})}
    profile = {"dps": [entry], "hubs": ["hub.example"], "port": 1, "webPort": 2}
    targets = parse_targets(json.dumps({"x": profile}), allowed_hosts=["*.example"])
    body = json.dumps({"scenario": "cert-renewal", "target": "x", **spec}).encode()
    parsed = parse_spec(body, profiles=targets, max_devices=1000, seed=1, now=0.0)
    paces = Paces(register_per_s=None, connect_per_s=None, renew_per_s=None)
    return make_setup(parsed, targets.by_name["x"], secrets=SECRETS, tag="", zero_wall=0.0, paces=paces)


@pytest.mark.parametrize(("transport", "port"), [("mqtt", 1), ("mqtt-ws", 2), ("https", 2)])
def test_dps_is_reached_at_the_port_of_its_transport(transport: str, port: int) -> None:
    """MQTT has one of its own, WebSocket and HTTPS share the web's."""
    (dps,) = setup_at({"transport": transport}).dps
    assert (dps.transport, dps.port) == (transport, port)


@pytest.mark.parametrize(("transport", "expected"), [("mqtt", (False, 1)), ("mqtt-ws", (True, 2))])
def test_hubs_are_reached_as_the_spec_says(transport: str, expected: tuple[bool, int]) -> None:
    """By MQTT, or inside WebSockets at the web's port."""
    setup = setup_at(connection={"transport": transport})
    assert (setup.websocket, setup.hub_port) == expected


def test_service_api_is_an_origin_where_the_profile_names_it() -> None:
    """Nothing else of it is ever asked for by a device."""
    assert setup_at({"serviceHost": "contoso.example"}).dps[0].service == "https://contoso.example"
    assert setup_at().dps[0].service == ""


def test_onboarding_ca_is_read_from_the_secret() -> None:
    """Devices prove themselves by certificates of it."""
    (dps,) = setup_at({"attestation": "x509"}).dps
    assert isinstance(dps.attestation, GroupAuthority)
    assert dps.attestation.chain == (CA.der,)


def test_onboarding_ca_that_is_none_is_named_and_not_shown() -> None:
    """The batch cannot run; what the secret holds is in no message."""
    with pytest.raises(SettingsError, match="none: of no use for x509: no private key") as caught:
        setup_at({"attestation": "x509", "secret": "none"})
    assert "canary" not in "".join(traceback.format_exception(caught.value))
