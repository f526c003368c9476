"""Every environment variable that the engine reads: typed, checked together, read once."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.errors import SettingsError

STATE_KEY_BYTES: Final = 64
"""An AES-SIV key of the largest size. Source: RFC 5297, section 2.2."""

_ADR: Final = {
    "ADR_SUBSCRIPTION_ID": "subscription",
    "ADR_RESOURCE_GROUP": "resourceGroup",
    "ADR_NAMESPACE": "namespace",
    "ADR_LOCATION": "location",
}
_PROVISIONING: Final = {name: name for name in ("PROVISIONING_HOST", "PROVISIONING_IDSCOPE", "PROVISIONING_SAS_KEY")}
_EMULATOR: Final = {name: name for name in ("LOCAL_EMULATOR", "LOCAL_GROUP_KEY")}
_STORES: Final = ("STORAGE_ACCOUNT_URL", "STORAGE_CONN_STR", "LOCAL_STORE")
_WORKERS: Final = "LOCAL_WORKERS"
_JOB: Final = "BATCH_JOB"
_LOCAL_STORES: Final = ("STORAGE_CONN_STR", "LOCAL_STORE")
_FLAGS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_CONTAINER: Final = "(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*"
_PREFIX: Final = "[A-Za-z0-9._:-]+(?:/[A-Za-z0-9._:-]+)*"
_HOST: Final = r"(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*"
_JOB_ID: Final = (
    r"(?i:/subscriptions/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/resourceGroups/[\w.()-]{1,90}"
    r"/providers/Microsoft\.App/jobs/[a-z][a-z0-9-]{0,30}[a-z0-9])"
)
"""Source: Azure, "Naming rules and restrictions for Azure resources": resourceGroups; Container Apps jobs."""

_LOOPBACK: Final = r"(?:127(?:\.[0-9]{1,3}){3}|\[::1\]|localhost)"
_INGESTION: Final = rf"(?i:https://[^\s/?#@]+|http://{_LOOPBACK}(?::[0-9]{{1,5}})?)/?"

_AUTH: Final = ("key", "entra")
_PRINCIPAL: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. Secrets and connection strings are left out of the repr.

    Of the three places to keep state exactly one is set: local_store (a directory), storage_conn_str (Azurite) or
    storage_account_url (Azure, by managed identity). targets and local_emulator are JSON texts,
    "" when there are none; allowed_hosts empty means `local` only. local_workers is the folder for the messages of
    worker processes on this machine, "" where there may be none; batch_job the resource id of the Container Apps job
    that runs them in Azure, "" where there is none; not both. state_key_old is the state key before, which may still
    open what it wrapped, b"" where there is none. api_auth is key or entra; allowed_principals empty means everybody of
    the tenant. appinsights_connection_string says where telemetry goes, "" where it stays; appinsights_auth is key, or
    entra where a managed identity's token goes with it, that of appinsights_client_id if there is one.
    """

    state_key: bytes = field(repr=False)
    state_key_old: bytes = field(default=b"", repr=False)
    storage_conn_str: str = field(default="", repr=False)
    storage_account_url: str = ""
    local_store: str = ""
    storage_container_name: str = "scale"
    results_container_name: str = "results"
    counter_blob_prefix: str = "counter"
    device_data_blob_prefix: str = "data"
    provisioning_host: str = ""
    provisioning_idscope: str = ""
    provisioning_sas_key: str = field(default="", repr=False)
    adr: Mapping[str, str] = field(default_factory=dict)
    targets: str = ""
    allowed_hosts: tuple[str, ...] = ()
    default_target: str = "local"
    local_emulator: str = ""
    local_group_key: str = field(default="", repr=False)
    local_onboarding_ca: str = field(default="", repr=False)
    max_devices: int = 100_000
    min_file_descriptors: int = 65_536
    strict_fd_check: bool = False
    retention_days: int = 0
    claim_lease_s: float = 30.0
    local_workers: str = ""
    batch_job: str = ""
    azure_client_id: str = ""
    api_auth: str = "key"
    allowed_principals: tuple[str, ...] = ()
    appinsights_connection_string: str = field(default="", repr=False)
    appinsights_auth: str = "key"
    appinsights_client_id: str = ""
    is_in_azure: bool = False

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """The settings of an environment. Raises SettingsError with every variable that is missing or wrong."""
        reader = _Reader(environ)
        fields = {
            **_storage(reader),
            **_targets(reader),
            **_running(reader),
            **_access(reader),
            **_telemetry(reader),
        }
        if reader.problems:
            raise SettingsError(reader.problems)
        return cls(**fields)


