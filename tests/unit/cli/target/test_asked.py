"""The target that a command line and the outputs of a deployment ask for."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pytest

from engine.cli.arguments import parser
from engine.cli.errors import WrongUsage
from engine.cli.target.asked import api_version, origin, parse_outputs, wanted_of
from engine.cli.target.wanted import VERSIONS, CertificateModel, Wanted
from tests.unit.cli.target.wishes import DPS, HUB, NAMESPACE

INFRA = Path(__file__).parents[4] / "infra" / "target"
OUTPUTS = {
    "certificateModel": "credentialPolicy",
    "dpsId": str(DPS),
    "hubIds": [str(HUB)],
    "namespaceId": str(NAMESPACE),
    "policyName": "thirty-days",
}


def asked(*words: str, **outputs: Any) -> Wanted:
    """What these words ask for after a deployment with these outputs."""
    return wanted_of(parser().parse_args(["target", "setup", *words]), outputs)


def test_outputs_are_enough():
    """What a deployment tells is what is set up, with the versions of its model."""
    found = asked(**OUTPUTS)
    assert (found.model, found.provisioning, found.hubs, found.namespace, found.policy) == (
        CertificateModel.CREDENTIAL_POLICY,
        DPS,
        (HUB,),
        NAMESPACE,
        "thirty-days",
    )
    assert found.versions == VERSIONS[found.model]
    assert (found.vault, found.group, found.secret_name) == ("", "certfleet", "dps-group-key")


def test_options_go_before_outputs():
    """Each of them, and versions one by one."""
    words = ("--vault", "https://kv.example/", "--group", "mine", "--api-version", "vault=7.5", "--policy", "other")
    found = asked(*words, "--name", "prod", "--validity-days", "9", **OUTPUTS)
    assert (found.vault, found.group, found.policy, found.profile) == ("https://kv.example", "mine", "other", "prod")
    assert (found.versions.vault, found.versions.enrollment, found.validity_days) == ("7.5", "2025-07-01-preview", 9)


def test_model_without_namespace_takes_none():
    """And the others need one."""
    plain = {**OUTPUTS, "certificateModel": "none"}
    assert asked(**{**plain, "namespaceId": ""}).namespace is None
    with pytest.raises(WrongUsage, match="does not go with the model none"):
        asked(**plain)
    with pytest.raises(WrongUsage, match="missing for the model credentialPolicy"):
        asked(**{**OUTPUTS, "namespaceId": ""})


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        ({"certificateModel": "gen3"}, "--model: expected one of none, credentialPolicy, certificateAuthority"),
        ({"certificateModel": None}, "--model"),
        ({"hubIds": []}, "--hub: missing"),
        ({"hubIds": "one"}, "--hub: missing"),
        ({"hubIds": [str(DPS)]}, "--hub: expected a resource of Microsoft.Devices/IotHubs"),
        ({"dpsId": ""}, "--dps: expected a resource id"),
        ({"dpsId": str(HUB)}, "--dps: expected a resource of Microsoft.Devices/provisioningServices"),
        ({"namespaceId": str(HUB)}, "--namespace: expected a resource of Microsoft.DeviceRegistry/namespaces"),
    ],
)
def test_what_is_missing_or_wrong_is_named(outputs: dict[str, Any], told: str):
    """By the option that would put it right."""
    with pytest.raises(WrongUsage) as refused:
        asked(**{**OUTPUTS, **outputs})
    assert str(refused.value).startswith(told)


def test_outputs_are_read_in_both_forms():
    """As az tells them with their types, and as names and values."""
    typed = {name: {"type": "String", "value": value} for name, value in OUTPUTS.items()}
    assert parse_outputs(json.dumps(typed)) == parse_outputs(json.dumps(OUTPUTS)) == OUTPUTS
    for text in ("", "[]", "{"):
        with pytest.raises(WrongUsage, match="--outputs"):
            parse_outputs(text)


def test_outputs_that_are_read_are_those_of_the_template():
    """Each name is one of infra/target/main.bicep, and its models are ours."""
    template = (INFRA / "main.bicep").read_text(encoding="utf-8")
    assert set(OUTPUTS) <= set(re.findall(r"^output (\w+) ", template, re.MULTILINE))
    models = re.search(r"@allowed\(\[([^\]]*)\]\)\nparam certificateModel ", template)
    assert models is not None
    assert re.findall(r"'(\w+)'", models[1]) == [model.value for model in CertificateModel]


@pytest.mark.parametrize(
    "text", ["http://kv.example", "https://kv.example/secrets", "kv.example", "https://", "https://a b"]
)
def test_url_with_a_path_or_without_tls_is_refused(text: str):
    """A key goes there."""
    with pytest.raises(argparse.ArgumentTypeError):
        origin(text)


@pytest.mark.parametrize("text", ["registry", "registry=", "other=1", "registry=1&x=2"])
def test_version_of_an_unknown_api_is_refused(text: str):
    """The known ones are named."""
    with pytest.raises(argparse.ArgumentTypeError, match="registry, provisioning, hub, enrollment, vault"):
        api_version(text)
