"""Processes that never outlive us, with tiny scripts for services."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.cli.errors import ChildDied, CommandFailed
from engine.cli.processes import free_ports, is_free, kill_all, start, stop_all, tail

ROOT = Path(__file__).parents[3]
READY = """print('{"ready": true, "port": 5}', flush=True)"""
SLEEP = "import time\ntime.sleep(600)"
STUBBORN = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{READY}\n{SLEEP}"
PARENT = f"""import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print('{{"ready": true, "pid": %d}}' % child.pid, flush=True)
{SLEEP}"""


@pytest.fixture
def launch(tmp_path):
    """Starts Python programs; kills what is left of them."""
    started = []

    def begin(code, **options):
        log = tmp_path / f"{len(started)}.log"
        command = [sys.executable, "-c", code]
        started.append(start("the script", command, env=os.environ, cwd=tmp_path, log=log, **options))
        return started[-1]

    yield begin
    kill_all(started)


def is_gone(pid):
    """Whether no process has the number, or only a dead one that nobody has asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def eventually(holds, within_s=20.0):
    """Whether it comes to hold."""
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_ready_line_is_read(launch):
    """The first line of stdout says where a service is."""
    assert launch(f"{READY}\n{SLEEP}").ready() == {"ready": True, "port": 5}


def test_stdout_is_not_logged(launch):
    """A ready line may hold a key."""
    child = launch(f"import sys\nprint('a note', file=sys.stderr)\n{READY}\n{SLEEP}")
    child.ready()
    assert child.log.read_text() == "a note\n"


def test_child_that_dies_early_shows_its_log(launch):
    """The message has the end of the log and says which file that is."""
    child = launch("import sys\nfor n in range(99): print('line', n, file=sys.stderr)\nsys.exit(3)")
    with pytest.raises(ChildDied, match="ended by itself with code 3") as died:
        child.ready()
    told = str(died.value)
    assert str(child.log) in told
    assert "line 98" in told
    assert "line 10\n" not in told


def test_child_that_says_something_else_first_is_not_ready(launch):
    """Only the ready line counts."""
    with pytest.raises(CommandFailed, match="something other than its ready line"):
        launch(f"print('hello', flush=True)\n{SLEEP}").ready()


def test_child_that_is_never_ready_is_given_up(launch):
    """The wait is bounded."""
    with pytest.raises(CommandFailed, match="not ready after"):
        launch(SLEEP).ready(within_s=0.2)


def test_child_serves_once_its_port_is_open(launch):
    """Azurite has no ready line, but ports."""
    [port] = free_ports(1)
    child = launch(f"import socket\nserver = socket.create_server(('127.0.0.1', {port}))\n{SLEEP}")
    child.serves(port)
    assert not is_free(port)


def test_stop_asks_first(launch, tmp_path):
    """SIGTERM is enough for a service that listens to it."""
    note = tmp_path / "stopped"
    code = f"""import pathlib, signal, sys
def stop(*_):
    pathlib.Path({str(note)!r}).write_text("yes")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
{READY}
{SLEEP}"""
    child = launch(code)
    child.ready()
    child.stop()
    assert note.exists()
    assert child.process.returncode == 0


def test_stop_insists(launch):
    """One that does not listen is killed after its grace."""
    child = launch(STUBBORN, grace_s=0.1)
    child.ready()
    child.stop()
    assert child.process.returncode == -signal.SIGKILL


def test_stop_takes_children_of_the_child_along(launch):
    """The whole group goes."""
    child = launch(PARENT)
    grandchild = child.ready()["pid"]
    child.stop()
    assert eventually(lambda: is_gone(grandchild))


def test_stop_may_be_repeated(launch):
    """Stopping what is stopped does nothing."""
    child = launch(SLEEP)
    stop_all([child])
    stop_all([child])
    kill_all([child])


def test_killing_lets_a_store_write_down_what_it_has(launch, tmp_path):
    """What dies by SIGTERM is asked even when there is no time."""
    note = tmp_path / "flushed"
    code = f"""import pathlib, signal, sys
def stop(*_):
    pathlib.Path({str(note)!r}).write_text("yes")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
{READY}
{SLEEP}"""
    child = launch(code, dies_by=signal.SIGTERM)
    child.ready()
    kill_all([child])
    assert note.exists()


def test_command_that_does_not_exist_is_named(tmp_path):
    """A missing node is not a traceback."""
    with pytest.raises(CommandFailed, match="no-such-program"):
        start("Azurite", ["no-such-program"], env=os.environ, cwd=tmp_path, log=tmp_path / "log")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
@pytest.mark.parametrize("stubborn", [READY, STUBBORN])
def test_children_die_when_we_are_killed(tmp_path, stubborn):
    """SIGKILL leaves us no time to stop anything, and yet nothing is left."""
    ours = f"""import os, pathlib, sys, time
from engine.cli.processes import start
code = {(stubborn + chr(10) + SLEEP)!r}
here = pathlib.Path({str(tmp_path)!r})
child = start("it", [sys.executable, "-c", code], env=os.environ, cwd=here, log=here / "log")
child.ready()
print(child.process.pid, flush=True)
time.sleep(600)"""
    with subprocess.Popen([sys.executable, "-c", ours], cwd=ROOT, stdout=subprocess.PIPE) as process:
        pid = int(process.stdout.readline())
        assert not is_gone(pid)
        process.kill()
    assert eventually(lambda: is_gone(pid))


def test_free_ports_are_different():
    """No two services get the same."""
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(is_free(port) for port in ports)


def test_port_in_use_is_seen():
    """A server that listens is in the way."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])


def test_tail_is_printable_and_short(tmp_path):
    """A log may hold anything."""
    log = tmp_path / "x.log"
    log.write_bytes(b"\n".join(b"line %d \x1b[2J\xff" % n for n in range(100)))
    lines = tail(log)
    assert len(lines) == 15
    assert lines[-1].startswith("line 99")
    assert all(line.isprintable() for line in lines)


def test_tail_of_no_log_is_empty(tmp_path):
    """A process that never came to write has none."""
    assert tail(tmp_path / "none.log") == []