def is_in_azure(environ: Mapping[str, str]) -> bool:
    """Whether the environment is an app's in Azure, and not the same app's on somebody's machine.

    Source: Azure Functions, "App settings reference": AZURE_FUNCTIONS_ENVIRONMENT is Development under the local
    tools; App Service, "Environment variables": WEBSITE_INSTANCE_ID; Container Apps jobs: CONTAINER_APP_JOB_NAME.
    """
    environment = environ.get("AZURE_FUNCTIONS_ENVIRONMENT", "")
    hosts = ("WEBSITE_INSTANCE_ID", "CONTAINER_APP_JOB_NAME")
    return environment != "Development" and bool(environment or any(environ.get(name) for name in hosts))


def _storage(reader: "_Reader") -> dict[str, Any]:
    """Where state lies, and what protects it."""
    given = [name for name in _STORES if reader.text(name)]
    if len(given) != 1:
        expected = f"expected exactly one of {', '.join(_STORES)} as the place of all state"
        reader.problems[given[-1] if given else _STORES[0]] = f"{expected}, found {len(given)}"
    for name in _LOCAL_STORES:
        if name in given and is_in_azure(reader.environ):
            reader.problems[name] = "refused in Azure: use STORAGE_ACCOUNT_URL and a managed identity"
    return {
        "state_key": reader.state_key("STATE_KEY", needed=True),
        "state_key_old": reader.state_key("STATE_KEY_OLD", needed=False),
        "storage_conn_str": reader.text("STORAGE_CONN_STR"),
        "storage_account_url": reader.url("STORAGE_ACCOUNT_URL"),
        "local_store": reader.text("LOCAL_STORE"),
        "storage_container_name": reader.container("STORAGE_CONTAINER_NAME", "scale"),
        "results_container_name": reader.container("RESULTS_CONTAINER_NAME", "results"),
        "counter_blob_prefix": reader.prefix("COUNTER_BLOB_PREFIX", "counter"),
        "device_data_blob_prefix": reader.prefix("DEVICE_DATA_BLOB_PREFIX", "data"),
        "azure_client_id": reader.text("AZURE_CLIENT_ID"),
    }


def _targets(reader: "_Reader") -> dict[str, Any]:
    """Which services runs may talk to."""
    provisioning = reader.group(_PROVISIONING, "the target profile env")
    if reader.text("LOCAL_EMULATOR"):
        reader.group(_EMULATOR, "the target profile local")
        if is_in_azure(reader.environ):
            reader.problems["LOCAL_EMULATOR"] = (
                "refused in Azure: the emulator, and what it is exempt from, are not there"
            )
    return {
        "provisioning_host": provisioning.get("PROVISIONING_HOST", ""),
        "provisioning_idscope": provisioning.get("PROVISIONING_IDSCOPE", ""),
        "provisioning_sas_key": reader.group_key("PROVISIONING_SAS_KEY"),
        "adr": reader.group(_ADR, "the device registry of the target profile env"),
        "targets": reader.json_or_file("TARGETS"),
        "allowed_hosts": reader.hosts("ALLOWED_HOSTS"),
        "default_target": reader.text("DEFAULT_TARGET") or "local",
        "local_emulator": reader.json("LOCAL_EMULATOR"),
        "local_group_key": reader.group_key("LOCAL_GROUP_KEY"),
        "local_onboarding_ca": reader.group_key("LOCAL_ONBOARDING_CA"),
    }


def _running(reader: "_Reader") -> dict[str, Any]:
    """How large runs may be, and how they are started and kept alive."""
    if reader.text(_WORKERS) and is_in_azure(reader.environ):
        reader.problems[_WORKERS] = f"refused in Azure: workers run on a machine of their own there, see {_JOB}"
    elif reader.text(_WORKERS) and reader.text(_JOB):
        reader.problems[_JOB] = f"expected at most one of {_WORKERS} and {_JOB} as the place of workers, found both"
    return {
        "max_devices": reader.number("MAX_DEVICES", 100_000, most=10_000_000),
        "min_file_descriptors": reader.number("MIN_FILE_DESCRIPTORS", 65_536, most=2**31 - 1),
        "strict_fd_check": reader.flag("STRICT_FD_CHECK"),
        "retention_days": reader.number("RETENTION_DAYS", 0, least=0, most=3650),
        "local_workers": reader.text(_WORKERS),
        "batch_job": reader.job(_JOB),
        "claim_lease_s": reader.seconds("CLAIM_LEASE", "30s", least_s=5, most_s=600),
        "is_in_azure": is_in_azure(reader.environ),
    }


