"""What a target is to be like: its resources, who issues certificates, how the services' APIs are spoken to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from engine.protocol import adr, key_vault
from engine.protocol.arm import Address, ResourceId


class CertificateModel(StrEnum):
    """Who issues devices their certificates: nobody; a credential policy (2025 preview); a certificate authority of
    the namespace (autumn 2026). The values are those of the parameter certificateModel of infra/target."""

    NONE = "none"
    CREDENTIAL_POLICY = "credentialPolicy"
    CERTIFICATE_AUTHORITY = "certificateAuthority"


@dataclass(frozen=True, slots=True)
class ApiVersions:
    """The version of each API; a region may not have all of them."""

    registry: str = "2026-03-01-preview"
    provisioning: str = "2026-03-01-preview"
    hub: str = "2026-03-01-preview"
    enrollment: str = "2021-10-01"
    vault: str = key_vault.API_VERSION


VERSIONS: Final[Mapping[CertificateModel, ApiVersions]] = {
    CertificateModel.NONE: ApiVersions(),
    CertificateModel.CREDENTIAL_POLICY: ApiVersions(enrollment="2025-07-01-preview"),
    CertificateModel.CERTIFICATE_AUTHORITY: ApiVersions(registry="2026-11-02-preview", enrollment="2026-11-01"),
}
"""Source: infra reference, section 4, rows "enrollment group" and "control plane"."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A target to be set up; namespace is None with the model none, and only then.

    policy is the credential policy's name, or that of the certificate policy under the authority. vault is the URL of
    the Key Vault without path, "" where the group's key goes nowhere; secret_name is what the key is kept as there.
    """

    model: CertificateModel
    provisioning: ResourceId
    hubs: tuple[ResourceId, ...]
    namespace: ResourceId | None = None
    authority: str = "certfleet"
    policy: str = "certfleet"
    validity_days: int = 30
    group: str = "certfleet"
    vault: str = ""
    secret_name: str = "dps-group-key"
    profile: str = "target"
    endpoint: str = adr.ENDPOINT
    versions: ApiVersions = field(default_factory=ApiVersions)

    @property
    def registry(self) -> ResourceId:
        """The namespace, where the model has one."""
        assert self.namespace is not None
        return self.namespace

    @property
    def namespace_address(self) -> Address:
        """Where the namespace is."""
        return Address(self.endpoint, str(self.registry), self.versions.registry)

    @property
    def provisioning_address(self) -> Address:
        """Where the provisioning service is."""
        return Address(self.endpoint, str(self.provisioning), self.versions.provisioning)

    def hub_address(self, hub: ResourceId) -> Address:
        """Where a hub is."""
        return Address(self.endpoint, str(hub), self.versions.hub)

    @property
    def issuer(self) -> Mapping[str, str]:
        """What the enrollment group says of who issues certificates. Source: infra reference, section 4."""
        match self.model:
            case CertificateModel.NONE:
                return {}
            case CertificateModel.CREDENTIAL_POLICY:
                return {"credentialPolicyName": self.policy}
            case CertificateModel.CERTIFICATE_AUTHORITY:
                return {
                    "namespaceName": self.registry.name,
                    "certificateAuthorityName": self.authority,
                    "certificatePolicyName": self.policy,
                }
