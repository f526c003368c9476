"""What a target is made of in Azure: namespace, provisioning service, hubs, enrollment groups, a Key Vault's secrets.

Documents and refusals are as the infra reference tells of them in section 4, errors in each service's own form. What
it leaves open is as strict as it can be: a link that is there may neither be sent again nor be left out.
"""

import base64
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SUBSCRIPTION, GROUP = "0f4ab1c2-0000-4000-8000-000000000001", "rg-target"
PROVIDERS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers"
NAMESPACE_ID = f"{PROVIDERS}/Microsoft.DeviceRegistry/namespaces/adr-one"
DPS_ID = f"{PROVIDERS}/Microsoft.Devices/provisioningServices/dps-one"
HUB_IDS = tuple(f"{PROVIDERS}/Microsoft.Devices/IotHubs/iot-{n}" for n in (1, 2))
ARM, DPS, VAULT = "management.azure.com", "dps-one.azure-devices-provisioning.net", "kv-one.vault.azure.net"
OPERATIONS = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Devices/operations"
GROUP_KEY = base64.b64encode(b"canary: the key of the enrollment group, which nobody may see").decode()

VERSIONS = {
    "none": ("2026-03-01-preview", "2021-10-01"),
    "credentialPolicy": ("2026-03-01-preview", "2025-07-01-preview"),
    "certificateAuthority": ("2026-11-02-preview", "2026-11-01"),
}
"""Of the registry's and of the enrollment groups' API."""

type Found = tuple[int, dict[str, str], Any]


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.status, self.document = status, document


def of_arm(status: int, code: str, message: str = "as documented") -> Refused:
    """An error in the form of Resource Manager and of the registry."""
    return Refused(status, {"error": {"code": code, "message": message}})


def of_dps(status: int, code: int) -> Refused:
    """An error in the form of the provisioning service's own API."""
    return Refused(status, {"errorCode": code, "trackingId": "t", "message": "as documented", "timestampUtc": "now"})


