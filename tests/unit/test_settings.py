"""Every environment variable, typed and checked together."""

import base64
import dataclasses
from pathlib import Path

import pytest

from engine.errors import SettingsError
from engine.settings import Settings, is_in_azure

STATE_KEY = base64.b64encode(bytes(range(64))).decode()
GROUP_KEY = base64.b64encode(b"group key").decode()
OLD_KEY = base64.b64encode(bytes(64)).decode()
PRINCIPAL = "0f4ab1c2-0000-4000-8000-00000000000f"
INGESTION = "InstrumentationKey=0f4ab1c2-0000-4000-8000-0000000000aa;IngestionEndpoint="
CONNECTION, AUTHENTICATION = "APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"
LEAST = {"STATE_KEY": STATE_KEY, "LOCAL_STORE": "/var/state"}
AZURE = {
    "STATE_KEY": STATE_KEY,
    "STORAGE_ACCOUNT_URL": "https://x.blob.core.windows.net",
    "WEBSITE_INSTANCE_ID": "1",
}


def problems(environ: dict[str, str]) -> dict[str, str]:
    """What is wrong with an environment, message by variable."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(environ)
    return caught.value.problems


def test_settings_need_a_key_and_a_place():
    """With a key and one store, everything else has its default."""
    settings = Settings.from_env(LEAST)
    assert settings == Settings(state_key=bytes(range(64)), local_store="/var/state")
    assert (settings.storage_container_name, settings.results_container_name) == ("scale", "results")
    assert (settings.counter_blob_prefix, settings.device_data_blob_prefix) == ("counter", "data")
    assert (settings.max_devices, settings.min_file_descriptors, settings.strict_fd_check) == (100_000, 65_536, False)
    assert (settings.default_target, settings.claim_lease_s, settings.allowed_hosts) == ("local", 30.0, ())


def test_settings_name_what_is_missing_and_what_for():
    """An empty environment is told everything it needs, in one error."""
    found = problems({})
    assert found == {
        "STORAGE_ACCOUNT_URL": "expected exactly one of STORAGE_ACCOUNT_URL, STORAGE_CONN_STR, LOCAL_STORE "
        "as the place of all state, found 0",
        "STATE_KEY": "missing: base64 of 64 bytes that wrap device keys at rest",
    }


def test_settings_read_every_variable():
    """Each variable has its field; blanks around values are not part of them."""
    registry = {"subscription": "s", "resourceGroup": "r", "namespace": "n", "location": "l"}
    settings = Settings.from_env({
        **AZURE,
        "STORAGE_CONTAINER_NAME": " scale-2 ",
        "RESULTS_CONTAINER_NAME": "res",
        "COUNTER_BLOB_PREFIX": "a/b",
        "DEVICE_DATA_BLOB_PREFIX": "d",
        "AZURE_CLIENT_ID": "0-0",
        "PROVISIONING_HOST": "global.example",
        "PROVISIONING_IDSCOPE": "0ne",
        "PROVISIONING_SAS_KEY": GROUP_KEY,
        "ADR_SUBSCRIPTION_ID": "s",
        "ADR_RESOURCE_GROUP": "r",
        "ADR_NAMESPACE": "n",
        "ADR_LOCATION": "l",
        "TARGETS": ' {"staging": {}}',
        "ALLOWED_HOSTS": "*.Azure-Devices.net, global.example\tother",
        "DEFAULT_TARGET": "staging",
        "LOCAL_GROUP_KEY": GROUP_KEY,
        "LOCAL_ONBOARDING_CA": GROUP_KEY,
        "MAX_DEVICES": "10000000",
        "MIN_FILE_DESCRIPTORS": "1024",
        "STRICT_FD_CHECK": "True",
        "RETENTION_DAYS": "90",
        "CLAIM_LEASE": "2m",
        "STATE_KEY_OLD": OLD_KEY,
        "API_AUTH": "Entra",
        "WEBSITE_AUTH_ENABLED": "True",
        "ALLOWED_PRINCIPALS": f"{PRINCIPAL.upper()}, {PRINCIPAL}",
        CONNECTION: f"{INGESTION}https://region.example/",
        AUTHENTICATION: f"Authorization=AAD;ClientId={PRINCIPAL}",
    })  # fmt: skip
    assert settings == Settings(
        state_key=bytes(range(64)),
        storage_account_url="https://x.blob.core.windows.net",
        storage_container_name="scale-2",
        results_container_name="res",
        counter_blob_prefix="a/b",
        device_data_blob_prefix="d",
        azure_client_id="0-0",
        provisioning_host="global.example",
        provisioning_idscope="0ne",
        provisioning_sas_key=GROUP_KEY,
        adr=registry,
        targets='{"staging": {}}',
        allowed_hosts=("*.azure-devices.net", "global.example", "other"),
        default_target="staging",
        local_group_key=GROUP_KEY,
        local_onboarding_ca=GROUP_KEY,
        max_devices=10_000_000,
        min_file_descriptors=1024,
        strict_fd_check=True,
        retention_days=90,
        claim_lease_s=120.0,
        state_key_old=bytes(64),
        api_auth="entra",
        allowed_principals=(PRINCIPAL, PRINCIPAL),
        appinsights_connection_string=f"{INGESTION}https://region.example/",
        appinsights_auth="entra",
        appinsights_client_id=PRINCIPAL,
        is_in_azure=True,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STATE_KEY", "not base64!"),
        ("STATE_KEY", base64.b64encode(bytes(32)).decode()),
        ("STATE_KEY", "@Microsoft.KeyVault(SecretUri=https://v/secrets/k)"),
        ("STORAGE_CONTAINER_NAME", "Scale"),
        ("STORAGE_CONTAINER_NAME", "ab"),
        ("RESULTS_CONTAINER_NAME", "a--b"),
        ("COUNTER_BLOB_PREFIX", "/a"),
        ("DEVICE_DATA_BLOB_PREFIX", "a b"),
        ("TARGETS", "[]"),
        ("TARGETS", "{"),
        ("TARGETS", "/no/such/file.json"),
        ("TARGETS", "no\0file"),
        ("ALLOWED_HOSTS", "a.example https://b.example"),
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", "a.*.example"),
        ("LOCAL_GROUP_KEY", "not base64!"),
        ("LOCAL_ONBOARDING_CA", "-----BEGIN PRIVATE KEY-----"),
        ("MAX_DEVICES", "0"),
        ("MAX_DEVICES", "10000001"),
        ("MAX_DEVICES", "many"),
        ("MAX_DEVICES", "1e3"),
        ("MIN_FILE_DESCRIPTORS", "-1"),
        ("STRICT_FD_CHECK", "maybe"),
        ("RETENTION_DAYS", "-1"),
        ("RETENTION_DAYS", "3651"),
        ("RETENTION_DAYS", "a year"),
        ("TARGETS", "[" * 100_000),
        ("CLAIM_LEASE", "30"),
        ("CLAIM_LEASE", "4s"),
        ("CLAIM_LEASE", "11m"),
        ("STATE_KEY_OLD", "not base64!"),
        ("STATE_KEY_OLD", base64.b64encode(bytes(32)).decode()),
        ("API_AUTH", "none"),
        ("API_AUTH", "entra"),
        ("ALLOWED_PRINCIPALS", "somebody@contoso.example"),
    ],
)
def test_settings_refuse_what_a_variable_cannot_be(name: str, value: str):
    """A wrong value is refused under its variable's name, and nothing of a secret is repeated."""
    found = problems({**LEAST, name: value})
    assert found.keys() == {name}
    if name.endswith("_KEY"):
        assert value not in found[name]


