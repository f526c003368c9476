"""What `certfleet target setup` does with services that answer as the infra reference tells of them."""

import json
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from doubles.target_cloud import Trick
from doubles.target_services import DPS_ID, GROUP_KEY, HUB_IDS, NAMESPACE_ID
from engine.cli.arguments import parser
from engine.cli.commands import target
from engine.cli.errors import WrongUsage
from engine.cli.target.script import SetupFailed
from engine.plan.target import parse_targets
from tests.integration.target_scene import Scene, scene_of

MODELS = ("none", "credentialPolicy", "certificateAuthority")
CAUSES = (
    "AdrMiNotAuthorized",
    "LinkableResourceNotReady",
    "AuthorizationFailed",
    "LinkInitiateFailed",
    "NamespaceMiTokenAcquisitionFailed",
)
HOSTS = [
    "global.azure-devices-provisioning.net",
    "dps-one.azure-devices-provisioning.net",
    "iot-1.azure-devices.net",
    "iot-2.azure-devices.net",
]


def refused(scene: Scene, *more: str, **options: Any) -> str:
    """What a setup that fails says."""
    with pytest.raises(SetupFailed) as failed:
        scene.setup(*more, **options)
    return str(failed.value)


@pytest.mark.parametrize("model", MODELS)
def test_setup_makes_what_a_run_needs(model: str, capsys: pytest.CaptureFixture[str]):
    """The group is there with its issuer, its key is in the vault, and the settings find the target."""
    with scene_of(model) as scene:
        scene.setup("--json")
        found = json.loads(capsys.readouterr().out)
        assert found["ALLOWED_HOSTS"].split(",") == HOSTS
        targets = parse_targets(json.dumps(found["TARGETS"]), allowed_hosts=HOSTS)
        profile = targets.by_name["target"].profile
        assert (profile.dps[0].id_scope, profile.dps[0].secret) == ("0ne00000001", "dps-group-key")
        assert (profile.adr is None) == (model == "none")
        assert scene.services.secrets == {"dps-group-key": [GROUP_KEY]}
        group = scene.services.groups["certfleet"]
        issuers = {"credentialPolicyName", "namespaceName", "certificateAuthorityName", "certificatePolicyName"}
        assert {name: group[name] for name in issuers & set(group)} == {
            "none": {},
            "credentialPolicy": {"credentialPolicyName": "certfleet"},
            "certificateAuthority": {
                "namespaceName": "adr-one",
                "certificateAuthorityName": "certfleet",
                "certificatePolicyName": "certfleet",
            },
        }[model]
        assert scene.services.synchronized == (model == "credentialPolicy")


@pytest.mark.parametrize("model", MODELS)
def test_setup_again_changes_nothing(model: str):
    """The second time nothing is written, nothing is linked again, and the same is there."""
    with scene_of(model) as scene:
        scene.setup()
        before = json.dumps([scene.services.resources, scene.services.groups, scene.services.secrets])
        assert scene.cloud.writes
        scene.cloud.asked.clear()
        scene.setup()
        assert scene.cloud.writes == []
        assert json.dumps([scene.services.resources, scene.services.groups, scene.services.secrets]) == before


def test_tags_that_bicep_gave_stay():
    """What is changed by way of tags has all the tags that it had, and one of ours."""
    with scene_of("certificateAuthority", ends_failed=True) as scene:
        scene.setup()
        tags = {each: scene.services.resources[each]["tags"] for each in (NAMESPACE_ID, DPS_ID)}
        assert tags == {
            NAMESPACE_ID: {"of": "bicep", "certfleet-settled": "adr-one"},
            DPS_ID: {"of": "bicep", "certfleet-linked": "adr-one"},
        }


def test_namespace_that_is_linked_is_left_alone():
    """Where links are there already, they are neither sent again nor left out; what is missing is made."""
    with scene_of("certificateAuthority") as scene:
        scene.services.link_all()
        before = json.dumps(scene.services.resources[NAMESPACE_ID])
        scene.setup()
        assert json.dumps(scene.services.resources[NAMESPACE_ID]) == before
        assert not scene.cloud.count("PUT management", "adr-one")
        assert scene.services.groups


@pytest.mark.parametrize("code", CAUSES)
def test_links_that_fail_while_roles_arrive_are_asked_for_again(code: str):
    """Only the link that failed is sent again, after 30 s, and no link is lost."""
    with scene_of("certificateAuthority", link_failures={"iot-2": deque([code, code])}) as scene:
        scene.setup()
        assert {each["linkingState"] for each in scene.services.links.values()} == {"Linked"}
        assert (scene.cloud.count("PUT", "namespaces/adr-one"), scene.cloud.count("PATCH", "namespaces/adr-one")) == (
            1,
            2,
        )
        assert scene.clock.now() >= 60


