"""The target that a command line asks for, with what it leaves out taken from the outputs of infra/target."""

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final

from engine.cli.errors import WrongUsage
from engine.cli.target.wanted import VERSIONS, ApiVersions, CertificateModel, Wanted
from engine.errors import LocalProtocolError
from engine.protocol.arm import ResourceId
from engine.protocol.namespace import HUB, PROVISIONING

NAMESPACE: Final = "Microsoft.DeviceRegistry/namespaces"
APIS: Final = tuple(field.name for field in fields(ApiVersions))

_VERSION: Final = re.compile(r"[0-9A-Za-z.-]{1,40}")
_ORIGIN: Final = re.compile(r"https://[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def origin(text: str) -> str:
    """A URL of https without path; a slash at its end is no path."""
    url = text.removesuffix("/")
    if not _ORIGIN.fullmatch(url):
        raise argparse.ArgumentTypeError(f"expected https:// and a host, found {text!r}")
    return url


def api_version(text: str) -> tuple[str, str]:
    """An API's name, and the version to speak it in."""
    name, _, version = text.partition("=")
    if name not in APIS or not _VERSION.fullmatch(version):
        raise argparse.ArgumentTypeError(f"expected API=VERSION with one of {', '.join(APIS)}, found {text!r}")
    return name, version


def parse_outputs(text: str) -> dict[str, Any]:
    """Outputs of a deployment by name, as `az deployment sub show --query properties.outputs` has them, or as names
    and values alone. Raises WrongUsage."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise WrongUsage("--outputs: expected a JSON object, the outputs of a deployment of infra/target")
    return {name: each["value"] if isinstance(each, dict) and "value" in each else each for name, each in found.items()}


def wanted_of(options: argparse.Namespace, outputs: Mapping[str, Any]) -> Wanted:
    """The target; options go before outputs. Raises WrongUsage naming what is missing or does not go together."""
    model = _model(options.model or outputs.get("certificateModel") or "")
    hubs = tuple(_resource("--hub", text, HUB) for text in options.hub or _texts(outputs, "hubIds"))
    if not hubs:
        raise WrongUsage("--hub: missing, and so is the output hubIds")
    namespace = options.namespace or str(outputs.get("namespaceId") or "")
    if bool(namespace) != (model is not CertificateModel.NONE):
        raise WrongUsage(f"--namespace: {'missing for' if not namespace else 'does not go with'} the model {model}")
    given = {
        "policy": options.policy or outputs.get("policyName"),
        "authority": options.authority,
        "validity_days": options.validity_days,
        "group": options.group,
        "vault": options.vault,
        "secret_name": options.secret,
        "profile": options.name,
        "endpoint": options.endpoint,
    }
    return Wanted(
        model,
        _resource("--dps", options.dps or str(outputs.get("dpsId") or ""), PROVISIONING),
        hubs,
        _resource("--namespace", namespace, NAMESPACE) if namespace else None,
        versions=replace(VERSIONS[model], **dict(options.api_version or ())),
        **{name: value for name, value in given.items() if value},
    )


def _model(text: str) -> CertificateModel:
    try:
        return CertificateModel(text)
    except ValueError:
        raise WrongUsage(f"--model: expected one of {', '.join(CertificateModel)}, found {text!r}") from None


def _texts(outputs: Mapping[str, Any], name: str) -> list[str]:
    found = outputs.get(name)
    return [str(each) for each in found] if isinstance(found, list) else []


def _resource(option: str, text: str, kind: str) -> ResourceId:
    try:
        found = ResourceId.parse(text)
    except LocalProtocolError as error:
        raise WrongUsage(f"{option}: {error}") from None
    if found.kind.lower() != kind.lower():
        raise WrongUsage(f"{option}: expected a resource of {kind}, found {text[:200]!r}")
    return found