@pytest.mark.parametrize("url", ["x.blob.core.windows.net", "https://x/?sig=abc", "ftp://x", "https://"])
def test_settings_refuse_an_account_that_is_no_url(url: str):
    """The account's URL carries no signature, and a refused one is not repeated."""
    found = problems({"STATE_KEY": STATE_KEY, "STORAGE_ACCOUNT_URL": url})
    assert found == {"STORAGE_ACCOUNT_URL": "expected a URL without a query"}


def test_settings_refuse_two_places():
    """State lies in one place."""
    found = problems({**LEAST, "STORAGE_CONN_STR": "UseDevelopmentStorage=true"})
    assert found["LOCAL_STORE"].endswith("found 2")


@pytest.mark.parametrize("name", ["STORAGE_CONN_STR", "LOCAL_STORE"])
def test_settings_refuse_local_places_in_azure(name: str):
    """A connection string is a key, and an instance's disk is gone with it."""
    found = problems({"STATE_KEY": STATE_KEY, "WEBSITE_INSTANCE_ID": "1", name: "x"})
    assert found == {name: "refused in Azure: use STORAGE_ACCOUNT_URL and a managed identity"}


def test_settings_have_the_emulator_on_this_machine_only():
    """Whatever its facts name needs no entry in the allow-list, so in Azure there is none."""
    given = {"LOCAL_EMULATOR": '{"host": "127.0.0.1"}', "LOCAL_GROUP_KEY": GROUP_KEY}
    assert Settings.from_env({**LEAST, **given}).local_emulator == '{"host": "127.0.0.1"}'
    assert problems({**AZURE, **given}).keys() == {"LOCAL_EMULATOR"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"WEBSITE_AUTH_ENABLED": "False"},
        {"WEBSITE_AUTH_ENABLED": "1"},
        {"WEBSITE_AUTH_ENABLED": "True", "AZURE_FUNCTIONS_ENVIRONMENT": "Development"},
    ],
)
def test_entra_needs_a_platform_that_checks_tokens(more: dict[str, str]):
    """Headers that name a principal are proof only where App Service puts them there."""
    found = problems({**AZURE, **more, "API_AUTH": "entra"})
    assert found == {"API_AUTH": "entra needs App Service authentication, and WEBSITE_AUTH_ENABLED is not True"}


