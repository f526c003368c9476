"""What is asked of a host that is up: runs and what becomes of them."""

import argparse
import json
import os
import secrets
from datetime import UTC, datetime
from typing import Final

from engine.adapters.clock import SystemClock
from engine.cli import asking
from engine.cli.arguments import SERVICES
from engine.cli.client import FINISHED
from engine.cli.commands import here
from engine.cli.errors import WrongUsage
from engine.cli.follow import Watch, follow, persist, post, see_through
from engine.cli.hosts import LOCAL, named_url, open_api
from engine.cli.interrupts import Interrupts, told_when_interrupted
from engine.cli.live import accepted_line
from engine.cli.outcome import tell
from engine.cli.screen import make_console, print_json, shown_on
from engine.cli.words import plain

FOLLOW: Final = "`certfleet watch {}` follows it"


def run(options: argparse.Namespace) -> int:
    """One run on the host that is named, on this machine where none is."""
    if named_url(options.url, os.environ) is None:
        return here.run(options)
    if given := [f"--{name.replace('_', '-')}" for name in SERVICES if getattr(options, name)]:
        raise WrongUsage(f"{', '.join(given)}: for a run on this machine only; --url {LOCAL} asks for one")
    console, clock = make_console(stderr=options.json), SystemClock()
    asked = asking.asked(options, asking.elsewhere(os.environ))
    for line in asked.told:
        console.print(line)
    api, run_id = open_api(options.url, os.environ), asked.run_id or _new_run_id(clock.wall())
    with (
        Interrupts() as interrupts,
        told_when_interrupted(f"interrupted; run {run_id} is left to itself: {FOLLOW.format(run_id)}"),
        interrupts.patiently(),
        shown_on(console, clock) as screen,
    ):
        watch = Watch(api, clock, screen, lambda: interrupts.asked)
        accepted = post(watch, json.dumps(asked.spec).encode(), run_id)
        folder = asking.folder_of(options.out, str(accepted["runId"]))
        screen.say(f"{accepted_line(accepted)}; {FOLLOW.format(run_id) if options.detach else 'Ctrl-C cancels it'}")
        ended = None if options.detach else see_through(watch, folder.name)
    if ended is not None:
        return tell(ended, folder, console=console, as_json=options.json)
    if options.json:
        print_json(accepted)
    return 0


def watch(options: argparse.Namespace) -> int:
    """Follow a run that somebody else started; an interrupt leaves the run alone."""
    return _see(options, "interrupted; run {} goes on")


def cancel(options: argparse.Namespace) -> int:
    """Let a run drain, and see it end if that is asked for."""
    console, clock = make_console(stderr=options.json), SystemClock()
    api, run_id = open_api(options.url, os.environ), options.run_id
    with shown_on(console, clock) as screen, told_when_interrupted(f"interrupted; run {run_id} goes on draining"):
        watched = Watch(api, clock, screen)
        found = persist(watched, lambda: api.cancel(run_id))
        screen.say(f"run {run_id} {'has ended' if found.get('state') == FINISHED else 'is being cancelled'}")
        found = follow(watched, run_id) if options.wait else found
    if options.wait:
        console.print(f"run {run_id} has ended: {plain(found.get('verdict'))}")
    if options.json:
        print_json(found)
    return 0


def resume(options: argparse.Namespace) -> int:
    """Let a run go on that ended before its time, and follow it if that is asked for."""
    console = make_console(stderr=options.json)
    if options.out and not options.wait:
        raise WrongUsage("--out: there is nothing to write yet; it goes with --wait")
    found = open_api(options.url, os.environ).resume(options.run_id)
    more = "" if options.wait else f"; {FOLLOW.format(options.run_id)}"
    console.print(f"run {options.run_id} goes on in attempt {plain(found.get('attempt'))}{more}", soft_wrap=True)
    if options.wait:
        return _see(options, "interrupted; run {} goes on")
    if options.json:
        print_json(found)
    return 0


def _see(options: argparse.Namespace, when_interrupted: str) -> int:
    console, clock = make_console(stderr=options.json), SystemClock()
    folder = asking.folder_of(options.out, options.run_id) if options.out else None
    api = open_api(options.url, os.environ)
    with told_when_interrupted(when_interrupted.format(options.run_id)), shown_on(console, clock) as screen:
        ended = see_through(Watch(api, clock, screen), options.run_id)
    return tell(ended, folder, console=console, as_json=options.json)


def _new_run_id(now: float) -> str:
    """An id of our own, so that posting again is harmless; of the form in which a host makes them up."""
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
