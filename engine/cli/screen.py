"""Where the command line talks to people: a live panel on a terminal, a line now and then elsewhere."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.live import Live

from engine.cli import live
from engine.cli.live import View
from engine.ports import Clock

LINE_EVERY_S: Final = 5.0
PLAIN_WIDTH: Final = 132
"""Logs have no width of their own; the tables fit into this one."""


class Screen(Protocol):
    """Shows how a run is doing."""

    def show(self, view: View) -> None:
        """Show the latest view."""

    def say(self, text: str) -> None:
        """Say one line that stays."""


class Panel:
    """Redraws one panel in place."""

    def __init__(self, console: Console, display: Live) -> None:
        self._console, self._display = console, display

    def show(self, view: View) -> None:
        """See Screen."""
        self._display.update(live.panel(view), refresh=True)

    def say(self, text: str) -> None:
        """See Screen."""
        self._console.print(text)


class Lines:
    """Prints a line when the state changes, and every LINE_EVERY_S."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console, self._clock = console, clock
        self._last: tuple[object, float] = (None, 0.0)

    def show(self, view: View) -> None:
        """See Screen."""
        state, now = (view.get("state"), view.get("phase")), self._clock.now()
        if state != self._last[0] or now - self._last[1] >= LINE_EVERY_S:
            self._last = (state, now)
            self.say(live.line(view))

    def say(self, text: str) -> None:
        """See Screen."""
        self._console.print(text, soft_wrap=True)


def print_json(value: object) -> None:
    """Print the one value that --json asks for on stdout."""
    print(json.dumps(value, indent=1))


def make_console(*, stderr: bool) -> Console:
    """A console that takes every text as it is."""
    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.file.isatty():
        console.width = PLAIN_WIDTH
    return console


@contextmanager
def shown_on(console: Console, clock: Clock) -> Iterator[Screen]:
    """The screen that fits the console, while the block runs."""
    if not console.file.isatty() or console.is_dumb_terminal:
        yield Lines(console, clock)
        return
    with Live(console=console, auto_refresh=False, transient=True) as display:
        yield Panel(console, display)
