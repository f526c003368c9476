"""A target is set up, from what was deployed to what a run needs: every step leaves alone what is there already."""

from dataclasses import dataclass

from engine.cli.target.checks import host_of, problems
from engine.cli.target.enrolling import enroll
from engine.cli.target.issuing import make_issuer
from engine.cli.target.keeping import GROUP_KEY_CONTENT, keep
from engine.cli.target.linking import link
from engine.cli.target.script import Ask, Say, Script, SetupFailed, carried_out, read
from engine.cli.target.wanted import CertificateModel, Wanted
from engine.protocol import adr, arm
from engine.protocol.arm import Address
from engine.protocol.body import Fields
from engine.protocol.namespace import STILL_REPLICATING


@dataclass(frozen=True, slots=True)
class Ready:
    """What a target profile has to say of a target that is set up: hosts, and where its registry is.

    location is "" where there is no registry.
    """

    id_scope: str
    device_host: str
    service_host: str
    hub_hosts: tuple[str, ...]
    location: str = ""


def set_up(wanted: Wanted) -> Script[Ready]:
    """The target, ready for runs. Raises SetupFailed."""
    yield Say(
        f"target of model {wanted.model}: {len(wanted.hubs)} hubs, provisioning service {wanted.provisioning.name}"
    )
    service = yield from _there(wanted.provisioning_address, f"provisioning service {wanted.provisioning.name}")
    hubs = {}
    for hub in wanted.hubs:
        hubs[hub] = yield from _there(wanted.hub_address(hub), f"hub {hub.name}")
    namespace = None
    if wanted.model is not CertificateModel.NONE:
        namespace = yield from _there(wanted.namespace_address, f"namespace {wanted.registry.name}")
    if wrong := problems(wanted, service, hubs, namespace):
        raise SetupFailed(f"what is deployed does not fit: {'; '.join(wrong)}")
    location = "" if namespace is None else namespace.text("location")
    is_fresh = yield from _issuing(wanted, location)
    ready = _ready(service, tuple(host_of(hub) for hub in hubs.values()), location)
    key = yield from enroll(wanted, service, f"https://{ready.service_host}", is_fresh=is_fresh)
    if wanted.vault:
        version = wanted.versions.vault
        yield from keep(wanted.vault, wanted.secret_name, version, value=key, content=GROUP_KEY_CONTENT)
    else:
        yield Say("no vault was named: the group's key is kept nowhere")
    return ready


def _issuing(wanted: Wanted, location: str) -> Script[bool]:
    """Certificates can be issued; whether something was linked for that just now."""
    match wanted.model:
        case CertificateModel.NONE:
            return False
        case CertificateModel.CREDENTIAL_POLICY:
            yield from _synchronize(wanted)
            return False
        case CertificateModel.CERTIFICATE_AUTHORITY:
            is_fresh = yield from link(wanted)
            yield from make_issuer(wanted, location)
            return is_fresh


def _synchronize(wanted: Wanted) -> Script[None]:
    """Hubs know the credential policy; doing it again is harmless, and tells hubs that came later.

    Source: @azure/arm-deviceregistry, credentials.synchronize.
    """
    credentials = wanted.namespace_address.under("credentials/default")
    yield from _there(credentials.under(f"policies/{wanted.policy}"), f"credential policy {wanted.policy}")
    what = f"credentials of namespace {wanted.registry.name}"
    yield Say(f"{what}: hubs are told of them")
    ask = Ask(arm.post(credentials.under("synchronize")), adr.token_scope(wanted.endpoint), what)
    yield from carried_out(ask, passing=STILL_REPLICATING)


def _there(address: Address, what: str) -> Script[Fields]:
    found = yield from read(address, what)
    if found is None:
        raise SetupFailed(f"there is no {what}: deploy infra/target first, and name what it has made")
    return found


def _ready(service: Fields, hub_hosts: tuple[str, ...], location: str) -> Ready:
    properties = service.optional_object("properties")
    return Ready(
        properties.text("idScope"),
        properties.text("deviceProvisioningHostName").lower(),
        properties.text("serviceOperationsHostName").lower(),
        hub_hosts,
        location,
    )
