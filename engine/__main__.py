"""`python -m engine COMMAND`: picks the command, and turns what goes wrong into exit codes."""

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from engine.cli import commands, refusal
from engine.cli.arguments import parser
from engine.cli.errors import SpecRefused
from engine.errors import HarnessError, RunRefused, SettingsError, SpecError, SpecTooLarge
from engine.measure.verdict import EXIT_CODES, REFUSED_EXIT_CODE, Verdict

COMMANDS: Final[Mapping[str, Callable[..., int]]] = {
    "run": commands.run,
    "up": commands.up,
    "watch": commands.watch,
    "cancel": commands.cancel_run,
    "resume": commands.resume_run,
    "compare": commands.compare,
    "batch": commands.batch,
    "worker": commands.worker,
    "package": commands.package,
}
INTERRUPTED: Final = EXIT_CODES[Verdict.CANCELLED]
FAILED: Final = EXIT_CODES[Verdict.ERROR]


def main(arguments: Sequence[str]) -> int:
    """Carry out a command line; the exit code, see product page, section 6."""
    if arguments[:1] == ["emulate"]:  # its options are its own
        return commands.emulate(arguments[1:])
    options = parser().parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except (SpecError, SpecTooLarge, SpecRefused, RunRefused) as refused:
        refusal.show(refused)
        return REFUSED_EXIT_CODE
    except SettingsError as error:
        return _complain(*(f"{name}: {text}" for name, text in error.problems.items()))
    except HarnessError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        _complain("interrupted; everything was stopped at once")
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has left; say nothing more, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        traceback.print_exc()
        return _complain(f"a bug of certfleet: {type(error).__name__}: {error}")


def _complain(*lines: str) -> int:
    for line in lines:
        print(f"certfleet: {line}", file=sys.stderr)
    return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
