"""What each command does; every one gives its exit code."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from engine.adapters.clock import SystemClock
from engine.cli import asking, comparison, summary
from engine.cli.client import KEY_VARIABLE, Api, Json
from engine.cli.crew import carry_out, end_with
from engine.cli.errors import CommandFailed
from engine.cli.follow import Ended, Watch, cancel, clear, persist, post, see_through, write_out
from engine.cli.image import build_image_context
from engine.cli.interrupts import Interrupts
from engine.cli.package import build
from engine.cli.screen import make_console, shown_on
from engine.cli.specs import DEFAULT as DEFAULT_SCENARIO
from engine.cli.statedir import ROOT
from engine.cli.station import Order, Station, open_station
from engine.cli.words import plain
from engine.errors import NotFound
from engine.measure.verdict import EXIT_CODES, Verdict

STAY_LOOK_S: Final = 0.2


def run(options: argparse.Namespace) -> int:
    """Start everything, carry out one run, stop everything."""
    console = make_console(stderr=options.json)
    asked = _asked(options)
    for line in asked.told:
        console.print(line)
    order = _order(options, "run", with_emulator=asked.with_emulator)
    with Interrupts() as interrupts, open_station(order, os.environ, console.print) as station:
        api, clock = Api(station.url), SystemClock()
        with interrupts.patiently(), shown_on(console, clock) as screen:
            watch = Watch(api, clock, screen, lambda: interrupts.asked, station.check)
            clear(watch)
            if interrupts.asked:
                raise KeyboardInterrupt
            accepted = post(watch, json.dumps(asked.spec).encode(), asked.run_id)
            folder = asking.folder_of(options.out, str(accepted["runId"]))
            screen.say(_accepted(accepted))
            ended = see_through(watch, folder.name)
        code = _tell(ended, folder, console=console, as_json=options.json)
        if options.keep_up:
            _stay(station, interrupts, console)
    return code


def up(options: argparse.Namespace) -> int:
    """Start everything and stay until interrupted."""
    console = make_console(stderr=False)
    order = _order(options, "up", with_emulator=True)
    with Interrupts() as interrupts, open_station(order, os.environ, console.print) as station:
        example = f'curl -X POST {station.url}/api/runs -d \'{{"scenario": "cert-renewal"}}\''
        console.print(f"start a run with: {example}", soft_wrap=True)
        _stay(station, interrupts, console)
    return 0


def watch(options: argparse.Namespace) -> int:
    """Follow a run that somebody else started; an interrupt leaves the run alone."""
    console, clock = make_console(stderr=options.json), SystemClock()
    folder = asking.folder_of(options.out, options.run_id) if options.out else None
    with shown_on(console, clock) as screen:
        ended = see_through(Watch(_api(options), clock, screen), options.run_id)
    return _tell(ended, folder, console=console, as_json=options.json)


def cancel_run(options: argparse.Namespace) -> int:
    """Let a run drain."""
    console, clock = make_console(stderr=False), SystemClock()
    with shown_on(console, clock) as screen:
        cancel(Watch(_api(options), clock, screen), options.run_id)
    console.print(f"run {plain(options.run_id)} is being cancelled")
    return 0


def resume_run(options: argparse.Namespace) -> int:
    """Let a run go on that ended before its time."""
    found = _api(options).resume(options.run_id)
    run_id = plain(options.run_id)
    print(f"run {run_id} goes on in attempt {plain(found['attempt'])}; `watch {run_id}` follows it")
    return 0


def compare(options: argparse.Namespace) -> int:
    """Show a run beside another, whatever comes of it."""
    console, clock, api = make_console(stderr=False), SystemClock(), _api(options)
    with shown_on(console, clock) as screen:
        found = persist(Watch(api, clock, screen), lambda: api.compare(options.run_id, options.to))
    console.print(comparison.rendered(found))
    return 0


def batch(options: argparse.Namespace) -> int:
    """Drive one batch in this process."""
    from engine.run.activities import run_batch  # these bring the Azure libraries, which no other command needs
    from engine.run.files import read_plan
    from engine.wiring import means

    try:
        batches = len(read_plan(means().store, options.run_id).plan.batches)
    except NotFound:
        raise CommandFailed(_not_planned(options.run_id)) from None
    if options.number >= batches:
        raise CommandFailed(f"run {options.run_id} has batches 0 to {batches - 1}, found {options.number}")
    print(json.dumps(run_batch({"runId": options.run_id, "batch": options.number, "attempt": 1}, means())))
    return 0


def worker(options: argparse.Namespace) -> int:
    """Drive batches of a run until none is left: in this process, or in several like it."""
    run_id = options.run_id or os.environ.get("RUN_ID", "").strip()
    if not run_id:
        raise CommandFailed("worker needs a run id: RUN_ID as an argument, or as a variable of the environment")
    with Interrupts():
        if options.parent is not None:
            end_with(options.parent)
        if options.processes > 1:
            return carry_out(run_id, options.processes)
        from engine.run.worker import work  # these bring the Azure libraries, which no other command needs
        from engine.wiring import means

        try:
            receipts = work(run_id, means())
        except NotFound:
            raise CommandFailed(_not_planned(run_id)) from None
    print(json.dumps({"runId": run_id, "batches": receipts}))
    return 0


def emulate(arguments: Sequence[str]) -> int:
    """Run the emulator alone."""
    from engine.emulator.server import main  # the emulator is not deployed, so nothing else may need it

    return main(arguments)


def package(options: argparse.Namespace) -> int:
    """Make the function package, and what the worker's image is built from."""
    for path in (*build(ROOT, options.out), build_image_context(ROOT, options.out)):
        print(path)
    return 0