def _access(reader: "_Reader") -> dict[str, Any]:
    """Who may call the API.

    Source: App Service, "Environment variables and app settings", authentication: WEBSITE_AUTH_ENABLED.
    """
    found = reader.word("API_AUTH", _AUTH)
    is_guarded = is_in_azure(reader.environ) and reader.text("WEBSITE_AUTH_ENABLED").lower() == "true"
    answers = not reader.text("CONTAINER_APP_JOB_NAME")  # a worker has no API that could be open
    if found == "entra" and answers and not is_guarded:
        # Nobody else takes away the headers that name a principal: whoever likes could send them.
        reader.problems["API_AUTH"] = "entra needs App Service authentication, and WEBSITE_AUTH_ENABLED is not True"
    return {"api_auth": found, "allowed_principals": reader.principals("ALLOWED_PRINCIPALS")}


def _telemetry(reader: "_Reader") -> dict[str, Any]:
    """Where telemetry goes, and as whom.

    Source: Azure Monitor, "Connection strings in Application Insights"; "Microsoft Entra authentication for
    Application Insights": APPLICATIONINSIGHTS_AUTHENTICATION_STRING.
    """
    where, how = "APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"
    text = reader.text(where)
    parts = reader.pairs(where)
    if text and not re.fullmatch(_PRINCIPAL, parts.get("instrumentationkey", "")):
        reader.problems[where] = "expected InstrumentationKey=..., an id in lower case, and IngestionEndpoint=..."
    elif text and not re.fullmatch(_INGESTION, parts.get("ingestionendpoint", "")):
        reader.problems[where] = "expected an IngestionEndpoint with https, or with http on loopback"
    auth = reader.pairs(how)
    client_id = auth.get("clientid", "").lower()
    is_entra = auth.get("authorization", "").lower() == "aad"
    if reader.text(how) and (not is_entra or (client_id and not re.fullmatch(_PRINCIPAL, client_id))):
        reader.problems[how] = "expected Authorization=AAD, and ClientId=... with an id where one is meant"
    return {
        "appinsights_connection_string": text,
        "appinsights_auth": "entra" if is_entra else "key",
        "appinsights_client_id": client_id,
    }