def test_links_that_all_failed_are_put_anew():
    """Where nothing is linked yet the whole namespace is sent again."""
    failures = {name: deque(["AuthorizationFailed"]) for name in ("iot-1", "iot-2", "dps-one")}
    with scene_of("certificateAuthority", link_failures=failures) as scene:
        scene.setup()
        assert scene.cloud.count("PUT", "namespaces/adr-one") == 2
        assert not scene.cloud.count("PATCH", "namespaces/adr-one")


def test_links_are_asked_for_five_times_again_and_no_more():
    """A role that never arrives ends the setup, naming the cause."""
    with scene_of("certificateAuthority", link_failures={"iot-2": deque(["AuthorizationFailed"] * 99)}) as scene:
        assert refused(scene).endswith("failed 6 times: AuthorizationFailed")
        assert scene.cloud.count("P", "namespaces/adr-one") == 6


def test_link_that_fails_for_another_reason_is_final():
    """Nothing is sent again, and the code is told."""
    with scene_of("certificateAuthority", link_failures={"iot-1": deque(["HubSkuNotSupported"])}) as scene:
        assert "failed for good: iot-1: HubSkuNotSupported" in refused(scene)
        assert len(scene.cloud.writes) == 1


def test_link_that_never_ends_is_given_up_after_15_minutes():
    """The wait has a bound, on the clock that was given."""
    with scene_of("certificateAuthority", link_looks=10_000) as scene:
        assert "not there after 900 s" in refused(scene)
        assert 900 <= scene.clock.now() <= 960


def test_namespace_that_failed_with_all_links_recovers_by_its_tags():
    """It is pushed by its tags alone; where that does not help, the setup says so."""
    with scene_of("certificateAuthority", ends_failed=True) as scene:
        scene.setup()
        assert scene.services.resources[NAMESPACE_ID]["properties"]["provisioningState"] == "Succeeded"
        assert scene.cloud.count("PUT", "namespaces/adr-one") == 1
    with scene_of("certificateAuthority", ends_failed=True, stays_failed=True) as scene:
        assert "stays failed" in refused(scene)


@pytest.mark.parametrize("model", MODELS)
def test_roles_that_arrive_late_are_waited_for(model: str):
    """403000, 400004 and the vault's ForbiddenByRbac pass."""
    with scene_of(model, no_role=4, not_pushed=5, no_vault_role=3) as scene:
        scene.setup()
        assert scene.services.groups
        assert scene.services.secrets == {"dps-group-key": [GROUP_KEY]}


@pytest.mark.parametrize(
    ("lags", "told"),
    [({"no_role": 10_000}, "403 403000"), ({"not_pushed": 10_000}, "400 400004"), ({"no_vault_role": 9999}, "Officer")],
)
def test_roles_that_never_arrive_end_the_setup(lags: dict[str, int], told: str):
    """The wait has a bound, and what was missing is told."""
    with scene_of("certificateAuthority", **lags) as scene:
        assert told in refused(scene)
        assert scene.clock.now() < 1800


def test_synchronisation_that_fails_while_roles_arrive_is_repeated():
    """An operation that ended with a passing code is asked for again; with another one it is final."""
    with scene_of("credentialPolicy", sync_failures=deque(["AuthorizationFailed"])) as scene:
        scene.setup()
        assert scene.services.synchronized == 2
    with scene_of("credentialPolicy", sync_failures=deque(["PolicyBroken"])) as scene:
        assert "PolicyBroken" in refused(scene)


@pytest.mark.parametrize("model", MODELS)
def test_retry_after_is_kept(model: str):
    """A 429 is asked again no sooner than it says."""
    with scene_of(model) as scene:
        scene.cloud.trick("GET", "dps-one", Trick(429, "TooManyRequests", retry_after="77"))
        scene.setup()
        assert scene.clock.now() >= 77


@pytest.mark.parametrize("is_done", [True, False])
@pytest.mark.parametrize(
    ("method", "ending"),
    [
        ("GET", "namespaces/adr-one"),
        ("PUT", "namespaces/adr-one"),
        ("PUT", "certificateAuthorities/certfleet"),
        ("PATCH", "provisioningServices/dps-one"),
        ("PUT", "enrollmentGroups/certfleet"),
        ("POST", "attestationmechanism"),
        ("GET", "secrets/dps-group-key"),
        ("PUT", "secrets/dps-group-key"),
        ("GET", "operation-1"),
    ],
)
@pytest.mark.parametrize("status", [0, 503])
def test_answers_that_are_lost_leave_no_trace(method: str, ending: str, is_done: bool, status: int):
    """Whether the work was done or not, the end is that of an undisturbed setup."""
    with scene_of("certificateAuthority") as calm:
        calm.setup()
    with scene_of("certificateAuthority") as scene:
        scene.cloud.trick(method, ending, Trick(status, is_done=is_done))
        scene.setup()
        assert scene.services.resources == calm.services.resources
        assert scene.services.groups == calm.services.groups
        assert scene.services.secrets["dps-group-key"][-1] == GROUP_KEY


