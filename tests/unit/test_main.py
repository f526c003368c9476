"""The command line as a whole: its name, and what it ends with."""

import json
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from engine.__main__ import COMMANDS, PROGRAMS, certfleet, main
from engine.cli.arguments import parser

ROOT = Path(__file__).parents[2]


def test_installed_command_is_this_program(monkeypatch, capsys):
    """What pyproject.toml names can be called, and takes the words of its process."""
    [(name, value)] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"].items()
    called = EntryPoint(name, value, "console_scripts").load()
    assert (name, called) == ("certfleet", certfleet)
    monkeypatch.setattr("sys.argv", ["/anywhere/certfleet", "report", "--out", "-", "--json", "run-1"])
    assert called() == 2
    assert "--out -: stdout has the report then" in capsys.readouterr().err


def test_every_command_is_carried_out_by_somebody():
    """Words without a deed, and deeds without words, are mistakes."""
    [commands] = [action.choices for action in parser()._actions if action.dest == "command"]
    assert commands.keys() == COMMANDS.keys() | PROGRAMS.keys()


def test_refused_spec_is_104_and_json(tmp_path, capsys):
    """stdout has the one value that --json asks for, stderr the words."""
    (tmp_path / "spec.json").write_text('{"scenario": "provision", "devices": {"cout": 1}}')
    assert main(["estimate", "--url", "local", "--spec", str(tmp_path / "spec.json"), "--json"]) == 104
    out, err = capsys.readouterr()
    assert json.loads(out)["errors"][0]["path"] == "/devices/cout"
    assert "the spec was refused (spec-invalid), 1 problem:" in err


def test_refusal_without_json_leaves_stdout_alone(tmp_path, capsys):
    """A table is for people."""
    (tmp_path / "spec.json").write_text("[]")
    assert main(["estimate", "--url", "local", "--spec", str(tmp_path / "spec.json")]) == 104
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "--url", "local", "--detach"], "--detach needs a host"),
        (["run", "--url", "http://127.0.0.1:1", "--hubs", "2", "--keep-up"], "--hubs, --keep-up"),
        (["resume", "run-1", "--out", "x"], "it goes with --wait"),
        (["delete", "run-1", "--wait"], "it goes with --devices"),
        (["report", "run-1", "--out", "-", "--open"], "neither --open nor --json"),
        (["list", "--since", "long ago"], "--since: expected"),
    ],
)
def test_words_that_do_not_go_together_are_wrong_usage(words, told, capsys):
    """2, as of a word that does not exist, and nobody was asked."""
    assert main(words) == 2
    assert told in capsys.readouterr().err


def test_settings_that_are_wrong_are_told_one_by_one(monkeypatch, capsys):
    """1, with each variable."""
    monkeypatch.setenv("MAX_DEVICES", "many")
    monkeypatch.setenv("RETENTION_DAYS", "few")
    assert main(["estimate", "--url", "local"]) == 1
    assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == ["MAX_DEVICES", "RETENTION_DAYS"]
