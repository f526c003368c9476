"""What is looked at and changes nothing: the list of runs, their reports, two of them side by side, an estimate."""

import argparse
import json
import os
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from engine.adapters.clock import SystemClock
from engine.cli import asking, comparison, listing, prospect, values
from engine.cli.client import Api
from engine.cli.errors import CommandFailed, WrongUsage
from engine.cli.follow import write_out
from engine.cli.foresight import foresee
from engine.cli.hosts import named_url, open_api
from engine.cli.screen import make_console, print_json
from engine.cli.transport import Json

DOCUMENT_OF: Final[Mapping[str, str]] = {
    "html": "report.html",
    "md": "report.md",
    "json": "summary.json",
    "csv": "timeline.csv",
}
STDOUT: Final = "-"
OUT: Final = Path("out")
"""Where `run` puts the documents of its runs as well."""

_FILTERS: Final = ("name", "label", "state", "verdict")


def list_runs(options: argparse.Namespace) -> int:
    """Show the runs that the filters let through, a page of them or all."""
    console, now = make_console(stderr=options.json), SystemClock().wall()
    api, filters = open_api(options.url, os.environ), _filters(options, now)
    page = api.runs(filters)
    found, following = list(page.get("runs", [])), page.get("next")
    while options.all and following:
        page = api.runs({**filters, "next": str(following)})
        found, following = [*found, *page.get("runs", [])], page.get("next")
    if options.json:
        print_json({"runs": found, "next": following})
    elif found:
        console.print(listing.runs(found, now=now))
    else:
        console.print("there is no such run")
    if following:
        make_console(stderr=True).print("there are older ones: --all shows them too")
    return 0


def report(options: argparse.Namespace) -> int:
    """Fetch one document of a run, to a file or to stdout."""
    if options.out == STDOUT and (options.open or options.json):
        raise WrongUsage("--out -: stdout has the report then; neither --open nor --json goes with it")
    name, console = DOCUMENT_OF[options.format], make_console(stderr=options.json)
    body = open_api(options.url, os.environ).document(options.run_id, name)
    if options.out == STDOUT:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
        return 0
    file = Path(options.out) if options.out else OUT / options.run_id / name
    write_out(file.parent, {file.name: body})
    console.print(str(file), soft_wrap=True)
    if options.json:
        print_json({"runId": options.run_id, "format": options.format, "file": str(file)})
    if options.open:
        _open(file)
    return 0


def compare(options: argparse.Namespace) -> int:
    """Show a run beside another, whatever comes of it."""
    found = open_api(options.url, os.environ).compare(options.run_id, options.to)
    if options.json:
        print_json(found)
    else:
        make_console(stderr=False).print(comparison.rendered(found))
    return 0


def estimate(options: argparse.Namespace) -> int:
    """Tell what a run would come to: by the host that is named, else by this machine's own arithmetic."""
    console = make_console(stderr=options.json)
    is_named = named_url(options.url, os.environ) is not None
    asked = asking.asked(options, asking.elsewhere(os.environ) if is_named else os.environ)
    for line in asked.told:
        console.print(line)
    found = _foreseen(open_api(options.url, os.environ), asked) if is_named else _foresee(asked)
    if options.json:
        print_json(found)
    else:
        console.print(prospect.rendered(found))
    return 0


def _foreseen(api: Api, asked: asking.Asking) -> Json:
    return api.estimate(json.dumps(asked.spec).encode())


def _foresee(asked: asking.Asking) -> Json:
    return foresee(asked, os.environ, now=SystemClock().wall())


def _filters(options: argparse.Namespace, now: float) -> dict[str, str]:
    given: dict[str, Any] = {name: getattr(options, name) for name in _FILTERS}
    given["since"] = values.since(options.since, now) if options.since else None
    return {name: str(value) for name, value in given.items() if value is not None}


def _open(file: Path) -> None:
    """Show a file in a browser. Raises CommandFailed where there is none."""
    try:
        is_shown = webbrowser.open(file.resolve().as_uri())
    except webbrowser.Error:
        is_shown = False
    if not is_shown:
        raise CommandFailed(f"there is no browser here: open {file} yourself")
