"""The command line's words."""

import argparse
from pathlib import Path
from typing import Any, Final

from engine.cli import values
from engine.cli.hosts import LOCAL, LOCAL_URL, URL_VARIABLE
from engine.cli.statedir import DEFAULT
from engine.cli.target import asked
from engine.cli.target.wanted import CertificateModel
from engine.cli.transport import KEY_VARIABLE, TOKEN_VARIABLE
from engine.measure.verdict import Verdict
from engine.plan.target import Attestation, DpsTransport
from engine.protocol.adr import ENDPOINT
from engine.run.schedules import Overlap
from engine.run.state import Stage

NAME: Final = "certfleet"

_OF_VERDICT: Final = (
    "exit codes: 0 passed, 99 a threshold failed, 98 invalid, 97 aborted, 105 cancelled or interrupted, "
    "104 the spec was refused, 1 error, 2 wrong usage"
)
_OF_ANSWER: Final = "exit codes: 0 done, 1 the host refused or is away, 2 wrong usage, 105 interrupted"
_OF_AZURE: Final = "exit codes: 0 done, 1 a service refused or something does not fit, 2 wrong usage, 105 interrupted"
_OF_SPEC: Final = "exit codes: 0 done, 104 the spec was refused, 1 error, 2 wrong usage, 105 interrupted"

SERVICES: Final = ("dir", "faults", "quotas", "group_key", "attestation", "dps_transport", "hubs", "keep_up")
"""Options about services on this machine; each is empty when it was not given."""


