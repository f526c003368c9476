"""Target profiles: what they say, whom they allow, and what is refused at start."""

import json
from typing import Any

import pytest

from engine.errors import SpecError
from engine.plan.target import (
    ENV_SECRET,
    LOCAL_SECRET,
    Attestation,
    DpsTransport,
    Faults,
    Http,
    Targets,
    env_profile,
    parse_targets,
)
from engine.protocol.adr import ENDPOINT

DPS = {"host": "global.azure-devices-provisioning.net", "idScope": "0ne00000001", "secret": "dps-group-key"}
STAGING: dict[str, Any] = {
    "dps": [{**DPS, "transport": "mqtt", "attestation": "symmetric-key-group"}],
    "hubs": ["contoso-test.azure-devices.net"],
    "http": {"url": "https://probe.contoso.example:8443/health"},
    "adr": {"subscription": "s-1", "resourceGroup": "rg(1)", "namespace": "ns", "location": "westeurope"},
    "quotas": {"dps.registrations": 2000, "hub.connects": 100},
    "ceilings": {"devices": 5000, "ratePerSecond": 50, "duration": "8h", "costUsd": 20},
}
HOSTS = ("global.azure-devices-provisioning.net", "*.azure-devices.net", "probe.contoso.example")
EMULATOR = {"host": "127.0.0.1", "port": 18883, "idScope": "0ne1", "caFile": "/tmp/ca.pem"}


def parsed(profiles: object, **more: Any) -> Targets:
    """The targets of these profiles, with every host they use allowed."""
    return parse_targets(json.dumps(profiles), **{"allowed_hosts": HOSTS, **more})


def problems(profiles: object, **more: Any) -> dict[str, str]:
    """What is wrong with these profiles, message by path."""
    with pytest.raises(SpecError) as caught:
        parsed(profiles, **more)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_targets_hold_what_a_profile_says():
    """A profile is read as written, with MQTT, group keys and port 8883 where it says nothing."""
    targets = parsed({"staging": STAGING, "small": {"dps": [DPS]}}, default="staging")
    staging, small = targets.by_name["staging"], targets.by_name["small"]
    assert targets.default == "staging"
    assert targets.get("nobody") is None
    assert staging.profile.ceilings.duration_s == 28_800
    assert staging.profile.adr is not None
    assert staging.profile.adr.resource_group == "rg(1)"
    assert small.profile.dps[0].transport is DpsTransport.MQTT
    assert small.profile.dps[0].attestation is Attestation.SYMMETRIC_KEY_GROUP
    assert small.profile.port == 8883
    assert small.profile.ceilings.devices is None


def test_targets_of_nothing_are_none():
    """Without profiles there is no target at all, and the default is local all the same."""
    targets = parse_targets("", allowed_hosts=())
    assert not targets.by_name
    assert targets.default == "local"


def test_target_allows_what_is_listed():
    """An assigned hub outside the list is not allowed, whatever else the profile names."""
    staging = parsed({"staging": STAGING}, local=json.dumps(EMULATOR)).by_name["staging"]
    assert staging.allows("other.azure-devices.net")
    assert not staging.allows("evil.example")
    assert not staging.allows("127.0.0.1")


def test_local_allows_the_emulators_own_hosts_and_this_machine():
    """The list is not needed for it, and still nobody can send its devices anywhere else."""
    facts = {**EMULATOR, "host": "emulator", "hubs": ["hub-1", "hub-2.localhost"]}
    local = parsed({}, local=json.dumps(facts)).by_name["local"]
    assert all(local.allows(host) for host in ("emulator", "hub-1", "HUB-1.", "hub-3.localhost", "127.0.0.1", "::1"))
    assert local.allows("other.azure-devices.net")
    assert not any(local.allows(host) for host in ("evil.example", "hub-3", "hub-1.evil.example", "10.0.0.1"))


def test_targets_outside_the_allow_list_are_refused():
    """Every host of a profile is checked when the server starts."""
    found = problems({"staging": STAGING}, allowed_hosts=())
    assert found == {
        "/staging/dps/0/host": "global.azure-devices-provisioning.net is not in ALLOWED_HOSTS",
        "/staging/hubs/0": "contoso-test.azure-devices.net is not in ALLOWED_HOSTS",
        "/staging/http/url": "probe.contoso.example is not in ALLOWED_HOSTS",
    }


