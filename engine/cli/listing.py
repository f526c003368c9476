"""Runs and schedules as tables for the terminal, from the API's lists."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from engine.cli.summary import STYLES
from engine.cli.words import plain
from engine.report.units import NOTHING

_STEPS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


def runs(found: Sequence[Mapping[str, Any]], *, now: float) -> Table:
    """One row per run; now is wall seconds."""
    table = _table("run", "name", "scenario", "target", "state", "verdict", "accepted", "by", "labels")
    for run in found:
        labels = " ".join(f"{plain(name)}={plain(value)}" for name, value in (run.get("labels") or {}).items())
        words = [plain(run.get(key)) for key in ("runId", "name", "scenario", "target", "state")]
        by = plain(run.get("startedBy") or NOTHING)
        cells = (*map(Text, words), verdict(run.get("verdict")), *map(Text, (ago(run.get("created"), now), by, labels)))
        table.add_row(*cells)
    return table


def schedules(found: Sequence[Mapping[str, Any]]) -> Table:
    """One row per schedule."""
    table = _table("schedule", "scenario", "when", "next", "last")
    for one in found:
        upcoming = plain(next(iter(one.get("next") or ()), NOTHING if one.get("enabled") else "disabled"))
        scenario = plain((one.get("spec") or {}).get("scenario"))
        table.add_row(*map(Text, (plain(one.get("name")), scenario, _when(one), upcoming, _fired(one.get("last")))))
    return table


def schedule(found: Mapping[str, Any]) -> Group:
    """One schedule: what it starts and when, the next firings, and what became of the last."""
    return Group(*map(Text, _told(found)))


def verdict(word: object) -> Text:
    """A verdict in its colour; a dash before there is one."""
    return Text(plain(word), style=STYLES.get(str(word), "bold red") if word else "")


def ago(moment: object, now: float) -> str:
    """How long ago an RFC 3339 moment was, in its largest unit; what is no moment stays as it is."""
    try:
        passed_s = now - datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        return plain(moment)
    for length_s, unit in _STEPS:
        if passed_s >= length_s:
            return f"{int(passed_s // length_s)} {unit} ago"
    return "just now"


def _told(found: Mapping[str, Any]) -> Iterator[str]:
    spec = found.get("spec") or {}
    state = "" if found.get("enabled") else ", disabled"
    yield f"schedule {plain(found.get('name'))}: {_when(found)}, overlap {plain(found.get('overlap'))}{state}"
    count = (spec.get("devices") or {}).get("count")
    yield f"starts {plain(spec.get('scenario'))} on {plain(spec.get('target'))} with {plain(count)} devices"
    upcoming = [plain(moment) for moment in found.get("next") or ()]
    yield f"next: {', '.join(upcoming) or 'never'}"
    for firing in found.get("lately") or ():
        yield f"lately: {_fired(firing)}"


def _when(found: Mapping[str, Any]) -> str:
    if found.get("cron"):
        return f"{plain(found['cron'])} {plain(found.get('timeZone'))}"
    return f"once at {plain(found.get('at'))}"


def _fired(firing: Mapping[str, Any] | None) -> str:
    if not firing:
        return NOTHING
    more = firing.get("runId") or firing.get("why") or ""
    return " ".join(plain(word) for word in (firing.get("firing"), firing.get("became"), more) if word)


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 1), show_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading == headings[0])
    return table