def test_entra_of_an_app_does_not_keep_its_workers_from_work():
    """A job has the app's settings, no API, and no App Service."""
    job = {**LEAST, "LOCAL_STORE": "", "STORAGE_ACCOUNT_URL": AZURE["STORAGE_ACCOUNT_URL"]}
    assert Settings.from_env({**job, "CONTAINER_APP_JOB_NAME": "workers", "API_AUTH": "entra"}).api_auth == "entra"


def test_settings_have_a_folder_for_workers_on_this_machine_only():
    """In Azure a worker would share an instance that the platform scales by other loads."""
    assert Settings.from_env({**LEAST, "LOCAL_WORKERS": "/var/logs"}).local_workers == "/var/logs"
    assert problems({**AZURE, "LOCAL_WORKERS": "/var/logs"}).keys() == {"LOCAL_WORKERS"}


JOB = "/subscriptions/0f4ab1c2-0000-4000-8000-000000000001/resourceGroups/Fleet_(1).rg/providers/Microsoft.App/jobs/w-1"


def test_settings_name_the_job_whose_replicas_are_workers():
    """In Azure and elsewhere; Resource Manager does not tell capital letters from small ones."""
    assert Settings.from_env({**AZURE, "BATCH_JOB": f" {JOB} "}).batch_job == JOB
    assert Settings.from_env({**LEAST, "BATCH_JOB": JOB.lower()}).batch_job == JOB.lower()


@pytest.mark.parametrize(
    "wrong",
    [
        "fleet-worker",
        JOB.replace("/jobs/", "/containerApps/"),
        JOB + "/executions/w-1-abc",
        JOB.removesuffix("w-1"),
        JOB.replace("0f4ab1c2", "0f4ab1c"),
        JOB + "?api-version=1",
    ],
)
def test_settings_refuse_a_job_that_is_no_resource_id(wrong: str):
    """The form is named."""
    found = problems({**AZURE, "BATCH_JOB": wrong})
    assert found.keys() == {"BATCH_JOB"}
    assert "/subscriptions/{id}/resourceGroups/{group}/providers/Microsoft.App/jobs/{job}" in found["BATCH_JOB"]


def test_settings_have_one_place_for_workers():
    """A job and this machine at once would be two answers to where they run."""
    found = problems({**LEAST, "LOCAL_WORKERS": "/var/logs", "BATCH_JOB": JOB})
    expected = "expected at most one of LOCAL_WORKERS and BATCH_JOB as the place of workers, found both"
    assert found == {"BATCH_JOB": expected}


@pytest.mark.parametrize(
    ("environ", "is_azure"),
    [
        ({}, False),
        ({"WEBSITE_INSTANCE_ID": "1"}, True),
        ({"CONTAINER_APP_JOB_NAME": "batch"}, True),
        ({"AZURE_FUNCTIONS_ENVIRONMENT": "Production"}, True),
        ({"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}, False),
        ({"AZURE_FUNCTIONS_ENVIRONMENT": "Development", "WEBSITE_INSTANCE_ID": "1"}, False),
    ],
)
def test_azure_is_told_by_its_variables(environ: dict[str, str], is_azure: bool):
    """An instance or a job in Azure says so, and the local tools say Development."""
    assert is_in_azure(environ) is is_azure


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"PROVISIONING_HOST": "h"}, {"PROVISIONING_IDSCOPE", "PROVISIONING_SAS_KEY"}),
        ({"PROVISIONING_HOST": "h", "PROVISIONING_IDSCOPE": "s"}, {"PROVISIONING_SAS_KEY"}),
        ({"PROVISIONING_SAS_KEY": GROUP_KEY}, {"PROVISIONING_HOST", "PROVISIONING_IDSCOPE"}),
        ({"ADR_NAMESPACE": "n"}, {"ADR_SUBSCRIPTION_ID", "ADR_RESOURCE_GROUP", "ADR_LOCATION"}),
        ({"LOCAL_EMULATOR": "{}"}, {"LOCAL_GROUP_KEY"}),
    ],
)
def test_settings_that_belong_together_come_together(given: dict[str, str], missing: set[str]):
    """Some of a group name the others, and what they are for."""
    found = problems({**LEAST, **given})
    assert found.keys() == missing
    assert all(text.startswith("missing: the ") for text in found.values())


def test_settings_take_a_group_key_alone():
    """The emulator's key may lie there before the emulator does."""
    assert Settings.from_env({**LEAST, "LOCAL_GROUP_KEY": GROUP_KEY}).local_group_key == GROUP_KEY


