"""`delete`: a run with its results, or what its devices have left."""

import argparse
import os

from engine.adapters.clock import SystemClock
from engine.cli.errors import WrongUsage
from engine.cli.follow import Watch, follow
from engine.cli.hosts import open_api
from engine.cli.interrupts import told_when_interrupted
from engine.cli.screen import make_console, print_json, shown_on
from engine.cli.transport import Json
from engine.cli.words import figure, plain


def delete(options: argparse.Namespace) -> int:
    """Leave nothing of a run; or with --devices keep the run and clean up after its devices."""
    if options.devices:
        return _clean(options)
    if options.wait:
        raise WrongUsage("--wait: a run is deleted at once; it goes with --devices")
    open_api(options.url, os.environ).delete_run(options.run_id)
    make_console(stderr=options.json).print(f"run {options.run_id} is deleted with its results")
    if options.json:
        print_json({"runId": options.run_id, "deleted": True})
    return 0


def _clean(options: argparse.Namespace) -> int:
    console, clock = make_console(stderr=options.json), SystemClock()
    api, run_id = open_api(options.url, os.environ), options.run_id
    found = api.delete_devices(run_id)
    console.print(f"the devices of run {run_id} are being cleaned up")
    if options.wait:
        with told_when_interrupted("interrupted; the clean-up goes on"), shown_on(console, clock) as screen:
            found = follow(Watch(api, clock, screen), run_id)
        console.print(_cleaned(found.get("cleanup") or {}), soft_wrap=True)
    if options.json:
        print_json(found)
    return 0


def _cleaned(cleanup: Json) -> str:
    """What a clean-up came to."""
    notes = "".join(f"; {plain(note)}" for note in cleanup.get("notes") or ())
    deleted, left = figure(cleanup.get("deleted")), figure(cleanup.get("left"))
    return f"of {deleted} devices nothing is left, of {left} something{notes}"
