"""The storage account's own rule may delete results and files of runs, and nothing else that is kept there."""

import re
from pathlib import Path

import pytest

from engine.run import keys
from engine.settings import Settings

STORAGE = Path(__file__).parents[2] / "infra" / "platform" / "storage.bicep"
SETTINGS = Settings(state_key=b"")
STATE = SETTINGS.storage_container_name


def expiring() -> tuple[str, ...]:
    """The beginnings of names, container first, that the rule is for unless it is told others."""
    found = re.search(r"param expiring array = \[(.*)\]", STORAGE.read_text(encoding="utf-8"))
    assert found
    return tuple(re.findall(r"'([^']+)'", found[1]))


def test_rule_takes_a_run_s_files_and_results() -> None:
    """They lie where the settings say that they lie."""
    assert set(expiring()) == {
        f"{SETTINGS.results_container_name}/",
        f"{STATE}/{keys.run_prefix('r123').removesuffix('r123/')}",
    }


@pytest.mark.parametrize(
    "key",
    [
        keys.devices_prefix(SETTINGS.device_data_blob_prefix, "fleet"),
        keys.counter_key(SETTINGS.counter_blob_prefix, "fleet"),
        keys.schedule_key("nightly"),
        keys.state_key("r123"),
        keys.recent_key("r123", 1_800_000_000.0),
    ],
)
def test_rule_leaves_what_outlives_runs(key: str) -> None:
    """Certificates and names of devices, schedules, and what runs became are no business of an age."""
    assert not f"{STATE}/{key}".startswith(expiring())


@pytest.mark.parametrize(
    "container", ["releases", "certfleet-leases", "certfleet-largemessages", "azure-webjobs-hosts"]
)
def test_rule_leaves_containers_of_others(container: str) -> None:
    """The app's package and what Durable Functions keeps for itself stay."""
    assert not f"{container}/anything".startswith(expiring())