def parser(prog: str = NAME) -> argparse.ArgumentParser:
    """The whole command line; `command` names what was asked for."""
    top = argparse.ArgumentParser(
        prog=prog,
        description="Scale tests for certificate-based IoT fleets, on this machine or against a deployment.",
        epilog=f"{_OF_VERDICT}; COMMAND --help tells what each takes and ends with",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_runs(commands)
    _add_results(commands)
    _add_schedules(commands)
    _add_local(commands)
    _add_parts(commands)
    _add_azure(commands)
    return top


def _add_runs(commands: Any) -> None:
    """What begins, follows and ends runs."""
    run = _add(commands, "run", _OF_VERDICT, "carry out one run and report it: here, or on the host that is named")
    _add_spec(run)
    _add_host(run, otherwise="everything is started here, and stopped again")
    run.add_argument("--out", type=Path, default=Path("out"), help="results go to a folder of this one (%(default)s)")
    run.add_argument("--detach", action="store_true", help="with a host: do not wait for the run")
    run.add_argument("--keep-up", action="store_true", help="here: let the services run until Ctrl-C afterwards")
    _add_services(run)

    estimate = _add(
        commands, "estimate", _OF_SPEC, "tell what a run would take, the limit that binds first; start none"
    )
    _add_spec(estimate)
    _add_host(estimate, otherwise="it is estimated here, as `run` here would have it, without any service")

    watch = _add(commands, "watch", _OF_VERDICT, "follow a run until it is finished; Ctrl-C leaves the run alone")
    _add_run_id(watch)
    _add_host(watch)
    watch.add_argument("--out", type=Path, help="write the run's files into a folder of this one (nowhere)")

    cancel = _add(
        commands, "cancel", f"{_OF_ANSWER}; with --wait, too, 0 whatever the verdict", "let a run drain and end"
    )
    _add_run_id(cancel)
    _add_host(cancel)
    cancel.add_argument("--wait", action="store_true", help="return when the run has ended")

    resume = _add(
        commands, "resume", f"without --wait 0; with it: {_OF_VERDICT}", "let a run go on that ended before its time"
    )
    _add_run_id(resume)
    _add_host(resume)
    resume.add_argument("--wait", action="store_true", help="follow the run until it is finished, as watch does")
    resume.add_argument(
        "--out", type=Path, help="with --wait: write the run's files into a folder of this one (nowhere)"
    )


def _add_results(commands: Any) -> None:
    """What shows and removes what runs have left."""
    listing = _add(commands, "list", _OF_ANSWER, "show the latest 50 runs, newest first")
    listing.add_argument("--name", help="only runs of this name")
    listing.add_argument("--label", metavar="KEY[=VALUE]", help="only runs with this label")
    listing.add_argument("--state", choices=[one.value for one in Stage], help="only runs in this state")
    listing.add_argument("--verdict", choices=[one.value for one in Verdict], help="only runs with this verdict")
    listing.add_argument("--since", metavar="TIME", help='only runs accepted since: "2h", "7d", or an RFC 3339 moment')
    listing.add_argument("--all", action="store_true", help="all of them")
    _add_host(listing)

    report = _add(commands, "report", _OF_ANSWER, "fetch a run's report, partial while the run goes on")
    _add_run_id(report)
    report.add_argument(
        "--format", choices=("html", "md", "json", "csv"), default="html", help="%(default)s if not said"
    )
    report.add_argument(
        "--out", metavar="FILE", default="", help="where to, - is stdout (out/RUN_ID/report.html or such)"
    )
    report.add_argument("--open", action="store_true", help="show it in a browser, where there is one")
    _add_host(report)

    compare = _add(commands, "compare", _OF_ANSWER, "show a run beside another, number by number")
    _add_run_id(compare)
    other = "the other run, or name:NAME for the newest of that name that passed (the run's baseline)"
    compare.add_argument("--to", metavar="RUN_ID", help=other)
    _add_host(compare)

    delete = _add(
        commands, "delete", _OF_ANSWER, "delete a finished run with its results, or what its devices have left"
    )
    _add_run_id(delete)
    delete.add_argument(
        "--devices", action="store_true", help="clean up after the devices; the run and its results stay"
    )
    delete.add_argument("--wait", action="store_true", help="with --devices: return when that is done")
    _add_host(delete)


def _add_schedules(commands: Any) -> None:
    schedule = commands.add_parser("schedule", help="list, show, put and delete schedules")
    actions = schedule.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_host(_add(actions, "list", _OF_ANSWER, "show all schedules"))
    show = _add(actions, "show", _OF_ANSWER, "show a schedule, its next firings and what became of the last")
    put = _add(actions, "put", _OF_SPEC, "say what is to be started, and when; replaces the schedule of that name")
    delete = _add(actions, "delete", _OF_ANSWER, "start nothing by this schedule any more; its runs stay")
    for action in (show, put, delete):
        action.add_argument("name", type=values.schedule_name, metavar="NAME")
        _add_host(action)
    _add_spec(put)
    when = put.add_mutually_exclusive_group(required=True)
    when.add_argument("--cron", metavar="EXPR", help='six fields, the first of them seconds, such as "0 30 2 * * *"')
    when.add_argument("--at", metavar="MOMENT", help="once, RFC 3339")
    put.add_argument("--time-zone", metavar="ZONE", help="of the fields of --cron, such as Europe/Berlin (UTC)")
    put.add_argument(
        "--overlap", choices=[one.value for one in Overlap], help="while the schedule's last run goes on (skip)"
    )
    put.add_argument("--disabled", action="store_true", help="keep it, and let it start nothing")


def _add_local(commands: Any) -> None:
    """What is about this machine alone."""
    up = _add(commands, "up", "exit codes: 0 stopped by Ctrl-C, 1 error", "start everything and stay, for runs by HTTP")
    _add_services(up)
    emulate = commands.add_parser(
        "emulate", help="run the emulator alone; emulate --help lists its options", add_help=False
    )
    emulate.add_argument("rest", nargs=argparse.REMAINDER)
    capture = commands.add_parser(
        "capture", help="keep what Application Insights would get; capture --help lists its options", add_help=False
    )
    capture.add_argument("rest", nargs=argparse.REMAINDER)
    package = commands.add_parser("package", help="make the function package, the image's context and their SBOMs")
    package.add_argument("--out", type=Path, default=Path("dist"), help="folder to put it in (%(default)s)")
    commands.add_parser("lock", help="pin what is shipped: requirements.txt and all it needs, by digest")


def _add_parts(commands: Any) -> None:
    """What hosts and jobs start."""
    batch = commands.add_parser("batch", help="drive one batch in this process, with the environment's settings")
    batch.add_argument("run_id", metavar="RUN_ID")
    batch.add_argument("number", type=values.ordinal, metavar="NUMBER")
    worker = commands.add_parser(
        "worker", help="drive batches of a run until none is left, with the environment's settings"
    )
    worker.add_argument("run_id", nargs="?", default="", metavar="RUN_ID", help="the run (the variable RUN_ID)")
    worker.add_argument(
        "--processes", type=values.processes, default=1, metavar="N", help="how many at a time (%(default)s)"
    )
    worker.add_argument(
        "--parent", type=int, metavar="PID", help="end with this process, which started this one (Linux)"
    )


def _add_azure(commands: Any) -> None:
    """What comes after a deployment."""
    actions = commands.add_parser("vault", help="what a deployment leaves to be done in its Key Vault").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    init = _add(actions, "init", _OF_AZURE, "make the key that wraps devices' keys at rest, where there is none")
    init.add_argument("--vault", type=asked.origin, required=True, metavar="URL", help="the Key Vault")
    init.add_argument("--api-version", metavar="VERSION", help="of the vault's API")
    _add_json(init)

    actions = commands.add_parser("target", help="what a deployment of infra/target leaves to be done").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    setup = _add(
        actions,
        "setup",
        _OF_AZURE,
        "link, issue, enroll, keep the group's key, and print the settings that find the target; repeated, it changes "
        "nothing",
    )
    setup.add_argument(
        "--outputs", metavar="FILE", help="the deployment's outputs as JSON, - is stdin; options go first"
    )
    setup.add_argument("--model", choices=[one.value for one in CertificateModel], help="who issues certificates")
    setup.add_argument("--dps", metavar="ID", help="resource id of the provisioning service")
    setup.add_argument("--hub", metavar="ID", action="append", help="resource id of a hub, once each")
    setup.add_argument("--namespace", metavar="ID", help="resource id of the device registry namespace")
    setup.add_argument("--vault", type=asked.origin, metavar="URL", help="the Key Vault that keeps the group's key")
    setup.add_argument(
        "--secret", type=values.word, metavar="NAME", help="what the key is called there (dps-group-key)"
    )
    setup.add_argument("--group", type=values.word, metavar="NAME", help="the enrollment group (certfleet)")
    setup.add_argument("--policy", type=values.word, metavar="NAME", help="the certificates' policy (certfleet)")
    setup.add_argument(
        "--authority", type=values.word, metavar="NAME", help="the issuing certificate authority (certfleet)"
    )
    setup.add_argument(
        "--validity-days", type=values.days, metavar="N", help="of certificates, with a certificate authority (30)"
    )
    setup.add_argument("--name", type=values.word, metavar="NAME", help="what the target profile is called (target)")
    setup.add_argument(
        "--endpoint", type=asked.origin, metavar="URL", help=f"the cloud's resource manager ({ENDPOINT})"
    )
    setup.add_argument(
        "--api-version",
        type=asked.api_version,
        action="append",
        metavar="API=VERSION",
        help=f"where a region lacks the usual one; API is {', '.join(asked.APIS)}",
    )
    _add_json(setup)


def _add(commands: Any, name: str, ends_with: str, does: str) -> argparse.ArgumentParser:
    """A command that tells what it does and what it ends with."""
    added: argparse.ArgumentParser = commands.add_parser(
        name, help=does, description=f"{does[0].upper()}{does[1:]}.", epilog=ends_with
    )
    return added


def _add_spec(command: argparse.ArgumentParser) -> None:
    what = command.add_mutually_exclusive_group()
    what.add_argument("--spec", type=Path, metavar="FILE", help="the run spec, as POST /api/runs takes it; - is stdin")
    what.add_argument("--scenario", metavar="NAME", help="a small run of this scenario (cert-renewal)")
    command.add_argument("--devices", type=int, metavar="N", help="devices.count, over the spec's")
    command.add_argument("--duration", metavar="TIME", help='load.duration, over the spec\'s, such as "40s"')
    command.add_argument("--target", metavar="NAME", help="target, over the spec's")


def _add_host(command: argparse.ArgumentParser, *, otherwise: str = LOCAL_URL) -> None:
    given = f"the Functions host to ask, also in {URL_VARIABLE}; {LOCAL}, or neither: {otherwise}."
    shown = f"{KEY_VARIABLE} holds its key, {TOKEN_VARIABLE} a token of Entra ID"
    command.add_argument("--url", default="", help=f"{given} {shown}")
    _add_json(command)


def _add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print one JSON value on stdout, all else on stderr")


def _add_run_id(command: argparse.ArgumentParser) -> None:
    command.add_argument("run_id", type=values.run_id, metavar="RUN_ID")


def _add_services(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dir", type=Path, help=f"where services keep their state ({DEFAULT})")
    command.add_argument(
        "--faults", type=values.faults, metavar="JSON", help='what goes wrong, such as {"throttled": 0.2}'
    )
    command.add_argument(
        "--quotas",
        type=values.quotas,
        metavar="JSON",
        help='what the emulator lets through, such as {"certificates": 120}',
    )
    command.add_argument("--group-key", default="", metavar="BASE64", help="key that devices use, to try a wrong one")
    command.add_argument(
        "--attestation",
        choices=[one.value for one in Attestation],
        default="",
        help=f"how devices prove themselves to the emulator's DPS ({Attestation.SYMMETRIC_KEY_GROUP})",
    )
    command.add_argument(
        "--dps-transport",
        choices=[one.value for one in DpsTransport],
        default="",
        help=f"how devices talk to the emulator's DPS ({DpsTransport.MQTT})",
    )
    command.add_argument(
        "--hubs",
        type=values.hubs,
        default=0,
        metavar="N",
        help="hubs of the emulator, hub-1.localhost to hub-N.localhost (one)",
    )