def test_settings_read_targets_from_a_file(tmp_path: Path):
    """TARGETS may be the path of a JSON file."""
    path = tmp_path / "targets.json"
    path.write_text('{"staging": {}}', encoding="utf-8")
    assert Settings.from_env({**LEAST, "TARGETS": str(path)}).targets == '{"staging": {}}'
    path.write_bytes(b"\xff")
    assert problems({**LEAST, "TARGETS": str(path)}).keys() == {"TARGETS"}
    path.write_text("[]", encoding="utf-8")
    assert problems({**LEAST, "TARGETS": str(path)}) == {"TARGETS": "expected a JSON object"}


def test_settings_keep_secrets_to_themselves():
    """Neither keys nor a connection string are in the repr."""
    settings = Settings.from_env({
        "STATE_KEY": STATE_KEY, "STORAGE_CONN_STR": "AccountKey=abc", "LOCAL_GROUP_KEY": GROUP_KEY,
        "PROVISIONING_HOST": "h", "PROVISIONING_IDSCOPE": "s", "PROVISIONING_SAS_KEY": GROUP_KEY,
    })  # fmt: skip
    hidden = {field.name for field in dataclasses.fields(settings) if not field.repr}
    keys = {"state_key", "state_key_old", "provisioning_sas_key", "local_group_key", "local_onboarding_ca"}
    assert hidden == {*keys, "storage_conn_str", "appinsights_connection_string"}
    assert not any(secret in repr(settings) for secret in (GROUP_KEY, "AccountKey", repr(bytes(range(64)))))


def test_account_url_that_holds_a_signature_is_not_repeated():
    """What is wrong with the URL may be a secret, so the message leaves it out."""
    found = problems({"STATE_KEY": STATE_KEY, "STORAGE_ACCOUNT_URL": "https://x.blob.core.windows.net/?sig=canary"})
    assert "canary" not in str(found)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://westeurope-5.in.applicationinsights.azure.com/",
        "https://region.example/;LiveEndpoint=https://live.example/;ApplicationId=0-0",
        "http://127.0.0.1:4319/",
        "http://localhost:4319",
        "http://[::1]:4319/",
    ],
)
def test_settings_take_a_connection_string(endpoint: str):
    """As Azure gives it, or with http on this machine; it is never shown."""
    settings = Settings.from_env({**LEAST, CONNECTION: INGESTION + endpoint})
    assert settings.appinsights_connection_string == INGESTION + endpoint
    assert (settings.appinsights_auth, settings.appinsights_client_id) == ("key", "")
    assert "0000000000aa" not in repr(settings)


@pytest.mark.parametrize(
    "text",
    [
        "0f4ab1c2-0000-4000-8000-0000000000aa",
        "InstrumentationKey=0f4ab1c2-0000-4000-8000-0000000000aa",
        "IngestionEndpoint=https://region.example/",
        "InstrumentationKey=canary;IngestionEndpoint=https://region.example/",
        INGESTION,
        f"{INGESTION}region.example",
        f"{INGESTION}http://region.example/",
        f"{INGESTION}http://127.0.0.1.example/",
        f"{INGESTION}http://127.0.0.1@region.example/",
        f"{INGESTION}https://region.example/;",
        f"{INGESTION}https://region.example/?a=b",
    ],
)
def test_settings_refuse_a_connection_string_that_leads_nowhere(text: str):
    """Or that the SDK could not read; nothing of it is repeated."""
    found = problems({**LEAST, CONNECTION: text})
    assert found.keys() == {CONNECTION}
    assert all(secret not in found[CONNECTION] for secret in ("0f4ab1c2", "canary", "region.example"))


@pytest.mark.parametrize(
    ("text", "client_id"),
    [
        ("Authorization=AAD", ""),
        (f"ClientId={PRINCIPAL.upper()};Authorization=AAD", PRINCIPAL),
        (f" authorization=aad;clientid={PRINCIPAL} ", PRINCIPAL),
    ],
)
def test_settings_tell_whose_token_goes_with_telemetry(text: str, client_id: str):
    """A managed identity's, the one that is named if one is."""
    settings = Settings.from_env({**LEAST, AUTHENTICATION: text})
    assert (settings.appinsights_auth, settings.appinsights_client_id) == ("entra", client_id)


@pytest.mark.parametrize(
    "text", ["AAD", "Authorization=key", f"ClientId={PRINCIPAL}", "Authorization=AAD;ClientId=me", "Authorization=AAD;"]
)
def test_settings_refuse_an_authentication_they_do_not_know(text: str):
    """Telemetry that would be refused is found out at the beginning."""
    assert problems({**LEAST, AUTHENTICATION: text}).keys() == {AUTHENTICATION}
