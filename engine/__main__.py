"""The command line, as `certfleet` and as `python -m engine`: picks the command, and turns what goes wrong into exit
codes, the one place where that is done."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from engine.cli import refusal
from engine.cli.arguments import NAME, parser
from engine.cli.commands import here, looking, parts, removal, schedule, target, there
from engine.cli.errors import Interrupted, SpecRefused, WrongUsage
from engine.cli.screen import print_json
from engine.errors import HarnessError, RunRefused, SettingsError, SpecError, SpecTooLarge
from engine.measure.verdict import EXIT_CODES, REFUSED_EXIT_CODE, Verdict

type Carry = Callable[[argparse.Namespace], int]

COMMANDS: Final[Mapping[str, Carry]] = {
    "run": there.run,
    "estimate": looking.estimate,
    "watch": there.watch,
    "cancel": there.cancel,
    "resume": there.resume,
    "list": looking.list_runs,
    "report": looking.report,
    "compare": looking.compare,
    "delete": removal.delete,
    "schedule": schedule.schedule,
    "up": here.up,
    "batch": parts.batch,
    "worker": parts.worker,
    "package": parts.package,
    "target": target.target,
    "vault": target.vault,
    "lock": parts.lock,
}
PROGRAMS: Final[Mapping[str, Callable[[Sequence[str]], int]]] = {"emulate": parts.emulate, "capture": parts.capture}
"""Commands whose options are their own."""

INTERRUPTED: Final = EXIT_CODES[Verdict.CANCELLED]
FAILED: Final = EXIT_CODES[Verdict.ERROR]
MISUSED: Final = 2
"""As of argparse."""

MODULE: Final = "python -m engine"


def certfleet() -> int:
    """Carry out the command line of this process, of the command of that name; the exit code."""
    return main(sys.argv[1:])


def main(arguments: Sequence[str], *, prog: str = NAME) -> int:
    """Carry out a command line; the exit code, see product page, section 6."""
    if arguments and arguments[0] in PROGRAMS:
        return PROGRAMS[arguments[0]](arguments[1:])
    options = parser(prog).parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except HarnessError as error:
        return _refused(error, as_json=getattr(options, "json", False))
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has left; say nothing more, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        traceback.print_exc()
        _complain(f"a bug of certfleet: {type(error).__name__}: {error}")
        return FAILED


def _refused(error: HarnessError, *, as_json: bool) -> int:
    """Say what went wrong, to people and to whoever reads JSON; the exit code."""
    if as_json and not isinstance(error, Interrupted):
        print_json(refusal.to_json(error))
    match error:
        case SpecError() | SpecTooLarge() | SpecRefused() | RunRefused():
            refusal.show(error)
            return REFUSED_EXIT_CODE
        case SettingsError():
            _complain(*(f"{name}: {text}" for name, text in error.problems.items()))
        case _:
            _complain(str(error))
    match error:
        case WrongUsage():
            return MISUSED
        case Interrupted():
            return INTERRUPTED
        case _:
            return FAILED


def _complain(*lines: str) -> None:
    for line in lines:
        print(f"certfleet: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], prog=MODULE))
