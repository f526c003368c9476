"""The command line's words."""

import pytest

from engine.cli.arguments import parser


def test_run_needs_no_words():
    """A bare run is the built-in one."""
    options = parser().parse_args(["run"])
    assert (options.spec, options.scenario, options.json, str(options.out)) == (None, None, False, "out")


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ("{", "expected a JSON object"),
        ("[]", "expected a JSON object"),
        ('{"trottled": 0.2}', "unknown field, did you mean throttled"),
        ('{"throttled": 2}', "/throttled"),
    ],
)
def test_faults_are_judged_before_anything_starts(faults, told, capsys):
    """A misspelt fault is wrong usage, with what would be right."""
    with pytest.raises(SystemExit) as refused:
        parser().parse_args(["run", "--faults", faults])
    assert refused.value.code == 2
    assert told in capsys.readouterr().err


def test_faults_stay_as_given():
    """What the emulator gets is what was typed."""
    given = parser().parse_args(["up", "--faults", '{"dps.throttled": 0.1, "issueDelay": "2s"}']).faults
    assert given == {"dps.throttled": 0.1, "issueDelay": "2s"}


@pytest.mark.parametrize(
    ("quotas", "told"),
    [("{", "not JSON"), ('{"certificates": 0}', "/certificates: not a quota"), ('{"x": 1}', "/x: unknown quota")],
)
def test_quotas_are_judged_before_anything_starts(quotas, told, capsys):
    """A quota that the emulator does not have is wrong usage."""
    with pytest.raises(SystemExit) as refused:
        parser().parse_args(["run", "--quotas", quotas])
    assert refused.value.code == 2
    assert told in capsys.readouterr().err


def test_quotas_stay_as_given():
    """What the emulator gets is what was typed."""
    assert parser().parse_args(["up", "--quotas", '{"certificates": 120}']).quotas == '{"certificates": 120}'


@pytest.mark.parametrize("command", ["run", "up"])
def test_devices_reach_dps_as_asked(command):
    """By whatever a profile can name; nothing is the usual way."""
    given = parser().parse_args([command, "--attestation", "x509", "--dps-transport", "mqtt-ws", "--hubs", "3"])
    assert (given.attestation, given.dps_transport, given.hubs) == ("x509", "mqtt-ws", 3)
    bare = parser().parse_args([command])
    assert (bare.attestation, bare.dps_transport, bare.hubs) == ("", "", 0)


@pytest.mark.parametrize(
    "words", [["--attestation", "tpm"], ["--dps-transport", "amqp"], ["--hubs", "0"], ["--hubs", "51"]]
)
def test_what_the_emulator_cannot_be_is_wrong_usage(words):
    """It is told before anything starts."""
    with pytest.raises(SystemExit) as refused:
        parser().parse_args(["run", *words])
    assert refused.value.code == 2


def test_spec_and_scenario_exclude_each_other():
    """There is one run."""
    with pytest.raises(SystemExit):
        parser().parse_args(["run", "--spec", "a", "--scenario", "provision"])


@pytest.mark.parametrize("number", ["-1", "x", "1.5"])
def test_batch_is_a_number(number):
    """Batches count from 0."""
    with pytest.raises(SystemExit):
        parser().parse_args(["batch", "run-1", number])


def test_worker_is_one_process_unless_it_is_told_otherwise():
    """By whom it was started is only said by those who start it."""
    options = parser().parse_args(["worker", "run-1"])
    assert (options.run_id, options.processes, options.parent) == ("run-1", 1, None)
    assert parser().parse_args(["worker", "run-1", "--processes", "4"]).processes == 4
    assert parser().parse_args(["worker"]).run_id == ""


@pytest.mark.parametrize("given", ["0", "65", "two", "-1"])
def test_worker_needs_a_number_of_processes(given, capsys):
    """Anything else is wrong usage."""
    with pytest.raises(SystemExit) as refused:
        parser().parse_args(["worker", "run-1", "--processes", given])
    assert refused.value.code == 2
    assert "1 to 64 processes" in capsys.readouterr().err


def test_compare_may_name_the_other_run():
    """Without one it is the run's baseline."""
    given = parser().parse_args(["compare", "run-2", "--to", "name:nightly"])
    assert (given.command, given.run_id, given.to) == ("compare", "run-2", "name:nightly")
    assert parser().parse_args(["compare", "run-2"]).to is None