@pytest.mark.parametrize(("deployed", "asked"), [(one, other) for one in MODELS for other in MODELS if one != other])
def test_wrong_model_is_refused(deployed: str, asked: str):
    """What was deployed for one model is not touched for another."""
    with scene_of(deployed) as scene:
        said = refused(scene, model=asked)
        assert "does not fit" in said or "there is no namespace" in said
        assert scene.cloud.writes == []


def test_group_of_another_issuer_is_left_alone():
    """A group that exists and says something else of who issues is neither changed nor used."""
    with scene_of("certificateAuthority") as scene:
        scene.setup()
        scene.services.groups["certfleet"]["certificateAuthorityName"] = "another"
        scene.cloud.asked.clear()
        assert "is another one: namespaceName adr-one, certificateAuthorityName another" in refused(scene)
        assert scene.cloud.writes == []


def test_service_that_was_linked_just_now_is_pushed_though_the_group_is_there():
    """A group may be older than the link; registrations need the push all the same."""
    with scene_of("certificateAuthority") as scene:
        scene.setup()
        endpoints = scene.services.resources[NAMESPACE_ID]["properties"]["messaging"]["endpoints"]
        del endpoints["iot-2"]
        scene.services.is_pushed = False
        scene.setup()
        assert scene.services.is_pushed
        assert set(scene.services.links) == {"iot-1", "iot-2", "dps-one"}


def test_outputs_of_the_deployment_are_all_it_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A file of them, and the vault: what is left out is as usual. Without a vault the key is kept nowhere, as told."""
    values = {
        "certificateModel": "certificateAuthority",
        "dpsId": DPS_ID,
        "hubIds": list(HUB_IDS),
        "namespaceId": NAMESPACE_ID,
        "policyName": "",
    }
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps({name: {"type": "any", "value": value} for name, value in values.items()}))
    with scene_of("certificateAuthority") as scene:
        words = parser().parse_args(["target", "setup", "--outputs", str(file)])
        assert target.setup(words, scene.rest(), scene.clock) == 0
        assert scene.services.groups
        assert not scene.services.secrets
        assert "no vault was named" in capsys.readouterr().out
        with pytest.raises(WrongUsage, match="nowhere cannot be read: FileNotFoundError"):
            target.setup(parser().parse_args(["target", "setup", "--outputs", "nowhere"]), scene.rest(), scene.clock)


def test_policy_of_another_validity_is_left_alone():
    """A policy that is there is not changed behind its owner's back."""
    with scene_of("certificateAuthority") as scene:
        scene.setup()
        scene.cloud.asked.clear()
        assert "certificate.validityPeriodInDays is 30, wanted is 45" in refused(scene, "--validity-days", "45")
        assert scene.cloud.writes == []


def test_nothing_is_deployed():
    """What is missing is named, and what to do."""
    with scene_of("certificateAuthority") as scene:
        del scene.services.resources[HUB_IDS[1]]
        assert refused(scene) == "there is no hub iot-2: deploy infra/target first, and name what it has made"


def test_nobody_is_signed_in():
    """Said at once, without what was tried."""
    with scene_of("none") as scene:
        assert "this identity gets no token: ClientAuthenticationError" in refused(scene, is_out=True)
        assert scene.clock.now() == 0


def test_another_version_can_be_asked_for():
    """A version that a region lacks is told as the service tells it, and another one can be named."""
    with scene_of("certificateAuthority") as scene:
        assert "NoRegisteredProviderFound" in refused(scene, "--api-version", "registry=2027-01-01")
        scene.setup("--api-version", "registry=2026-11-02-preview", "--api-version", "enrollment=2026-11-01")


def test_operation_that_leads_elsewhere_is_not_followed(monkeypatch: pytest.MonkeyPatch):
    """Our token goes to the service alone."""
    with scene_of("credentialPolicy") as scene:
        monkeypatch.setattr(type(scene.services), "_begun", lambda self, ends: "https://evil.example/operation")
        assert "leads to another host, evil.example" in refused(scene)
        assert not any("evil" in each for each in scene.cloud.asked)


@pytest.mark.parametrize("model", MODELS)
def test_key_is_never_told(model: str, capsys: pytest.CaptureFixture[str]):
    """Neither a setup that goes well shows the key, nor one that the vault refuses with an echo of what it was sent."""
    with scene_of(model) as scene:
        scene.setup()
        scene.services.secrets.clear()
        scene.cloud.trick("PUT", "secrets/dps-group-key", Trick(400, "BadParameter"))
        said = refused(scene)
        assert said.startswith("secret dps-group-key: 400 BadParameter")
        told = said + "".join(capsys.readouterr())
        assert GROUP_KEY not in told
        assert "settings of the app and of the job:" in told
