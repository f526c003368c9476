"""The command line's words."""

import argparse

import pytest

from engine.cli.arguments import NAME, SERVICES, parser

ASKING = ("run", "estimate", "watch", "cancel", "resume", "list", "report", "compare", "delete")
"""The commands that a host may be named to."""


def helps(found, words=()):
    """The help of every command and action that people give, by its words."""
    for action in found._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from helps(inner, (*words, name))
            return
    yield " ".join(words), found.format_help()


def test_help_of_every_command_tells_what_it_ends_with():
    """But of what hosts and the build start, for which 0 is good and all else is not."""
    told = dict(helps(parser()))
    assert {*ASKING, "up", "schedule list", "schedule put"} <= told.keys()
    for command, text in told.items():
        if command not in ("emulate", "capture", "package", "lock", "batch", "worker"):
            assert "exit codes:" in text, command


def test_program_is_named_as_it_was_started():
    """In every line of usage."""
    assert parser().format_usage().startswith(f"usage: {NAME} ")
    assert parser("python -m engine").format_usage().startswith("usage: python -m engine ")


@pytest.mark.parametrize("command", ASKING)
def test_host_and_json_are_said_alike(command):
    """Nothing said is the environment's host, and words for people."""
    words = [command] if command in ("run", "estimate", "list") else [command, "run-1"]
    bare, given = parser().parse_args(words), parser().parse_args([*words, "--url", "https://x", "--json"])
    assert ((bare.url, bare.json), (given.url, given.json)) == (("", False), ("https://x", True))


def test_options_about_services_are_empty_unless_given():
    """That is how a run elsewhere knows that they were not."""
    bare = parser().parse_args(["run"])
    assert not any(getattr(bare, name) for name in SERVICES)


def test_schedule_says_when_in_one_way():
    """By a rule or once, and not without."""
    given = parser().parse_args(["schedule", "put", "nightly", "--cron", "0 30 2 * * *", "--scenario", "provision"])
    assert (given.action, given.name, given.cron, given.at) == ("put", "nightly", "0 30 2 * * *", None)
    for words in ([], ["--cron", "x", "--at", "y"]):
        with pytest.raises(SystemExit):
            parser().parse_args(["schedule", "put", "nightly", *words])


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
