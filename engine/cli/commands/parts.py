"""What hosts, jobs and the build start: batches, workers, the emulator, the capture, the packages."""

import argparse
import json
import os
from collections.abc import Sequence

from engine.cli.crew import carry_out, end_with
from engine.cli.errors import CommandFailed
from engine.cli.image import build_image_context
from engine.cli.interrupts import Interrupts
from engine.cli.package import build
from engine.cli.sbom import build_sboms
from engine.cli.statedir import ROOT
from engine.errors import NotFound


def batch(options: argparse.Namespace) -> int:
    """Drive one batch in this process."""
    from engine.run.activities import run_batch  # these bring the Azure libraries, which no other command needs
    from engine.run.files import read_plan
    from engine.wiring import WORKER_ROLE, means

    own = means(WORKER_ROLE)
    try:
        batches = len(read_plan(own.store, options.run_id).plan.batches)
    except NotFound:
        raise CommandFailed(_not_planned(options.run_id)) from None
    if options.number >= batches:
        raise CommandFailed(f"run {options.run_id} has batches 0 to {batches - 1}, found {options.number}")
    print(json.dumps(run_batch({"runId": options.run_id, "batch": options.number, "attempt": 1}, own)))
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
        from engine.wiring import WORKER_ROLE, means, warnings_told

        try:
            with warnings_told(run_id):
                receipts = work(run_id, means(WORKER_ROLE))
        except NotFound:
            raise CommandFailed(_not_planned(run_id)) from None
    print(json.dumps({"runId": run_id, "batches": receipts}))
    return 0


def emulate(arguments: Sequence[str]) -> int:
    """Run the emulator alone."""
    from engine.emulator.server import main  # the emulator is not deployed, so nothing else may need it

    return main(arguments)


def capture(arguments: Sequence[str]) -> int:
    """Run the captured ingestion alone."""
    from engine.emulator.capture_server import main  # neither is this one deployed

    return main(arguments)


def package(options: argparse.Namespace) -> int:
    """Make the function package, what the worker's image is built from, and a list of what is in each."""
    folder, function = build(ROOT, options.out)
    image = build_image_context(ROOT, options.out)
    for path in (folder, function, image, *build_sboms(ROOT, options.out, function)):
        print(path)
    return 0


def lock(_options: argparse.Namespace) -> int:
    """Resolve what is shipped anew."""
    from engine.cli.locking import lock as lock_anew  # it needs a package that only the gate's environment is sure of

    print(lock_anew(ROOT))
    return 0


def _not_planned(run_id: str) -> str:
    return f"run {run_id} is not known to this storage, or not planned yet"
