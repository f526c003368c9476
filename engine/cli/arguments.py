"""The command line's words."""

import argparse
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.cli.statedir import DEFAULT
from engine.errors import SpecError
from engine.plan.document import problems_of
from engine.plan.target import Attestation, DpsTransport, Faults

MAX_HUBS = 50
"""As many as a provisioning service may be linked to. Source: article "Azure DPS limits", linked hubs."""

MAX_PROCESSES = 64
"""More than any machine that this is for has cores to give."""

URL = "http://127.0.0.1:7071"
EPILOG = """exit codes: 0 passed, 99 a threshold failed, 98 invalid, 97 aborted, 105 cancelled or interrupted,
104 the spec was refused, 1 error, 2 wrong usage"""


def parser() -> argparse.ArgumentParser:
    """The whole command line; `command` names what was asked for."""
    top = argparse.ArgumentParser(
        prog="python -m engine",
        description="Scale tests for certificate-based IoT fleets, on this machine or against a deployment.",
        epilog=EPILOG,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="start everything, carry out one run, stop everything", epilog=EPILOG))
    up = commands.add_parser("up", help="start everything and stay, for runs by HTTP")
    _add_services(up)
    watch = commands.add_parser("watch", help="follow a run until it is finished", epilog=EPILOG)
    _add_run_id(watch)
    watch.add_argument("--json", action="store_true", help="print summary.json on stdout, everything else on stderr")
    watch.add_argument("--out", type=Path, help="write the run's files into a folder of this one (nowhere)")
    _add_run_id(commands.add_parser("cancel", help="let a run drain and end"))
    _add_run_id(commands.add_parser("resume", help="let a run go on that ended before its time"))
    compare = commands.add_parser("compare", help="show a run beside another, number by number")
    _add_run_id(compare)
    other = "the other run, or name:NAME for the newest of that name that passed (the run's baseline)"
    compare.add_argument("--to", metavar="RUN_ID", help=other)
    emulate = commands.add_parser(
        "emulate", help="run the emulator alone; emulate --help lists its options", add_help=False
    )
    emulate.add_argument("rest", nargs=argparse.REMAINDER)
    batch = commands.add_parser("batch", help="drive one batch in this process, with the environment's settings")
    batch.add_argument("run_id", metavar="RUN_ID")
    batch.add_argument("number", type=_ordinal, metavar="NUMBER")
    worker = commands.add_parser(
        "worker", help="drive batches of a run until none is left, with the environment's settings"
    )
    worker.add_argument("run_id", nargs="?", default="", metavar="RUN_ID", help="the run (the variable RUN_ID)")
    worker.add_argument("--processes", type=_processes, default=1, metavar="N", help="how many at a time (%(default)s)")
    worker.add_argument(
        "--parent", type=int, metavar="PID", help="end with this process, which started this one (Linux)"
    )
    package = commands.add_parser("package", help="make the function package and the image's context")
    package.add_argument("--out", type=Path, default=Path("dist"), help="folder to put it in (%(default)s)")
    return top


def _add_run(run: argparse.ArgumentParser) -> None:
    what = run.add_mutually_exclusive_group()
    what.add_argument("--spec", type=Path, metavar="FILE", help="the run spec, as POST /api/runs takes it; - is stdin")
    what.add_argument("--scenario", metavar="NAME", help="a small run of this scenario (cert-renewal)")
    run.add_argument("--devices", type=int, metavar="N", help="devices.count, over the spec's")
    run.add_argument("--duration", metavar="TIME", help='load.duration, over the spec\'s, such as "40s"')
    run.add_argument("--target", metavar="NAME", help="target, over the spec's")
    run.add_argument("--json", action="store_true", help="print summary.json on stdout, everything else on stderr")
    run.add_argument("--out", type=Path, default=Path("out"), help="results go to a folder of this one (%(default)s)")
    run.add_argument("--keep-up", action="store_true", help="let the services run until Ctrl-C when the run is over")
    _add_services(run)


def _add_services(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dir", type=Path, default=DEFAULT, help="where services keep their state (%(default)s)")
    command.add_argument("--faults", type=_faults, metavar="JSON", help='what goes wrong, such as {"throttled": 0.2}')
    command.add_argument(
        "--quotas", type=_quotas, metavar="JSON", help='what the emulator lets through, such as {"certificates": 120}'
    )
    command.add_argument("--group-key", default="", metavar="BASE64", help="key that devices use, to try a wrong one")
    command.add_argument(
        "--attestation",
        choices=list(Attestation),
        default="",
        help=f"how devices prove themselves to the emulator's DPS ({Attestation.SYMMETRIC_KEY_GROUP})",
    )
    command.add_argument(
        "--dps-transport",
        choices=list(DpsTransport),
        default="",
        help=f"how devices talk to the emulator's DPS ({DpsTransport.MQTT})",
    )
    command.add_argument(
        "--hubs",
        type=_hubs,
        default=0,
        metavar="N",
        help="hubs of the emulator, hub-1.localhost to hub-N.localhost (one)",
    )


def _add_run_id(command: argparse.ArgumentParser) -> None:
    command.add_argument("run_id", metavar="RUN_ID")
    command.add_argument("--url", default=URL, help="the Functions host (%(default)s), with its key in CERTFLEET_KEY")


def _ordinal(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a batch's number from 0, found {text!r}")
    return int(text)


def _processes(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_PROCESSES:
        raise argparse.ArgumentTypeError(f"expected 1 to {MAX_PROCESSES} processes, found {text!r}")
    return int(text)


def _hubs(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_HUBS:
        raise argparse.ArgumentTypeError(f"expected 1 to {MAX_HUBS} hubs, found {text!r}")
    return int(text)


def _faults(text: str) -> dict[str, Any]:
    """The faults as given; the profile's own rules judge them."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError("expected a JSON object")
    try:
        Faults.model_validate(found)
    except ValidationError as error:
        told = [f"{p.path}: {p.message}" + (f" ({p.allowed})" if p.allowed else "") for p in problems_of(error, Faults)]
        raise argparse.ArgumentTypeError("; ".join(told)) from error
    return found


def _quotas(text: str) -> str:
    """The quotas as given; the emulator's own rules judge them."""
    from engine.emulator.throttle import parse_quotas  # the emulator is not deployed, so nothing else may need it

    try:
        parse_quotas(text)
    except SpecError as error:
        told = [f"{p.path}: {p.message}" + (f" ({p.allowed})" if p.allowed else "") for p in error.problems]
        raise argparse.ArgumentTypeError("; ".join(told)) from error
    return text
