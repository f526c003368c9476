"""A run's result for the terminal, from summary.json."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.cli.live import blame
from engine.cli.words import figure, plain
from engine.measure.verdict import EXIT_CODES, Verdict
from engine.report.change import Comparison, main_change
from engine.report.knee import knee_sentences
from engine.report.units import duration

type Summary = Mapping[str, Any]

STYLES: Mapping[str, str] = {Verdict.PASSED: "bold green", Verdict.CANCELLED: "bold yellow"}
COUNTS: Final = ("due", "ok", "failed", "late", "lost", "cancelled", "dropped")
PERCENTILES: Final = ("p50", "p95", "p99")
DELIVERIES: Final[Mapping[str, str]] = {"sent": "sent", "retried": "tried again", "dropped": "dropped"}
SHOWN_FAILURES: Final = 20
SAMPLE_CHARS: Final = 60
RESULTS: Mapping[bool | None, Text] = {
    True: Text("held", style="green"),
    False: Text("failed", style="red"),
    None: Text("skipped", style="yellow"),
}


def rendered(summary: Summary) -> Group:
    """The verdict with its reasons, the operations, what failed, the thresholds, the knee."""
    parts: list[RenderableType] = [*_verdict(summary), Text(""), operations(summary), Text(conservation(summary))]
    if summary.get("failures"):
        parts += [Text(""), failures(summary)]
    if summary.get("thresholds"):
        parts += [Text(""), thresholds(summary)]
    if summary.get("search"):
        parts += [Text(""), Text(plain(knee_sentences(summary["search"], summary["spec"])))]
    if summary.get("comparison"):
        parts += [Text(""), Text(plain(compared(summary["comparison"])))]
    parts += [Text(line) for line in _beside(summary)]
    if summary.get("telemetry"):
        parts += [Text(""), delivery(summary["telemetry"])]
    return Group(*parts)


def operations(summary: Summary) -> Table:
    """One row per operation; latencies count from the time that was due."""
    headings = (*COUNTS, "rate/s", *(f"{name} ms" for name in PERCENTILES))
    table = _table("operation", *headings, right=headings)
    for name, found in summary["operations"].items():
        prepared = " (prepare)" if found.get("phases") == ["prepare"] else ""
        intended = found.get("latencyMs", {}).get("intended", {})
        figures = [*(found.get(key) for key in COUNTS), found.get("ratePerSecond")]
        figures += [intended.get(key) for key in PERCENTILES]
        table.add_row(Text(plain(name) + prepared), *(Text(figure(value)) for value in figures))
    return table


def failures(summary: Summary) -> Table:
    """What failed, how often, and whose fault it is."""
    table = _table("failure", "blame", "count", "first", "last", "for example", right=("count", "first", "last"))
    for one in summary["failures"][:SHOWN_FAILURES]:
        what = " ".join(plain(one[key]) for key in ("operation", "outcome", "code") if one.get(key))
        seen = [f"{float(one[key]):.1f} s" for key in ("firstSeenS", "lastSeenS")]
        samples = one.get("samples") or [{}]
        example = " ".join(plain(samples[0][key]) for key in ("device", "detail") if samples[0].get(key))
        cells = (what, plain(one.get("blame") or blame(str(one["outcome"]))), figure(one["count"]), *seen)
        table.add_row(*map(Text, cells), Text(example[:SAMPLE_CHARS]))
    if len(summary["failures"]) > SHOWN_FAILURES:
        table.add_row(Text(f"and {len(summary['failures']) - SHOWN_FAILURES} more, see summary.json"))
    return table


def thresholds(summary: Summary) -> Table:
    """What was asked for, and whether it held."""
    table = _table("threshold", "result", "found")
    for one in summary["thresholds"]:
        held = RESULTS[one["ok"]]
        found = plain(one.get("text")).partition(": ")[2].removeprefix("skipped, ") or plain(one.get("text"))
        table.add_row(Text(f"{plain(one['metric'])} {plain(one['expr'])}"), held, Text(found))
    return table


def compared(found: Comparison) -> str:
    """How the main operation did beside the baseline's."""
    return f"compared with run {found['to']['runId']}: {main_change(found)}; all numbers: report.md"


def delivery(found: Mapping[str, int]) -> Text:
    """What became of the run's telemetry on its way out."""
    words = ", ".join(f"{figure(found[key])} {told}" for key, told in DELIVERIES.items())
    return Text(f"telemetry items: {words}", style="yellow" if found["dropped"] else "")


def conservation(summary: Summary) -> str:
    """Whether every start is accounted for."""
    rule = "due = started + dropped; started = ok + failed + late + lost + cancelled"
    found = summary["conservation"]
    if found["holds"]:
        return f"{rule}: holds for {len(summary['operations'])} operations"
    return "\n".join([f"{rule}: does NOT hold", *(f"  {plain(line)}" for line in found["mismatches"])])


def verdict_line(summary: Summary) -> str:
    """The verdict, the exit code, and the first reason in words."""
    reasons = [plain(one["text"]) for one in summary.get("reasons", [])]
    held = sum(one["ok"] is not None for one in summary.get("thresholds", []))
    fine = f"all {held} thresholds held" if held else "nothing spoke against it"
    so_far = " so far" if summary.get("partial") else ""
    return f"{str(summary['verdict']).upper()}{so_far} (exit code {summary['exitCode']}): {(reasons or [fine])[0]}"


def without_results(view: Summary) -> str:
    """The verdict on a run that left no results, from its last view."""
    reasons = [plain(reason) for reason in view.get("reasons", [])] or ["it ended without results"]
    return "\n  ".join([f"{str(view['verdict']).upper()} (exit code {EXIT_CODES[Verdict(view['verdict'])]})", *reasons])


def _verdict(summary: Summary) -> Iterator[Text]:
    yield Text(verdict_line(summary), style=STYLES.get(str(summary["verdict"]), "bold red"))
    for reason in summary.get("reasons", [])[1:]:
        yield Text(f"  also {plain(reason['verdict'])}: {plain(reason['text'])}")
    for warning in summary.get("warnings", []):
        yield Text(f"  warning: {plain(warning)}", style="yellow")
    load_s = sum(float(summary.get("durationsS", {}).get(phase, 0.0)) for phase in ("ramp", "steady"))
    yield Text(
        f"{plain(summary['scenario'])} on {plain(summary['target'])}: {figure(summary.get('devices'))} devices in "
        f"{len(summary.get('batches', []))} batches, {duration(load_s)} of load"
    )


def _beside(summary: Summary) -> Iterator[str]:
    """What the emulator counted, where devices counted the same thing."""
    both = [one for one in summary.get("emulator", []) if one.get("devices") is not None]
    if not both:
        return
    yield ""
    differing = [one for one in both if one["devices"] != one["emulator"]]
    yield f"counted by the emulator too: {len(both) - len(differing)} of {len(both)} figures are equal"
    for one in differing:
        yield f"  {plain(one['what'])}: devices {figure(one['devices'])}, emulator {figure(one['emulator'])}"


def _table(first: str, *others: str, right: Collection[str] = ()) -> Table:
    table = Table(box=None, padding=(0, 1), show_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name != "for example")
    return table