class _Reader:
    """Reads variables one by one and remembers what is wrong; blanks around a value are not part of it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: dict[str, str] = {}

    def text(self, name: str) -> str:
        """The variable's value, "" when it is missing or empty."""
        return self.environ.get(name, "").strip()

    def checked(self, name: str, default: str, *, pattern: str, expected: str) -> str:
        """The value, which must match the pattern as a whole."""
        value = self.text(name) or default
        if value and not re.fullmatch(pattern, value):
            self.problems[name] = f"expected {expected}, found {value!r}"
        return value

    def url(self, name: str) -> str:
        """A URL without a query; a wrong one is not repeated, it may end in a signature."""
        value = self.text(name)
        if value and not re.fullmatch(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?", value):
            self.problems[name] = "expected a URL without a query"
        return value

    def container(self, name: str, default: str) -> str:
        """The name of a blob container."""
        return self.checked(name, default, pattern=_CONTAINER, expected="a container name of 3 to 63 a-z, 0-9 and -")

    def prefix(self, name: str, default: str) -> str:
        """What the names of blobs begin with."""
        return self.checked(name, default, pattern=_PREFIX, expected="words of letters, digits, ., _, : and -")

    def job(self, name: str) -> str:
        """The resource id of a Container Apps job."""
        form = "/subscriptions/{id}/resourceGroups/{group}/providers/Microsoft.App/jobs/{job}"
        return self.checked(name, "", pattern=_JOB_ID, expected=f"a resource id of the form {form}")

    def state_key(self, name: str, *, needed: bool) -> bytes:
        """A key that wraps device keys at rest, b"" where it is missing."""
        value = self.text(name)
        if not value and not needed:
            return b""
        if not value:
            self.problems[name] = f"missing: base64 of {STATE_KEY_BYTES} bytes that wrap device keys at rest"
            return b""
        key = self._decode(name, value)
        if key is not None and len(key) != STATE_KEY_BYTES:
            self.problems[name] = f"expected base64 of {STATE_KEY_BYTES} bytes, found {len(key)} bytes"
        return key or b""

    def group_key(self, name: str) -> str:
        """A group's secret in base64, which stays text."""
        value = self.text(name)
        if value:
            self._decode(name, value)
        return value

    def word(self, name: str, words: Sequence[str]) -> str:
        """One of these words, the first when it is missing."""
        value = self.text(name).lower() or words[0]
        if value not in words:
            self.problems[name] = f"expected {' or '.join(words)}, found {value!r}"
        return value

    def principals(self, name: str) -> tuple[str, ...]:
        """Ids of principals in lower case, separated by commas or blanks."""
        found = tuple(self.text(name).lower().replace(",", " ").split())
        if wrong := [principal for principal in found if not re.fullmatch(_PRINCIPAL, principal)]:
            self.problems[name] = f"expected object or application ids, which are GUIDs, found {', '.join(wrong)}"
        return found

    def flag(self, name: str) -> bool:
        """A yes or no, false when it is missing."""
        value = self.text(name).lower() or "false"
        if value not in _FLAGS:
            self.problems[name] = f"expected true or false, found {value!r}"
        return _FLAGS.get(value, False)

    def number(self, name: str, default: int, *, least: int = 1, most: int) -> int:
        """A whole number from least to most."""
        value = self.text(name) or str(default)
        number = int(value) if re.fullmatch("[0-9]{1,12}", value) else -1
        if not least <= number <= most:
            self.problems[name] = f"expected a whole number from {least} to {most}, found {value!r}"
        return number

    def seconds(self, name: str, default: str, *, least_s: int, most_s: int) -> float:
        """A duration such as "30s" or "2m", in seconds."""
        value = self.text(name) or default
        match = re.fullmatch("([0-9]{1,6})(s|m)", value)
        seconds = int(match[1]) * (60 if match[2] == "m" else 1) if match else 0
        if not least_s <= seconds <= most_s:
            self.problems[name] = f'expected a duration from "{least_s}s" to "{most_s}s", found {value!r}'
        return float(seconds)

    def hosts(self, name: str) -> tuple[str, ...]:
        """Host names in lower case, separated by commas or blanks; a leading `*.` stands for any labels."""
        hosts = tuple(self.text(name).lower().replace(",", " ").split())
        if wrong := [host for host in hosts if not re.fullmatch(_HOST, host)]:
            self.problems[name] = f"expected host names, alone or after a leading *., found {', '.join(wrong)}"
        return hosts

    def pairs(self, name: str) -> dict[str, str]:
        """Values by name in lower case, of `Name=value;Name=value`; {} where it is something else."""
        parts = [part.split("=") for part in self.text(name).split(";")]
        return {pair[0].strip().lower(): pair[1].strip() for pair in parts} if all(len(p) == 2 for p in parts) else {}

    def json(self, name: str) -> str:
        """The text of a JSON object, "" when it is missing."""
        return self._object(name, self.text(name))

    def json_or_file(self, name: str) -> str:
        """The text of a JSON object that is the value, or that the file holds which the value names."""
        value = self.text(name)
        if not value or value.startswith("{"):
            return self._object(name, value)
        try:
            return self._object(name, Path(value).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            self.problems[name] = f"neither a JSON object nor a readable file: {type(error).__name__}"
            return ""

    def group(self, variables: Mapping[str, str], purpose: str) -> dict[str, str]:
        """The values of variables that belong together, by the names given; all of them or none."""
        found = {name: self.text(variable) for variable, name in variables.items() if self.text(variable)}
        for variable, name in variables.items():
            if found and name not in found:
                self.problems[variable] = f"missing: {purpose} needs {', '.join(variables)}"
        return found

    def _object(self, name: str, text: str) -> str:
        try:
            is_object = not text or isinstance(json.loads(text), dict)
        except (ValueError, RecursionError):
            is_object = False
        if not is_object:
            self.problems[name] = "expected a JSON object"
        return text

    def _decode(self, name: str, value: str) -> bytes | None:
        if value.startswith("@Microsoft.KeyVault("):
            self.problems[name] = "the Key Vault reference was not resolved: check the identity's access and the secret"
            return None
        try:
            return base64.b64decode(value, validate=True)
        except ValueError:
            self.problems[name] = "expected base64, found something else"
            return None
