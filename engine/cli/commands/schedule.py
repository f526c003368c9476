"""`schedule ACTION`: schedules of a host, listed, shown, put and deleted."""

import argparse
import os
from collections.abc import Callable, Mapping
from typing import Final

from engine.cli import asking, listing
from engine.cli.hosts import open_api
from engine.cli.screen import make_console, print_json
from engine.cli.transport import Json


def schedule(options: argparse.Namespace) -> int:
    """Carry out the action that was asked for."""
    return ACTIONS[options.action](options)


def _list(options: argparse.Namespace) -> int:
    found = open_api(options.url, os.environ).schedules()
    if options.json:
        print_json(found)
    elif found.get("schedules"):
        make_console(stderr=False).print(listing.schedules(found["schedules"]))
    else:
        print("there is no schedule")
    return 0


def _show(options: argparse.Namespace) -> int:
    return _tell(open_api(options.url, os.environ).schedule(options.name), options)


def _put(options: argparse.Namespace) -> int:
    console = make_console(stderr=options.json)
    asked = asking.asked(options, asking.elsewhere(os.environ))
    for line in asked.told:
        console.print(line)
    given = {
        "cron": options.cron,
        "at": options.at,
        "timeZone": options.time_zone,
        "overlap": options.overlap,
        "enabled": False if options.disabled else None,
    }
    document = {"spec": asked.spec, **{name: value for name, value in given.items() if value is not None}}
    return _tell(open_api(options.url, os.environ).put_schedule(options.name, document), options)


def _delete(options: argparse.Namespace) -> int:
    open_api(options.url, os.environ).delete_schedule(options.name)
    make_console(stderr=options.json).print(f"schedule {options.name} is deleted; its runs stay")
    if options.json:
        print_json({"name": options.name, "deleted": True})
    return 0


def _tell(found: Json, options: argparse.Namespace) -> int:
    if options.json:
        print_json(found)
    else:
        make_console(stderr=False).print(listing.schedule(found))
    return 0


ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "list": _list,
    "show": _show,
    "put": _put,
    "delete": _delete,
}