@pytest.mark.parametrize(
    ("profile", "paths"),
    [
        ({"dps": [{"host": "h:1", "idScope": "", "secret": "a b"}]},
         {"/x/dps/0/host", "/x/dps/0/idScope", "/x/dps/0/secret"}),
        ({"dps": [{**DPS, "secretValue": "c2VjcmV0"}]}, {"/x/dps/0/secretValue"}),
        ({"dps": [{**DPS, "transport": "amqp", "attestation": "tpm"}]}, {"/x/dps/0/transport", "/x/dps/0/attestation"}),
        ({"hubs": ["-a", "a..b", "a\n", "a" * 254]}, {"/x/hubs/0", "/x/hubs/1", "/x/hubs/2", "/x/hubs/3"}),
        ({"http": {"url": "https://user:pw@probe.contoso.example/"}}, {"/x/http/url"}),
        ({"http": {"url": "ftp://probe.contoso.example/"}}, {"/x/http/url"}),
        ({"http": {"url": "https://probe.contoso.example:65536/"}}, {"/x/http/url"}),
        ({"adr": {**STAGING["adr"], "endpoint": "https://probe.contoso.example:0"}}, {"/x/adr/endpoint"}),
        ({"quotas": {"dps.registration": 1}}, {"/x/quotas"}),
        ({"quotas": {"dps.registrations": 0}}, {"/x/quotas"}),
        ({"ceilings": {"devices": 0, "ratePerSecond": 0, "duration": 5, "costUsd": -1}},
         {"/x/ceilings/devices", "/x/ceilings/ratePerSecond", "/x/ceilings/duration", "/x/ceilings/costUsd"}),
        ({"port": 0, "caFile": "a\nb"}, {"/x/port", "/x/caFile"}),
        ({"adr": {}}, {"/x/adr/subscription", "/x/adr/resourceGroup", "/x/adr/namespace", "/x/adr/location"}),
        ({"faults": {}, "control": "http://127.0.0.1:1"}, {"/x/faults", "/x/control"}),
        (7, {"/x"}),
    ],
)  # fmt: skip
def test_targets_refuse_what_a_profile_cannot_say(profile: object, paths: set[str]):
    """Every wrong, unknown or forbidden field of a profile is a problem at its place, all at once."""
    assert problems({"x": profile}).keys() == paths


def test_targets_do_not_repeat_a_secret_in_the_wrong_place():
    """Whoever puts the key where its name belongs does not find it in the log."""
    found = problems({"x": {"dps": [{**DPS, "secret": "c2VjcmV0=="}]}})
    assert found == {"/x/dps/0/secret": "expected a string of another form"}


def test_targets_refuse_names_that_settings_make():
    """local and env come from settings of their own."""
    assert problems({"local": {}, "env": {}}).keys() == {"/local", "/env"}


def test_targets_refuse_an_unknown_default():
    """The default must exist, unless it is local, which another machine may have."""
    assert problems({"x": {}}, default="y") == {"": "the default target y is not a profile"}


def test_targets_refuse_what_is_no_document():
    """A text that is no JSON object is refused like any document, also when it holds a lone surrogate."""
    for text in ("[]", "{", '{"\ud800": 1}', '{"a": {}, "a": {}}'):
        with pytest.raises(SpecError):
            parse_targets(text, allowed_hosts=())


def test_env_profile_is_made_of_the_old_variables():
    """Host and id scope make the profile env; the key is named, not held."""
    registry = STAGING["adr"]
    targets = parsed({}, env=env_profile(DPS["host"], "0ne1", registry))
    env = targets.by_name["env"].profile
    assert env.dps[0].secret == ENV_SECRET
    assert env.dps[0].id_scope == "0ne1"
    assert env.hubs == ()
    assert env.adr is not None
    assert env_profile("", "", {}) is None
    assert "adr" not in (env_profile("h", "s", {}) or {})


def test_local_profile_is_made_of_the_emulators_facts():
    """The emulator's facts make the profile local, whose hub is the same host unless others are named."""
    local = parse_targets("", allowed_hosts=(), local=json.dumps(EMULATOR)).by_name["local"]
    assert local.is_local
    assert (local.profile.port, local.profile.ca_file) == (18883, "/tmp/ca.pem")
    assert local.profile.hubs == ("127.0.0.1",)
    assert local.profile.dps[0].secret == LOCAL_SECRET
    named = {**EMULATOR, "hubs": ["hub-1", "hub-2"], "control": "http://127.0.0.1:1", "faults": {"throttled": 0.2}}
    local = parse_targets("", allowed_hosts=(), local=json.dumps(named)).by_name["local"]
    assert local.profile.hubs == ("hub-1", "hub-2")
    assert local.profile.control == "http://127.0.0.1:1"


def test_local_profile_serves_everything_at_one_port():
    """Pages, WebSockets and the device registry are where DPS is, unless the facts say otherwise."""
    local = parse_targets("", allowed_hosts=(), local=json.dumps(EMULATOR)).by_name["local"].profile
    assert local.web_port == 18883
    assert local.http == Http(url="https://127.0.0.1:18883/")
    assert local.adr is not None
    assert local.adr.endpoint == "https://127.0.0.1:18883"
    assert {local.adr.subscription, local.adr.resource_group, local.adr.namespace, local.adr.location} == {"local"}
    moved = {**EMULATOR, "webPort": 443, "http": {"url": "https://127.0.0.1/page"}}
    local = parse_targets("", allowed_hosts=(), local=json.dumps(moved)).by_name["local"].profile
    assert (local.web_port, local.http) == (443, Http(url="https://127.0.0.1/page"))


