"""infra/az.sh: what it asks of `az`, and in which order."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FAKE = Path(__file__).with_name("fake_az.py")


class Place:
    """A folder with what was built, an az that answers from a file, and a certfleet that does nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "az.json"
        (folder / "bin").mkdir()
        (folder / "dist/image").mkdir(parents=True)
        (folder / "dist/function.zip").write_bytes(b"zip")
        (folder / "dist/image/Dockerfile").write_text("FROM nothing")
        self.command("az", f'exec {sys.executable} {FAKE} "$@"')
        told = json.dumps({"TARGETS": {"target": {"dps": []}}, "ALLOWED_HOSTS": "a.example"})
        self.command(
            "python",
            f'case "$3 $4" in "target setup") echo \'{told}\' ;; esac; [ $1 != -c ] || exec {sys.executable} "$@"',
        )
        self.know(loggedIn=True, deployed=[], groups=[], image="placeholder", calls=[])

    def command(self, name: str, does: str) -> None:
        """A command on PATH."""
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o755)

    def know(self, **facts: Any) -> None:
        """Facts that az has from now on."""
        known = json.loads(self.state.read_text()) if self.state.exists() else {}
        self.state.write_text(json.dumps(known | facts))

    def run(self, action: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """The script, carried out in the folder."""
        environ = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "FAKE_AZ": str(self.state),
            "PYTHON": "python",
            **variables,
        }
        command = ["/bin/sh", str(ROOT / "infra/az.sh"), action]
        return subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, timeout=60)

    def asked(self, *words: str) -> list[list[str]]:
        """The calls of az that begin with these words."""
        calls = json.loads(self.state.read_text())["calls"]
        return [call for call in calls if call[: len(words)] == list(words)]

    def changes(self) -> list[str]:
        """The calls that change something, by their first words."""
        calls = json.loads(self.state.read_text())["calls"]
        verbs = {"create", "delete", "build", "config-zip"}
        return [" ".join(word for word in call[:4] if not word.startswith("-")) for call in calls if verbs & set(call)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder from which nothing was deployed yet."""
    return Place(tmp_path)


def test_first_deploy_provisions_before_and_after_the_secrets(place: Place) -> None:
    """The first deployment refers to no secret and no image, the second to those that are there by then."""
    done = place.run("deploy", ENVIRONMENT="dev", LOCATION="westeurope")
    first, second = place.asked("deployment", "sub", "create")
    image = next(word for word in second if word.startswith("workerImage="))
    assert done.returncode == 0, done.stderr
    assert {"vaultSecrets=", "workerImage="} <= set(first)
    assert "vaultSecrets=state-key" in second
    assert image.startswith("workerImage=crx.example/certfleet:")
    assert done.stdout == "export CERTFLEET_URL=https://func-x.example\n"


def test_repeated_deploy_of_the_same_code_builds_no_image(place: Place) -> None:
    """An image is named after its content, so one that runs already is neither built nor replaced."""
    place.run("deploy", ENVIRONMENT="dev", LOCATION="westeurope")
    place.know(calls=[])
    done = place.run("deploy", ENVIRONMENT="dev")
    assert done.returncode == 0, done.stderr
    assert place.changes() == ["deployment sub create", "functionapp deployment source config-zip"]


def test_deploy_tells_the_app_of_the_target_that_was_set_up(place: Place) -> None:
    """What the target's set-up prints is parameters of the next deployment, without a copy by hand."""
    place.run("deploy", ENVIRONMENT="dev", LOCATION="westeurope")
    done = place.run("target", ENVIRONMENT="dev")
    assert done.returncode == 0, done.stderr
    place.know(calls=[])
    place.run("deploy", ENVIRONMENT="dev")
    (call,) = place.asked("deployment", "sub", "create")
    (kept,) = [word.removeprefix("@") for word in call if word.startswith("@")]
    given = json.loads((place.folder / kept).read_text())["parameters"]
    assert given["defaultTarget"] == {"value": "target"}
    assert given["allowedHosts"] == {"value": "a.example"}


def test_target_gives_roles_to_app_and_workers(place: Place) -> None:
    """The services tested learn who tests them, and a target that was linked once is left linked."""
    place.run("deploy", ENVIRONMENT="dev", LOCATION="westeurope")
    place.run("target", ENVIRONMENT="dev")
    place.know(calls=[])
    place.run("target", ENVIRONMENT="dev", PARAMETERS="hubCount=2")
    (call,) = place.asked("deployment", "sub", "create")
    assert {'testerPrincipalIds=["f-id","w-id"]', "isLinked=true", "hubCount=2"} <= set(call)


@pytest.mark.parametrize("confirmed", ["", "de", "prod"])
def test_destroy_without_the_name_once_more_deletes_nothing(place: Place, confirmed: str) -> None:
    """Nothing is deleted unless the environment is named twice."""
    place.know(groups=["rg-dev", "rg-target-dev"], deployed=["certfleet-dev"])
    done = place.run("destroy", ENVIRONMENT="dev", CONFIRM=confirmed)
    assert done.returncode == 1
    assert "CONFIRM=dev" in done.stderr
    assert place.changes() == []


def test_destroy_takes_our_role_along(place: Place) -> None:
    """The custom role would outlive its group: who has it loses it, it goes, and then the group."""
    place.know(groups=["rg-dev", "rg-target-dev"], deployed=["certfleet-dev"])
    done = place.run("destroy", ENVIRONMENT="dev", CONFIRM="dev")
    assert done.returncode == 0, done.stderr
    assert [words for words in place.changes() if not words.startswith("deployment")] == [
        "group delete rg-target-dev",
        "role assignment delete",
        "role definition delete",
        "group delete rg-dev",
    ]


def test_destroy_of_the_target_leaves_the_rest(place: Place) -> None:
    """PART=target deletes the services tested, and neither results nor app."""
    place.know(groups=["rg-dev", "rg-target-dev"], deployed=["certfleet-dev"])
    place.run("destroy", ENVIRONMENT="dev", CONFIRM="dev", PART="target")
    assert place.changes() == ["group delete rg-target-dev", "deployment sub delete"]


@pytest.mark.parametrize(
    ("variables", "facts", "said"),
    [
        ({}, {}, "ENVIRONMENT=name"),
        ({"ENVIRONMENT": "Dev!"}, {}, "expected a-z"),
        ({"ENVIRONMENT": "dev"}, {"loggedIn": False}, "az login"),
        ({"ENVIRONMENT": "dev"}, {}, "LOCATION=region"),
    ],
)
def test_deploy_says_what_is_missing(place: Place, variables: dict[str, str], facts: dict[str, Any], said: str) -> None:
    """Whatever is missing is named before anything is asked of Azure that changes it."""
    place.know(**facts)
    done = place.run("deploy", **variables)
    assert done.returncode == 1
    assert said in done.stderr
    assert place.changes() == []


def test_deploy_without_az_names_the_other_way(place: Place) -> None:
    """Who has no az is told of azd."""
    done = place.run("deploy", ENVIRONMENT="dev", PATH="/nonexistent")
    assert done.returncode == 1
    assert "azd up" in done.stderr