@dataclass(slots=True)
class Services:
    """The services' state. Tests set what it does, and read what was asked.

    link_failures: by resource name, the codes that its next links fail with; link_looks, how often a link is seen
    under way. ends_failed: the namespace fails although all is linked, and for ever with stays_failed. not_pushed,
    no_role and no_vault_role: how many writes of a group, requests of groups, requests of the vault are refused.
    sync_failures: codes that the next synchronisations end with.
    """

    model: str = "certificateAuthority"
    link_failures: dict[str, deque[str]] = field(default_factory=dict)
    link_looks: int = 1
    ends_failed: bool = False
    stays_failed: bool = False
    not_pushed: int = 1
    no_role: int = 0
    no_vault_role: int = 0
    sync_failures: deque[str] = field(default_factory=deque)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[str, list[str]] = field(default_factory=dict)
    synchronized: int = 0
    is_pushed: bool = False
    _looks: dict[str, int] = field(default_factory=dict)
    _operations: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        is_gen2 = self.model == "credentialPolicy"
        own = {"type": "UserAssigned"} if is_gen2 else {"type": "SystemAssigned", "principalId": "p"}
        hosts = {each: f"{each.rsplit('/', 1)[-1]}.azure-devices.net" for each in HUB_IDS}
        for hub, host in hosts.items():
            registry = {"namespaceResourceId": NAMESPACE_ID} if is_gen2 else {}
            properties = {"hostName": host, "state": "Active", "deviceRegistry": registry}
            sku = {"name": "GEN2" if is_gen2 else "S1", "capacity": 1}
            self.resources[hub] = {"location": "westeurope", "sku": sku, "identity": own, "properties": properties}
        service: dict[str, Any] = {
            "idScope": "0ne00000001",
            "deviceProvisioningHostName": "global.azure-devices-provisioning.net",
            "serviceOperationsHostName": DPS,
            "iotHubs": [{"name": host} for host in hosts.values()],
        }
        if is_gen2:
            service["deviceRegistryNamespace"] = {"resourceId": NAMESPACE_ID}
        if self.model == "certificateAuthority":
            service["iotHubs"] = []
        self.resources[DPS_ID] = {
            "location": "westeurope",
            "tags": {"of": "bicep"},
            "identity": own,
            "properties": service,
        }
        if self.model != "none":
            self.resources[NAMESPACE_ID] = {
                "location": "westeurope",
                "tags": {"of": "bicep"},
                "identity": {"type": "SystemAssigned", "principalId": "n"},
                "properties": {"provisioningState": "Succeeded"},
            }
        if is_gen2:
            self.resources[f"{NAMESPACE_ID}/credentials/default/policies/certfleet"] = {"properties": {}}

    @property
    def links(self) -> dict[str, dict[str, Any]]:
        """Every endpoint of the namespace, by the resource's name."""
        properties = self.resources[NAMESPACE_ID]["properties"]
        sections = [properties.get(name, {}).get("endpoints", {}) for name in ("messaging", "provisioning")]
        return {each["resourceId"].rsplit("/", 1)[-1]: each for section in sections for each in section.values()}

    def link_all(self) -> None:
        """The namespace is linked, as it is after a first setup."""
        endpoint = {"inboundCallerIdentity": {"type": "SystemAssigned"}, "linkingState": "Linked"}
        properties = self.resources[NAMESPACE_ID]["properties"]
        hubs = {each.rsplit("/", 1)[-1]: {**endpoint, "resourceId": each} for each in HUB_IDS}
        properties["messaging"] = {"endpoints": hubs}
        properties["provisioning"] = {"endpoints": {"dps-one": {**endpoint, "resourceId": DPS_ID}}}

    def manage(self, method: str, path: str, body: Any) -> Found:
        """Resource Manager. Raises Refused."""
        if path.startswith(OPERATIONS):
            return self._operation(path.rsplit("/", 1)[-1])
        if path.endswith("/credentials/default/synchronize") and method == "POST":
            return self._synchronize()
        if method == "GET":
            if path not in self.resources:
                raise of_arm(404, "ResourceNotFound")
            return 200, {}, self._shown(path)
        if method == "PATCH" and set(body) == {"tags"}:
            return self._tagged(path, body["tags"])
        if path == NAMESPACE_ID:
            return self._linked(method, body)
        if method == "PUT":
            return self._made(path, body)
        raise of_arm(405, "MethodNotAllowed")

    def _shown(self, path: str) -> dict[str, Any]:
        if path == NAMESPACE_ID and self.model == "certificateAuthority":
            self._go_on()
        return self.resources[path]

    def _go_on(self) -> None:
        """Links that are under way get on with each look at the namespace."""
        links = self.links
        for name, endpoint in links.items():
            if endpoint["linkingState"] != "Linking":
                continue
            self._looks[name] = self._looks.get(name, self.link_looks) - 1
            if self._looks[name] >= 0:
                continue
            del self._looks[name]
            if codes := self.link_failures.get(name):
                endpoint |= {"linkingState": "Failed", "linkingError": {"code": codes.popleft(), "message": "x"}}
            else:
                endpoint |= {"linkingState": "Linked"}
        states = {endpoint["linkingState"] for endpoint in links.values()}
        properties = self.resources[NAMESPACE_ID]["properties"]
        if properties["provisioningState"] == "Updating" and "Linking" not in states:
            properties["provisioningState"] = "Failed" if self.ends_failed or "Failed" in states else "Succeeded"

    def _linked(self, method: str, body: dict[str, Any]) -> Found:
        namespace = self.resources[NAMESPACE_ID]
        given = body["properties"]
        sent = {name: given.get(name, {}).get("endpoints", {}) for name in ("messaging", "provisioning")}
        names = {each["resourceId"].rsplit("/", 1)[-1] for section in sent.values() for each in section.values()}
        linked = {name for name, each in self.links.items() if each["linkingState"] == "Linked"}
        if names & linked:
            raise of_arm(409, "LinkedEndpointImmutable")
        if method == "PUT":
            if linked:
                raise of_arm(409, "LinkedEndpointRemoved")
            if set(body) != {"location", "tags", "identity", "properties"}:
                raise of_arm(400, "InvalidRequestContent")
            namespace |= {"tags": body["tags"], "identity": body["identity"] | {"principalId": "n"}}
            namespace["properties"] = {}
        for name, section in sent.items():
            held = namespace["properties"].setdefault(name, {}).setdefault("endpoints", {})
            for key, each in section.items():
                self._check(name, each)
                held[key] = {**each, "linkingState": "Linking"}
        namespace["properties"]["provisioningState"] = "Updating"
        return 201, {"Azure-AsyncOperation": self._begun("Failed")}, namespace

    def _check(self, section: str, endpoint: dict[str, Any]) -> None:
        kind = "Microsoft.Devices/IotHubs" if section == "messaging" else "Microsoft.Devices/provisioningServices"
        fields = {"endpointType", "resourceId", "inboundCallerIdentity"} | ({"provisioning"} & set(endpoint))
        is_whole = set(endpoint) == fields and ("provisioning" in endpoint) == (section == "messaging")
        if endpoint.get("endpointType") != kind or endpoint["resourceId"] not in self.resources or not is_whole:
            raise of_arm(400, "InvalidEndpoint")

    def _tagged(self, path: str, tags: dict[str, str]) -> Found:
        resource = self.resources[path]
        resource["tags"] = tags
        if path == DPS_ID:
            self.is_pushed = True
        if path == NAMESPACE_ID and not self.stays_failed:
            resource["properties"]["provisioningState"] = "Succeeded"
        return 202, {"Location": self._begun("Succeeded"), "Retry-After": "3"}, None

    def _made(self, path: str, body: dict[str, Any]) -> Found:
        """Certificate authorities and their policies."""
        if any(each["linkingState"] != "Linked" for each in self.links.values()) or not self.links:
            raise of_arm(409, "NamespaceNotLinked")
        if "location" not in body:
            raise of_arm(400, "LocationRequired")
        parent, kind, _ = path.rsplit("/", 2)
        properties = body["properties"]
        if kind == "certificatePolicies":
            if self.resources.get(parent, {}).get("properties", {}).get("certificateAuthorityType") != "ICA":
                raise of_arm(409, "PolicyRequiresIssuingCa")
        elif properties["certificateAuthorityType"] == "ICA":
            root = self.resources.get(properties["issuer"]["certificateAuthorityResourceId"], {})
            if root.get("properties", {}).get("provisioningState") != "Succeeded":
                raise of_arm(409, "RootNotReady")
        self.resources[path] = {**body, "properties": {**properties, "provisioningState": "Succeeded"}}
        return 201, {"Azure-AsyncOperation": self._begun("Succeeded")}, self.resources[path]

    def _synchronize(self) -> Found:
        self.synchronized += 1
        ends = self.sync_failures.popleft() if self.sync_failures else "Succeeded"
        return 202, {"Azure-AsyncOperation": self._begun(ends)}, None

    def _begun(self, ends: str) -> str:
        """Where an operation is told of: under way once, then so; ends that is no state is the code of a failure."""
        name = f"operation-{len(self._operations)}"
        self._operations[name] = ["InProgress", ends]
        return f"https://{ARM}{OPERATIONS}/{name}?api-version=2026-01-01"

    def _operation(self, name: str) -> Found:
        states = self._operations[name]
        state = states.pop(0) if len(states) > 1 else states[0]
        if state == "InProgress":
            return 202, {"Retry-After": "2"}, {"status": state}
        if state in ("Succeeded", "Failed"):
            return 200, {}, {"status": state}
        return 200, {}, {"status": "Failed", "error": {"code": state, "message": "as documented"}}

    def enroll(self, method: str, path: str, body: Any) -> Found:
        """The provisioning service's own API. Raises Refused."""
        if self.no_role:
            self.no_role -= 1
            raise of_dps(403, 403000)
        _, _, name, *rest = path.split("/")
        if method != "PUT" and name not in self.groups:
            raise of_dps(404, 404201)
        if rest == ["attestationmechanism"] and method == "POST":
            return 200, {}, {"type": "symmetricKey", "symmetricKey": {"primaryKey": GROUP_KEY, "secondaryKey": "x"}}
        if method == "PUT":
            self._check_group(body)
            self.groups[name] = body
        return 200, {}, self.groups[name]

    def _check_group(self, body: dict[str, Any]) -> None:
        if self.model == "certificateAuthority":
            if not self.is_pushed or self.not_pushed:
                self.not_pushed -= self.is_pushed
                raise of_dps(400, 400004)
            authority = f"{NAMESPACE_ID}/certificateAuthorities/{body['certificateAuthorityName']}"
            if f"{authority}/certificatePolicies/{body['certificatePolicyName']}" not in self.resources:
                raise of_dps(400, 400300)
        if (self.model == "credentialPolicy") != ("credentialPolicyName" in body):
            raise of_dps(400, 400301)
        if body["attestation"] != {"type": "symmetricKey"} or body["provisioningStatus"] != "enabled":
            raise of_dps(400, 400302)

    def keep(self, method: str, path: str, body: Any) -> Found:
        """The Key Vault. Raises Refused."""
        if self.no_vault_role:
            self.no_vault_role -= 1
            inner = {"code": "ForbiddenByRbac"}
            raise Refused(403, {"error": {"code": "Forbidden", "message": json.dumps(body), "innererror": inner}})
        _, _, name, *rest = path.split("/")
        versions = self.secrets.setdefault(name, [])
        if method == "PUT":
            versions.append(body["value"])
            return 200, {}, {"value": body["value"], "id": f"https://{VAULT}/secrets/{name}/1"}
        if rest == ["versions"]:
            return 200, {}, {"value": [{"id": each} for each in range(len(versions[:1]))]}
        if not versions:
            raise of_arm(404, "SecretNotFound")
        return 200, {}, {"value": versions[-1]}