def test_registry_outside_the_allow_list_is_refused():
    """Azure's own endpoint needs no entry, because it is not the profile's to choose; any other does."""
    own = {**STAGING, "adr": {**STAGING["adr"], "endpoint": "https://arm.example:8443"}}
    assert problems({"x": own}) == {"/x/adr/endpoint": "arm.example is not in ALLOWED_HOSTS"}
    targets = parsed({"x": own}, allowed_hosts=(*HOSTS, "arm.example"))
    assert targets.by_name["x"].profile.adr.host == "arm.example"
    assert parsed({"x": STAGING}).by_name["x"].profile.adr.endpoint == ENDPOINT


def test_local_profile_refuses_a_key_among_its_facts():
    """The group key has a variable of its own."""
    assert "/local/groupKey" in problems({}, local=json.dumps({**EMULATOR, "groupKey": "a2V5"}))
    assert "/local/dps/0/host" in problems({}, local="{}")


def test_faults_are_written_as_the_emulator_reads_them():
    """Faults keep their wire names, with everything that does not happen as zero."""
    faults = Faults.model_validate({"issueDelay": "150ms", "throttled": 0.2, "dps.throttled": 1})
    assert faults.to_json() == {
        "issueDelay": "150ms", "retryAfter": "1s", "throttled": 0.2, "conflict": 0, "server": 0, "lost": 0,
        "dropped": 0, "unusable": 0, "dps.throttled": 1, "adr.throttled": 0, "adr.server": 0, "adr.failed": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("dps.registrations", 4_000),
        ("hub.connects", 300),
        ("dps.stored", 2_000_000),
        ("adr.devices", 10_000),
        ("cert.issue", None),
    ],
)
def test_target_quota_sums_over_the_services(name: str, total: float | None):
    """A quota is each service's; several of them take as much more, and what is unknown stays unknown."""
    profile = {**STAGING, "dps": [DPS, DPS], "hubs": ["a.azure-devices.net"] * 3}
    assert parsed({"x": profile}).by_name["x"].quota(name) == total


def test_target_quota_of_local_is_only_what_it_names():
    """The emulator has no limits but those it is given."""
    local = parse_targets("", allowed_hosts=(), local=json.dumps({**EMULATOR, "quotas": {"cert.issue": 60}}))
    assert local.by_name["local"].quota("cert.issue") == 60
    assert local.by_name["local"].quota("dps.registrations") is None


def test_target_without_a_hub_counts_one():
    """A profile that lists no hub has the one that DPS assigns."""
    assert parsed({"x": {}}).by_name["x"].quota("hub.connects") == 100


def test_target_public_shows_no_secret():
    """Hosts, quotas and ceilings are public; secrets' names, files and the subscription are not."""
    targets = parsed({"staging": STAGING}, local=json.dumps({**EMULATOR, "control": "http://127.0.0.1:1"}))
    shown = targets.by_name["staging"].public()
    assert shown["name"] == "staging"
    assert shown["dps"] == [{name: value for name, value in STAGING["dps"][0].items() if name != "secret"}]
    assert shown["hubs"] == STAGING["hubs"]
    assert shown["ceilings"] == STAGING["ceilings"]
    assert shown["quotas"] == STAGING["quotas"]
    signed = parsed({"x": {"http": {"url": "https://probe.contoso.example/page?sig=canary"}}}).by_name["x"].public()
    assert signed["http"] == {"url": "https://probe.contoso.example/page"}
    text = json.dumps([target.public() for target in targets.by_name.values()])
    assert not any(hidden in text for hidden in ("secret", "group-key", "caFile", "control", "s-1"))


def test_service_api_is_where_the_profile_says_and_allowed():
    """It takes the app's own token, so its host is judged like any other; nobody is asked where none is named."""
    named = {"dps": [{**DPS, "serviceHost": "contoso.azure-devices-provisioning.net"}]}
    found = parsed({"x": named}, allowed_hosts=(*HOSTS, "*.azure-devices-provisioning.net")).by_name["x"]
    assert found.profile.dps[0].service_host == "contoso.azure-devices-provisioning.net"
    assert found.public()["dps"][0]["serviceHost"] == "contoso.azure-devices-provisioning.net"
    refused = "contoso.azure-devices-provisioning.net is not in ALLOWED_HOSTS"
    assert problems({"x": named}) == {"/x/dps/0/serviceHost": refused}
    assert parsed({"x": {"dps": [DPS]}}).by_name["x"].profile.dps[0].service_host is None


@pytest.mark.parametrize(
    ("url", "host"), [("http://a.example", "a.example"), ("https://a.example:1/x", "a.example"), ("https://b/", "b")]
)
def test_http_host_is_the_urls(url: str, host: str):
    """The host that the allow-list judges is the URL's, without its port."""
    assert Http.model_validate({"url": url}).host == host
