"""Mistakes planted into the real templates, one at a time: what is replaced by what, and what has to be said of it."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.project import ROOT

BESIDE: Final = ("azure.yaml",)
"""What is checked together with the folder infra."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Replaces the first text that matches a pattern in a file of infra, and is told of with a code.

    at is a pattern too, of the text after the replacement, where the finding is on another line than the change, and
    says_in another file where it is in there. Mistakes that only Azure's types show need them.
    """

    path: str
    pattern: str
    becomes: str
    code: str
    at: str = ""
    says_in: str = ""
    needs_types: bool = False


def copy_of_project(folder: Path) -> Path:
    """The templates and what they have to agree with, in another folder."""
    shutil.copytree(ROOT / "infra", folder / "infra")
    for name in BESIDE:
        shutil.copy(ROOT / name, folder / name)
    return folder


def plant(mistake: Mistake, folder: Path) -> tuple[str, int, str]:
    """Make the mistake; file, line and code of what has to be found."""
    path = folder / mistake.path
    before = path.read_text(encoding="utf-8")
    place = re.search(mistake.pattern, before, re.MULTILINE)
    assert place is not None, f"{mistake.path} has nothing like {mistake.pattern}"
    after = before[: place.start()] + place.expand(mistake.becomes) + before[place.end() :]
    path.write_text(after, encoding="utf-8")
    said_in = mistake.says_in or mistake.path
    text = (folder / said_in).read_text(encoding="utf-8")
    start = place.start()
    if mistake.at:
        found = re.search(mistake.at, text, re.MULTILINE)
        assert found is not None, f"{said_in} has nothing like {mistake.at}"
        start = found.start()
    return said_in, text[:start].count("\n") + 1, mistake.code


def _typed(path: str, pattern: str, becomes: str, code: str, at: str = "") -> Mistake:
    return Mistake(path, pattern, becomes, code, at, needs_types=True)


STORAGE, ALERT, VAULT = (f"infra/platform/{name}.bicep" for name in ("storage", "alert", "vault"))
MONITORING, QUERIES = (f"infra/platform/{name}.bicep" for name in ("monitoring", "queries"))
FUNCTION, JOB, ACCESS, SETTINGS = (
    f"infra/app/{name}.bicep" for name in ("function", "batch-job", "access", "settings")
)
MAIN, GIVEN, TARGET = "infra/main.bicep", "infra/main.parameters.json", "infra/target/main.bicep"

MISTAKES: Final[dict[str, Mistake]] = {
    # What the compiler would say
    "broken syntax": Mistake(VAULT, r"^param location string", "param location =", "syntax"),
    "unknown name": Mistake(VAULT, r"networkAccess == 'Enabled'", "networkAcess == 'Enabled'", "BCP057"),
    "unknown function": Mistake(ACCESS, r"guid\(vault\.id", "uid(vault.id", "BCP057"),
    "duplicate name": Mistake(STORAGE, r"^var graceDays", "var name = 1\nvar graceDays", "BCP028"),
    "unused parameter": Mistake(
        VAULT,
        r"^@description",
        "@description('Optional. Nothing.')\nparam idle int = 1\n\n@description",
        "no-unused-params",
        at="^param idle",
    ),
    "unused variable": Mistake(STORAGE, r"^var graceDays", "var idle = 1\nvar graceDays", "no-unused-vars"),
    "unknown module parameter": Mistake(MAIN, r"networkAccess: reachable\n", "networkAcces: reachable\n", "BCP037"),
    "missing module parameter": Mistake(MAIN, r"^    containers: \[.*\n", "", "BCP035", at="^module storage"),
    "number for a text": Mistake(MAIN, r"dailyQuotaGb: telemetryQuotaGb", "dailyQuotaGb: 10", "BCP033"),
    "word that is not allowed": Mistake(
        MAIN, r"'Disabled' : 'Enabled'", "'Off' : 'Enabled'", "BCP033", at="networkAccess: reachable"
    ),
    "default out of bounds": Mistake(MAIN, r"param telemetryDays int = \d+", "param telemetryDays int = 7", "BCP328"),
    "unknown output of a module": Mistake(
        MAIN, r"storage\.outputs\.blobEndpoint", "storage.outputs.blobAddress", "BCP053"
    ),
    "missing module file": Mistake(MAIN, r"'platform/vault\.bicep'", "'platform/vaults.bicep'", "BCP091"),
    "module without its scope": Mistake(MAIN, r"(module storage .*\n.*\n)  scope: group\n", r"\1", "BCP134"),
    "file that nobody deploys": Mistake(
        MAIN, r"^module queries [^}]*\}\n\}\n", "", "unused-module", at=r"\A", says_in=QUERIES
    ),
    # What Azure's types say
    "wrong property": _typed(STORAGE, r"allowSharedKeyAccess: false", "allowSharedKeys: false", "BCP037"),
    "mis-cased property": _typed(
        FUNCTION, r"instanceMemoryMB:", "instanceMemoryMb:", "BCP037", at=r"scaleAndConcurrency: "
    ),
    "missing required property": _typed(STORAGE, r"^  kind: 'StorageV2'\n", "", "BCP035", at=r"^resource account"),
    "missing property inside": _typed(JOB, r"^      replicaTimeout: .*\n", "", "BCP035", at="^    configuration: "),
    "word that Azure does not know": _typed(
        STORAGE, r"minimumTlsVersion: 'TLS1_2'", "minimumTlsVersion: 'TLS1.2'", "BCP088"
    ),
    "word behind a name": _typed(
        STORAGE, r"'Allow' : 'Deny'", "'Allow' : 'Denied'", "BCP088", at="defaultAction: otherwise"
    ),
    "number out of range": _typed(ALERT, r"severity: 2", "severity: 9", "BCP328"),
    "days out of range": _typed(VAULT, r"softDeleteRetentionInDays: 7", "softDeleteRetentionInDays: 700", "BCP328"),
    "text for a flag": _typed(VAULT, r"enablePurgeProtection: true", "enablePurgeProtection: 'true'", "BCP036"),
    "read-only property": _typed(
        STORAGE, r"accessTier: 'Hot'", "accessTier: 'Hot'\n    creationTime: ''", "BCP073", at="creationTime"
    ),
    "wrong API version": _typed(VAULT, r"vaults@2024-11-01'", "vaults@2021-11-01'", "BCP081"),
    "unknown resource type": _typed(VAULT, r"Microsoft\.KeyVault/vaults@", "Microsoft.KeyVaults/vault@", "BCP081"),
    "wrong parent": _typed(STORAGE, r"parent: blobs", "parent: account", "BCP036"),
    "unknown member": _typed(VAULT, r"vault\.properties\.vaultUri", "vault.properties.uri", "BCP053"),
    "untagged resource": _typed(STORAGE, r"^  tags: tags\n", "", "untagged", at="^resource account"),
    # Our own rules
    "undescribed parameter": Mistake(VAULT, r"^@description\('Required\. Where[^\n]*\n", "", "undescribed"),
    "required and yet with a default": Mistake(
        MONITORING, r"'Optional\. How many days", "'Required. How many days", "undescribed", at="^param retentionDays"
    ),
    "parameter that is not given": Mistake(
        GIVEN, r'^.*"vnetEnabled".*\n', "", "parameter-not-given", at="^param vnetEnabled", says_in=MAIN
    ),
    "parameter left over": Mistake(GIVEN, r'"vnetEnabled"', '"vnetWanted"', "parameter-left-over"),
    "two defaults of a parameter": Mistake(GIVEN, r"REGISTRY_SKU=Basic", "REGISTRY_SKU=Premium", "parameter-default"),
    "wrong role id": Mistake(ACCESS, r"7f951dda-4ed3", "7f951ddb-4ed3", "role-unknown"),
    "id of another role": Mistake(
        ACCESS, r"= '4633458b-17de-408a-b874-0445c86b69e6'", "= 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'", "role-name"
    ),
    "missing role": Mistake(
        ACCESS, r"^resource workerRegistry (?:.*\n)+?\}\n", "", "role-missing", at="^param workerPrincipalId"
    ),
    "role too many": Mistake(
        ACCESS,
        r"var functionOnStorage = \[",
        "var functionOnStorage = [storageBlobDataContributor, ",
        "role-surplus",
        at="^resource functionStorage",
    ),
    "role to somebody else": Mistake(
        ACCESS,
        r"(resource workerVault (?:.*\n)+?    principalId: )workerPrincipalId",
        r"\1functionPrincipalId",
        "role-missing",
        at="^param workerPrincipalId",
    ),
    "no principal type": Mistake(
        ACCESS,
        r"(resource workerVault (?:.*\n)+?)    principalType: .*\n",
        r"\1",
        "principal-type",
        at="^resource workerVault",
    ),
    "role assigned elsewhere": Mistake(
        VAULT,
        r"\Z",
        "\nresource everybody 'Microsoft.Authorization/roleAssignments@2022-04-01' = {\n  scope: vault\n"
        "  name: 'all'\n  properties: { principalId: name, principalType: 'User', roleDefinitionId: vault.id }\n}\n",
        "role-place",
        at="^resource everybody",
    ),
    "listKeys": Mistake(STORAGE, r"= account\.name", "= account.listKeys().keys[0].value", "list-keys"),
    "key in an output": Mistake(
        STORAGE,
        r"\Z",
        "\n@description('The key.')\noutput accountKey string = account.properties.primaryLocation\n",
        "secret-output",
        at="^output accountKey",
    ),
    "secure parameter in an output": Mistake(
        VAULT,
        r"\Z",
        "\n@secure()\n@description('Required. A word.')\nparam word string\n"
        "\n@description('It.')\noutput word string = word\n",
        "secret-output",
        at="^output word",
    ),
    "secret with a default": Mistake(
        VAULT,
        r"\Z",
        "\n@secure()\n@description('Optional. A word.')\nparam word string = newGuid()\n",
        "secure-default",
        at="^param word",
    ),
    "secret that is not secure": Mistake(
        VAULT,
        r"\Z",
        "\n@description('Required. A word.')\nparam adminPassword string\n",
        "secret-parameter",
        at="^param admin",
    ),
    "key in a literal": Mistake(SETTINGS, r"value: 'counter'", "value: 'AccountKey=abc'", "secret-literal"),
    "setting that nobody reads": Mistake(SETTINGS, r"'STRICT_FD_CHECK'", "'STRICT_FD_CHECKS'", "setting-unread"),
    "setting that is not given to the app": Mistake(
        FUNCTION, r"^.*'API_AUTH'.*\n", "", "setting-not-given", at="^resource app"
    ),
    "setting that is not given to the job": Mistake(
        JOB, r"^.*'AZURE_CLIENT_ID'.*\n", "", "setting-not-given", at="^resource job"
    ),
    "setting of one machine only": Mistake(
        SETTINGS, r"'STORAGE_ACCOUNT_URL'", "'STORAGE_CONN_STR'", "setting-misplaced"
    ),
    "identity of another provider": Mistake(
        FUNCTION, r"type: 'UserAssigned', user", "type: 'SystemAssigned,UserAssigned', user", "identity-kind"
    ),
    "missing file of loadTextContent": Mistake(QUERIES, r"queries/01-runs\.kql", "queries/01-run.kql", "BCP091"),
    "workbook that is no JSON": Mistake("infra/queries/workbook.json", r"\A\{", "{,", "json"),
    "service without a resource": Mistake("azure.yaml", r"^  worker:", "  workers:", "azd-service"),
    "resource without a service": Mistake(
        JOB, r"'azd-service-name': 'worker'", "'azd-service-name': 'job'", "azd-service"
    ),
    "model that the code has not": Mistake(
        TARGET, r"'credentialPolicy', 'certificateAuthority'\]", "'credentialPolicy']", "certificate-model"
    ),
}
