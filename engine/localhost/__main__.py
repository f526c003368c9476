"""`python -m engine.localhost APP_DIR [--port N] [--state FILE.db] [--no-timers] [--stop-after S]`.

Prints `{"ready": true, "url": ..., "functions": [...]}` when calls are answered. Exit codes: 0 stopped by a signal,
1 refused or broken (one line on stderr says why), 2 wrong usage.
"""

import argparse
import asyncio
import logging
import os
import sys
import threading
from pathlib import Path

from engine.localhost.errors import HostError
from engine.localhost.pins import PINS, check_pins

LEAVE_S = 1.0
"""How long the app's threads may take to end by themselves."""

CHATTY = ("aiohttp", "azure", "durabletask", "grpc")
"""Loggers that tell more of their own work than the app's readers want."""


def main(arguments: list[str]) -> int:
    """Host an app; the exit code."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        check_pins(PINS)
        run(options)
    except HostError as error:
        return complain(error)
    except ExceptionGroup as group:
        logging.getLogger(__name__).error("the host broke", exc_info=group)
        return complain(cause(group))
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    command = argparse.ArgumentParser(prog="python -m engine.localhost", description="Hosts a Python Functions app.")
    command.add_argument("app", type=Path, help="folder of function_app.py and host.json")
    command.add_argument("--port", type=int, default=7071, help="0 picks a free one (default 7071)")
    command.add_argument("--state", type=Path, help="file that keeps orchestrations over a restart (default: none)")
    command.add_argument("--no-timers", action="store_true", help="call no timer function by itself")
    command.add_argument("--stop-after", type=float, default=10.0, help="seconds running functions get (default 10)")
    return command


def run(options: argparse.Namespace) -> None:
    """Serve until stopped."""
    from engine.localhost.host import Options, serve  # after the pins are checked: it imports private names

    state = options.state.resolve() if options.state else None
    asyncio.run(
        serve(
            Options(
                options.app.resolve(),
                port=options.port,
                state=state,
                timers=not options.no_timers,
                stop_after_s=options.stop_after,
            )
        )
    )


def complain(error: BaseException) -> int:
    """Say in one line what went wrong; the exit code."""
    text = str(error) if isinstance(error, HostError) else f"{type(error).__name__}: {error}"
    print(f"engine.localhost: {text}", file=sys.stderr)
    return 1


def cause(error: BaseException) -> BaseException:
    """The first single error inside exception groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def leave(code: int) -> None:
    """Exit, soon even if functions of the app still run: their threads cannot be ended."""
    end = threading.Timer(LEAVE_S, os._exit, (code,))
    end.daemon = True
    end.start()
    sys.exit(code)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
