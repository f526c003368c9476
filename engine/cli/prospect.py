"""An estimate for the terminal, from the answer of a dry run: the limit that binds first."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.cli.words import figure, many, plain
from engine.report.units import NOTHING, percent

type Found = Mapping[str, Any]

FULL: Final = 1.0
"""The share of a limit above which a run goes over it."""


def rendered(found: Found) -> Group:
    """What would run, the limit that binds, how long and where, every limit, every operation."""
    spec, foreseen = found["spec"], found["estimate"]
    parts: list[RenderableType] = [
        Text(_headline(spec, foreseen)),
        _binding(foreseen["binding"]),
        *(Text(f"  warning: {plain(warning)}", style="yellow") for warning in _others(foreseen)),
        Text(""),
        facts(foreseen),
    ]
    if shown := [one for one in (foreseen["binding"], *foreseen["limits"]) if one.get("need") is not None]:
        parts += [Text(""), limits(shown)]
    return Group(*parts, Text(""), operations(foreseen["operations"]))


def facts(foreseen: Found) -> Table:
    """Where it runs, what that takes, and what it costs."""
    table = Table(box=None, padding=(0, 1), show_edge=False, show_header=False)
    cost = foreseen["cost"]
    rows = (
        ("runner", plain(foreseen["runner"])),
        ("cores", figure(foreseen["cores"])),
        ("devices at once", figure(foreseen["inFlight"])),
        ("outbound addresses", figure(foreseen["outboundAddresses"])),
        ("compute", f"{figure(cost['computeUsd'])} USD"),
        ("target side", plain(cost["targetSide"])),
    )
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    return table


def limits(found: Sequence[Found]) -> Table:
    """One row per limit, in the order given: what it is, what the run needs of it, and what comes of that."""
    table = Table(box=None, padding=(0, 1), show_edge=False)
    for name in ("limit", "value", "need", "share", "unit", "effect", "source"):
        table.add_column(name, justify="right" if name in ("value", "need", "share") else "left", overflow="fold")
    for one in found:
        share = _share(one)
        style = "red" if share is not None and share > FULL else ""
        numbers = (figure(one["value"]), figure(one["need"]), percent(share))
        cells = (plain(one["limit"]), *numbers, *(plain(one[key]) for key in ("unit", "effect", "source")))
        table.add_row(*(Text(cell) for cell in cells), style=style)
    return table


def operations(found: Found) -> Table:
    """How often each operation is expected."""
    table = Table(box=None, padding=(0, 1), show_edge=False)
    table.add_column("operation", no_wrap=True)
    table.add_column("expected", justify="right")
    for name, times in found.items():
        table.add_row(Text(plain(name)), Text(figure(times)))
    return table


def _headline(spec: Found, foreseen: Found) -> str:
    devices = figure((spec.get("devices") or {}).get("count"))
    batches, waves = many(foreseen["batches"], "batch", "batches"), many(foreseen["waves"], "wave", "waves")
    what = f"{plain(spec.get('scenario'))} on {plain(spec.get('target'))}: {devices} devices in {batches}, {waves}"
    return f"{what}, about {plain(foreseen['duration'])}; nothing was started"


def _binding(binding: Found) -> Text:
    share = _share(binding)
    if share is None:
        return Text(f"binding limit: {plain(binding['effect'])}")
    used = f"{figure(binding['need'])} of {figure(binding['value'])} {plain(binding['unit'])}".rstrip()
    text = f"binding limit: {plain(binding['limit'])}: {used} ({percent(share)}): {plain(binding['effect'] or NOTHING)}"
    return Text(text, style="bold red" if share > FULL else "bold")


def _others(foreseen: Found) -> list[str]:
    """The warnings that say more than the table of limits does."""
    shown = {f"{one['limit']}: {one['effect']}" for one in (foreseen["binding"], *foreseen["limits"])}
    return [warning for warning in foreseen["warnings"] if warning not in shown]


def _share(one: Found) -> float | None:
    return float(one["need"]) / float(one["value"]) if one.get("value") and one.get("need") is not None else None
