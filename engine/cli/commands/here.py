"""What is started on this machine: everything for one run, or everything to stay."""

import argparse
import json
import os
from typing import Final

from rich.console import Console

from engine.adapters.clock import SystemClock
from engine.cli import asking
from engine.cli.client import Api
from engine.cli.errors import WrongUsage
from engine.cli.follow import Watch, clear, post, see_through
from engine.cli.interrupts import Interrupts, told_when_interrupted
from engine.cli.live import accepted_line
from engine.cli.outcome import tell
from engine.cli.screen import make_console, shown_on
from engine.cli.statedir import DEFAULT
from engine.cli.station import Order, Station, open_station
from engine.cli.telemetry import with_telemetry

STOPPED: Final = "interrupted; everything was stopped at once"
STAY_LOOK_S: Final = 0.2


def run(options: argparse.Namespace) -> int:
    """Start everything, carry out one run, stop everything."""
    if options.detach:
        raise WrongUsage("--detach needs a host that carries the run out: name one with --url")
    console = make_console(stderr=options.json)
    asked = asking.asked(options, os.environ)
    for line in asked.told:
        console.print(line)
    order = _order(options, "run", with_emulator=asked.with_emulator)
    with (
        Interrupts() as interrupts,
        told_when_interrupted(STOPPED),
        open_station(order, os.environ, console.print) as station,
    ):
        api, clock = Api(station.url), SystemClock()
        with interrupts.patiently(), shown_on(console, clock) as screen:
            watch = Watch(api, clock, screen, lambda: interrupts.asked, station.check)
            clear(watch)
            if interrupts.asked:
                raise KeyboardInterrupt
            accepted = post(watch, json.dumps(asked.spec).encode(), asked.run_id)
            folder = asking.folder_of(options.out, str(accepted["runId"]))
            screen.say(f"{accepted_line(accepted)}; Ctrl-C cancels it")
            ended = with_telemetry(see_through(watch, folder.name), station.telemetry, clock)
        code = tell(ended, folder, console=console, as_json=options.json)
        if options.keep_up:
            _stay(station, interrupts, console)
    return code


def up(options: argparse.Namespace) -> int:
    """Start everything and stay until interrupted."""
    console = make_console(stderr=False)
    order = _order(options, "up", with_emulator=True)
    with (
        Interrupts() as interrupts,
        told_when_interrupted(STOPPED),
        open_station(order, os.environ, console.print) as station,
    ):
        console.print(f"start a run with: certfleet run --url {station.url}", soft_wrap=True)
        _stay(station, interrupts, console)
    return 0


def _order(options: argparse.Namespace, what: str, *, with_emulator: bool) -> Order:
    return Order(
        options.dir or DEFAULT,
        what,
        with_emulator,
        faults=options.faults,
        quotas=options.quotas or "",
        group_key=options.group_key,
        attestation=options.attestation,
        transport=options.dps_transport,
        hubs=options.hubs,
    )


def _stay(station: Station, interrupts: Interrupts, console: Console) -> None:
    """Wait for an interrupt. Raises ChildDied."""
    console.print("everything stays up; stop it with Ctrl-C")
    clock, before = SystemClock(), interrupts.asked
    with interrupts.patiently():
        while interrupts.asked == before:
            station.check()
            clock.sleep(STAY_LOOK_S)
    console.print("stopping")
