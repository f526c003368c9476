"""A run while it goes on, as `GET /api/runs/{id}` tells it: a panel for terminals, a line for logs."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from engine.cli.words import figure, many, plain
from engine.device.catalog import SCENARIOS
from engine.errors import BLAMES, Outcome
from engine.report.units import duration, percent

SHOWN_FAILURES: Final = 5
OPERATIONS: Final = ("operation", "due", "ok", "failed", "late", "lost", "dropped", "in flight", "rate/s")
LATENCIES: Final = ("p50", "p95", "p99")

type View = Mapping[str, Any]


def panel(view: View) -> Panel:
    """All that is known of the run just now."""
    parts: list[RenderableType] = [Text(_progress(view)), ProgressBar(total=1.0, completed=_share(view)), Text("")]
    if devices := _devices(view):
        parts.append(Text(devices))
    if view.get("operations"):
        parts.append(operations(view["operations"]))
    parts += [Text(line, style="yellow") for line in troubles(view)]
    title = f"{plain(view.get('name'))} · {plain(view.get('scenario'))} on {plain(view.get('target'))}"
    return Panel(Group(*parts), title=Text(title), subtitle=Text(f"run {plain(view.get('runId'))}"), expand=True)


def line(view: View) -> str:
    """The same in one line, of the operations only the scenario's main one."""
    scenario = SCENARIOS.get(str(view.get("scenario")))
    counts = view.get("operations", {}).get(scenario.main) if scenario else None
    words = [_progress(view), _devices(view), _main(scenario.main, counts) if scenario and counts else ""]
    return " | ".join(word for word in (*words, *troubles(view)) if word)


def accepted_line(accepted: View) -> str:
    """What a host has accepted, from the answer to POST /api/runs."""
    estimate, scenario = accepted.get("estimate") or {}, (accepted.get("spec") or {}).get("scenario")
    batches, took = many(estimate.get("batches"), "batch", "batches"), plain(estimate.get("duration"))
    return f"run {plain(accepted.get('runId'))}: {plain(scenario)} in {batches}, about {took}"


def operations(found: Mapping[str, Mapping[str, Any]]) -> Table:
    """One row per operation; latencies in ms, from the time they were due."""
    table = Table(box=None, padding=(0, 1), show_edge=False)
    for name in (*OPERATIONS, *(f"{one} ms" for one in LATENCIES)):
        table.add_column(name, justify="left" if name == "operation" else "right", no_wrap=True)
    keys = ("due", "ok", "failed", "late", "lost", "dropped", "inFlight", "ratePerSecond", *LATENCIES)
    for name, counts in found.items():
        prepared = " (prepare)" if counts.get("phase") == "prepare" else ""
        style = "red" if any(counts.get(key) for key in ("failed", "late", "lost")) else ""
        table.add_row(Text(plain(name) + prepared, style=style), *(Text(figure(counts.get(key))) for key in keys))
    return table


def troubles(view: View) -> list[str]:
    """What deserves a look: failures with their blame, silent batches, a store or generator that struggles."""
    failures = view.get("failures", [])[:SHOWN_FAILURES]
    told = [
        f"{one['count']} times {plain(one['operation'])} {plain(one['outcome'])}"
        f"{' ' + plain(one['code']) if one.get('code') else ''} ({blame(str(one['outcome']))})"
        for one in failures
    ]
    stalled = view.get("batches", {}).get("stalled", [])
    told += [f"no sign of life from batch {', '.join(map(str, stalled))}"] if stalled else []
    told += [f"the store failed {view['storeFailures']} times"] if view.get("storeFailures") else []
    return told


def blame(outcome: str) -> str:
    """Whose fault an outcome is."""
    return BLAMES[Outcome(outcome)].value if outcome in tuple(Outcome) else "unknown"


def _progress(view: View) -> str:
    phase, eta = view.get("phase"), view.get("etaSeconds")
    words = [plain(view.get("state")) + (f", {plain(phase)}" if phase and eta != 0 else ""), percent(_share(view))]
    words += [f"{duration(float(view['elapsedSeconds']))} of load"] if view.get("elapsedSeconds") else []
    words += [f"{duration(float(eta))} to go"] if eta else []
    batches = view.get("batches", {})
    if batches.get("running"):
        words.append(f"{batches['running']} of {batches['planned']} batches running")
    return "  ".join(words)


def _main(name: str, counts: Mapping[str, Any]) -> str:
    bad = sum(int(counts.get(key) or 0) for key in ("failed", "late", "lost"))
    quantiles = " / ".join(figure(counts.get(name)) for name in LATENCIES)
    failed = f", {figure(bad)} failed" if bad else ""
    return (
        f"{name} {figure(counts.get('ok'))} ok{failed}, {figure(counts.get('ratePerSecond'))}/s, "
        f"{'/'.join(LATENCIES)} {quantiles} ms"
    )


def _devices(view: View) -> str:
    devices = dict(view.get("devices", {}))
    total = devices.pop("total", None)
    if total is None:
        return ""
    states = ", ".join(f"{plain(name)} {figure(many)}" for name, many in sorted(devices.items()) if many)
    return f"{figure(total)} devices" + (f": {states}" if states else "")


def _share(view: View) -> float:
    return min(1.0, max(0.0, float(view.get("progress") or 0.0)))
