"""What a run asks for."""

from pathlib import Path

import pytest

from engine.cli import asking
from engine.cli.errors import CommandFailed
from engine.errors import SpecError

RENEWAL = {"scenario": "cert-renewal"}


def test_flag_wins_over_spec_and_variable():
    """The order is flag, spec, variable."""
    flags = {"/devices/count": 7, "/load/duration": None}
    spec = {"scenario": "cert-renewal", "devices": {"count": 5}, "load": {"duration": "9s"}}
    asked = asking.of_spec(spec, flags, {"CERT_REQUEST_INTERVAL": "2"})
    assert asked.spec["devices"] == {"count": 7}
    assert asked.spec["load"] == {"duration": "9s", "pacing": {"interval": "2s"}}


def test_variable_wins_over_a_built_in_run():
    """A built-in run is a default."""
    asked = asking.of_scenario("cert-renewal", {}, {"CERT_REQUEST_INTERVAL": "2", "DEVICES_PER_USER": "25"})
    assert asked.spec["load"]["pacing"] == {"interval": "2s"}
    assert asked.spec["execution"]["batchSize"] == 25


def test_built_in_run_of_another_length_ramps_as_the_server_sees_fit():
    """A ramp of ten seconds does not fit into a load of four."""
    asked = asking.of_scenario("cert-renewal", {"/load/duration": "4s"}, {})
    assert asked.spec["load"]["duration"] == "4s"
    assert "rampUp" not in asked.spec["load"]


def test_spec_of_its_own_gets_nothing_built_in():
    """A spec means what it says."""
    assert asking.of_spec(RENEWAL, {}, {}).spec == RENEWAL


@pytest.mark.parametrize(
    ("spec", "environ", "target", "with_emulator"),
    [
        (RENEWAL, {}, None, True),
        (RENEWAL, {"PROVISIONING_HOST": "dps.example"}, "env", False),
        (RENEWAL, {"PROVISIONING_HOST": "dps.example", "DEFAULT_TARGET": "staging"}, None, False),
        (RENEWAL, {"DEFAULT_TARGET": "local"}, None, True),
        ({**RENEWAL, "target": "local"}, {"PROVISIONING_HOST": "dps.example"}, "local", True),
        ({**RENEWAL, "target": "staging"}, {}, "staging", False),
    ],
)
def test_target_decides_whether_there_is_an_emulator(spec, environ, target, with_emulator):
    """A real service is never shadowed by an emulator, and PROVISIONING_HOST names one."""
    asked = asking.of_spec(spec, {}, environ)
    assert (asked.spec.get("target"), asked.with_emulator) == (target, with_emulator)


def test_run_id_comes_from_the_environment():
    """The predecessor's run id is the id of the run."""
    assert asking.of_spec(RENEWAL, {}, {"RUN_ID": "nightly-7"}).run_id == "nightly-7"


def test_spec_is_read_from_a_file(tmp_path):
    """A file is what would be posted."""
    (tmp_path / "run.json").write_text('{"scenario": "provision"}')
    assert asking.read_spec(tmp_path / "run.json") == {"scenario": "provision"}


def test_spec_that_is_no_json_is_refused(tmp_path):
    """It is refused as the server would refuse it."""
    (tmp_path / "run.json").write_text("scenario: provision")
    with pytest.raises(SpecError):
        asking.read_spec(tmp_path / "run.json")


def test_spec_that_is_not_there_is_named(tmp_path):
    """The message says which file."""
    with pytest.raises(CommandFailed, match=r"run\.json cannot be read"):
        asking.read_spec(tmp_path / "run.json")


@pytest.mark.parametrize("run_id", ["../etc", "", "a/b", "abc"])
def test_folder_is_never_outside(run_id):
    """Only a run id names a folder."""
    with pytest.raises(CommandFailed):
        asking.folder_of(Path("out"), run_id)


def test_folder_is_named_after_the_run():
    """Each run has its own."""
    assert asking.folder_of(Path("out"), "nightly-7") == Path("out/nightly-7")


def test_host_elsewhere_finds_its_services_itself():
    """Which ones this machine would talk to is no reason to name a target there; the load's variables count."""
    environ = {"PROVISIONING_HOST": "dps.example", "DEFAULT_TARGET": "mine", "CERT_REQUEST_INTERVAL": "2"}
    assert "target" not in asking.of_spec(RENEWAL, {}, asking.elsewhere(environ)).spec
    assert asking.elsewhere(environ) == {"CERT_REQUEST_INTERVAL": "2"}