def _api(options: argparse.Namespace) -> Api:
    """The host that was named, with the key that it may want."""
    return Api(options.url, key=os.environ.get(KEY_VARIABLE, ""))


def _not_planned(run_id: str) -> str:
    return f"run {run_id} is not known to this storage, or not planned yet"


def _order(options: argparse.Namespace, what: str, *, with_emulator: bool) -> Order:
    return Order(
        options.dir,
        what,
        with_emulator,
        faults=options.faults,
        quotas=options.quotas or "",
        group_key=options.group_key,
        attestation=options.attestation,
        transport=options.dps_transport,
        hubs=options.hubs,
    )


def _asked(options: argparse.Namespace) -> asking.Asking:
    flags = {"/devices/count": options.devices, "/load/duration": options.duration, "/target": options.target}
    if options.spec is not None:
        return asking.of_spec(asking.read_spec(options.spec), flags, os.environ)
    return asking.of_scenario(options.scenario or DEFAULT_SCENARIO.value, flags, os.environ)


def _accepted(accepted: Json) -> str:
    estimate = accepted.get("estimate", {})
    return (
        f"run {accepted['runId']}: {plain(accepted['spec'].get('scenario'))} in {estimate.get('batches')} batches, "
        f"about {plain(estimate.get('duration'))}; Ctrl-C cancels it"
    )


def _tell(ended: Ended, folder: Path | None, *, console: Console, as_json: bool) -> int:
    """Keep the run's files, say what came out; the exit code."""
    body = ended.documents.get("summary.json")
    if folder is not None and body is not None:
        write_out(folder, ended.documents)
    found = json.loads(body) if body is not None else dict(ended.view)
    if body is None:
        console.print(summary.without_results(found), soft_wrap=True)
    else:
        console.print(summary.rendered(found))
    if folder is not None and body is not None:
        console.print(f"\nfiles: {', '.join(str(folder / name) for name in ended.documents)}", soft_wrap=True)
    if as_json:
        print(json.dumps(found, indent=1))
    return EXIT_CODES[Verdict(found["verdict"])]


def _stay(station: Station, interrupts: Interrupts, console: Console) -> None:
    """Wait for an interrupt. Raises ChildDied."""
    console.print("everything stays up; stop it with Ctrl-C")
    clock, before = SystemClock(), interrupts.asked
    with interrupts.patiently():
        while interrupts.asked == before:
            station.check()
            clock.sleep(STAY_LOOK_S)
    console.print("stopping")
