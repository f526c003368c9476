"""A host's own life: what it refuses to start with, its limits, its timers and its end."""

import resource
import signal
import socket
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.integration.localhost.hosting import APP, HOOK, ROOT, StartHost, call, command, eventually

HOST_JSON = '{"version": "2.0"}'
APP_START = "import azure.functions as func\nimport azure.durable_functions as df\napp = df.DFApp()\n"
ROUTE = '@app.route(route="{route}")\ndef one(req: func.HttpRequest) -> str:\n    return "one"\n'
ENTITY = '@app.entity_trigger(context_name="context")\ndef counter(context):\n    pass\n'
TIMER = (
    '@app.timer_trigger(schedule="{schedule}", arg_name="t")\ndef nightly(t: func.TimerRequest) -> None:\n    pass\n'
)
WRONG = '@app.route(route="one")\ndef one(req: int) -> str:\n    return "one"\n'


def refusal(app: Path, *flags: str) -> str:
    """What a host that does not start says last."""
    done = subprocess.run(command(app, *flags), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    return next(line for line in done.stderr.splitlines() if line.startswith("engine.localhost: "))


def write_app(folder: Path, *, host_json: str = HOST_JSON, functions: str = "") -> Path:
    (folder / "host.json").write_text(host_json)
    (folder / "function_app.py").write_text(APP_START + functions)
    return folder


@pytest.mark.parametrize(
    ("host_json", "functions", "words"),
    [
        ("{", "", "host.json is not JSON"),
        ('{"version": "1.0"}', "", 'version is "1.0", expected "2.0"'),
        (HOST_JSON, "raise ImportError('no such thing')", "no such thing"),
        (HOST_JSON, WRONG, "one"),
        (HOST_JSON, ENTITY, "no entities, the app has counter"),
        (HOST_JSON, TIMER.format(schedule="%NIGHT%"), "timer function nightly: setting NIGHT is not set"),
        (HOST_JSON, TIMER.format(schedule="now and then"), "nightly: schedule 'now and then' has 3 fields"),
        (HOST_JSON, ROUTE.format(route="{x:float}"), "{x:float} is not understood"),
    ],
)
def test_app_that_cannot_be_hosted_is_refused(tmp_path: Path, host_json: str, functions: str, words: str) -> None:
    """The host exits with 1 and one line that says what is wrong."""
    assert words in refusal(write_app(tmp_path, host_json=host_json, functions=functions), "--port", "0")


def test_port_that_is_taken_is_refused() -> None:
    """The host exits with 1 and names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} of 127.0.0.1 cannot be used" in refusal(APP, "--port", str(port))


def test_state_file_in_use_is_refused(start_host: StartHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hosts cannot share a state file."""
    monkeypatch.setenv("SCHEDULE", "0 0 * * *")
    state = str(tmp_path / "state.db")
    start_host("--state", state)
    assert "state.db cannot be used" in refusal(APP, "--port", "0", "--state", state)


def test_local_settings_fill_in_what_the_environment_lacks(tmp_path: Path) -> None:
    """A schedule named by a setting is found in local.settings.json."""
    app = write_app(tmp_path, functions=TIMER.format(schedule="%NIGHT%"))
    (app / "local.settings.json").write_text('{"Values": {"NIGHT": "not a schedule"}}')
    assert "schedule 'not a schedule'" in refusal(app, "--port", "0")


def test_variable_overrides_the_activity_limit_of_host_json(start_host: StartHost, tmp_path: Path) -> None:
    """With the limit at 2 only two activities start, and none more after a terminate."""
    limit = {"AzureFunctionsJobHost__extensions__durableTask__maxConcurrentActivityFunctions": "2"}
    host = start_host("--no-timers", env=limit)
    gate = tmp_path / "gate"
    links = host.start("fan_out", {"count": 6, "gate": str(gate)})
    eventually(lambda: len(host.started()) == 2)
    assert call("POST", links["terminatePostUri"]).status == 202
    gate.touch()
    assert host.end_of(links["id"])["runtimeStatus"] == "Terminated"
    assert host.run("fan_out", {"count": 2})["runtimeStatus"] == "Completed"
    assert len(host.started(f"work {links['id']}/")) == 2


def test_as_many_activities_run_as_the_limit_allows(start_host: StartHost, tmp_path: Path) -> None:
    """The worker has a thread for every activity slot: forty block at once, and HTTP functions still answer."""
    limit = {"AzureFunctionsJobHost__extensions__durableTask__maxConcurrentActivityFunctions": "40"}
    host = start_host("--no-timers", env=limit)
    gate = tmp_path / "gate"
    links = host.start("fan_out", {"count": 50, "gate": str(gate)})
    eventually(lambda: len(host.started()) == 40)
    assert call("GET", f"{host.url}/app/files/readme").status == 200
    gate.touch()
    assert host.end_of(links["id"])["output"]["works"] == 50


def test_durable_timer_fires_when_it_is_due(start_host: StartHost) -> None:
    """A timer of a second ends its run after a second."""
    host = start_host("--no-timers")
    began = time.monotonic()
    assert host.run("sleep", 1)["output"] == "slept"
    assert 1 <= time.monotonic() - began < 2


def test_timer_function_fires_once_for_each_time_due(start_host: StartHost) -> None:
    """A schedule of every second fires on the second, and never twice for the same one."""
    host = start_host(env={"SCHEDULE": "* * * * * *"})
    eventually(lambda: len(host.started("tick")) >= 3)
    due = [datetime.fromisoformat(line.split()[1]) for line in host.started("tick")]
    assert due == sorted(set(due))
    assert {when.microsecond for when in due} == {0}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_idle_host_stops_at_once(start_host: StartHost, number: signal.Signals) -> None:
    """A signal ends a host that runs nothing, with exit code 0 and nothing on stderr."""
    host = start_host()
    began = time.monotonic()
    assert host.stop(number) == 0
    assert time.monotonic() - began < 2
    assert host.errors.read_text() == ""


def test_stopping_host_waits_for_activities(start_host: StartHost, tmp_path: Path) -> None:
    """An activity that ends in time is counted: the next host does not run it again."""
    flags = ("--no-timers", "--state", str(tmp_path / "state.db"))
    gate = tmp_path / "gate"
    first = start_host(*flags)
    links = first.start("fan_out", {"count": 1, "gate": str(gate)})
    eventually(first.started)
    first.process.send_signal(signal.SIGTERM)
    eventually(lambda: is_closed(first.url))
    gate.touch()
    assert first.process.wait(10) == 0
    assert start_host(*flags).end_of(links["id"])["output"] == {"works": 1, "attempts": 1}


def test_stopping_host_leaves_a_stuck_activity(start_host: StartHost, tmp_path: Path) -> None:
    """A sync activity that does not end holds the host up for no longer than it was told to wait."""
    flags = ("--no-timers", "--stop-after", "0.2", "--state", str(tmp_path / "state.db"))
    gate = tmp_path / "gate"
    first = start_host(*flags)
    links = first.start("fan_out", {"count": 1, "gate": str(gate)})
    eventually(first.started)
    began = time.monotonic()
    assert first.stop() == 0
    assert time.monotonic() - began < 4
    gate.touch()
    assert start_host(*flags).end_of(links["id"])["output"] == {"works": 1, "attempts": 2}


def test_host_that_cannot_keep_state_exits(start_host: StartHost, tmp_path: Path) -> None:
    """When the state file cannot grow the host ends with 1 and says why, rather than forget."""
    host = start_host("--no-timers", "--state", str(tmp_path / "state.db"))
    resource.prlimit(host.process.pid, resource.RLIMIT_FSIZE, (500_000, 500_000))
    call("POST", f"{host.url}{HOOK}/orchestrators/fan_out", {"count": 1, "filler": "x" * 1_000_000})
    assert host.process.wait(10) == 1
    assert "engine.localhost: state cannot be written" in host.errors.read_text()


def is_closed(url: str) -> bool:
    """Whether nobody takes connections at the URL any more."""
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0
