"""A result as one page of HTML that holds all it needs: styles, scripts and data; it loads nothing.

Everything that was put in is escaped by the template; data for the scripts is JSON in which no tag can begin. The
page's own policy allows just the scripts and styles that were put in, by their hashes.
Source: W3C, "Content Security Policy Level 3" (hash sources); HTML, "Restrictions for contents of script elements".
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from engine.measure.threshold import LATENCIES
from engine.measure.verdict import Verdict
from engine.report import sentences
from engine.report.change import (
    LEGEND,
    change_headings,
    change_rows,
    headline,
    operation_notes,
    spec_changes,
)
from engine.report.charts import charts
from engine.report.compare import compare
from engine.report.drawing import composition, heat_map, knee_curve, stretches
from engine.report.knee import knee_sentences, knee_table
from engine.report.results import RunResult
from engine.report.storm import storm_of
from engine.report.tables import (
    MOST_ROWS,
    Table,
    batches_table,
    drops_table,
    emulator_table,
    failure_groups,
    hubs_table,
    main_table,
    operations_table,
    storm_table,
    thresholds_table,
)
from engine.report.units import count, is_numeric

ASSETS: Final = "assets"
TEMPLATE: Final = "report.html.j2"
STYLES: Final = ("uplot/uPlot.min.css", "report.css")
SCRIPTS: Final = ("uplot/uPlot.iife.min.js", "report.js")
LICENCE: Final = "uplot/LICENSE"

GLYPHS: Final[Mapping[Verdict, str]] = {
    Verdict.PASSED: "✓",
    Verdict.FAILED: "✕",
    Verdict.CANCELLED: "■",
    Verdict.ABORTED: "■",
    Verdict.INVALID: "?",
    Verdict.ERROR: "!",
}
"""A verdict is told by a sign too, and not by a colour alone."""

_VERSION: Final = re.compile(r"/\*!.*uPlot \(v([\d.]+)\) \*/")
"""How the vendored script begins."""

_POLICY: Final = re.compile(rb'http-equiv="Content-Security-Policy" content="([^"]+)"')
_OUTSIDE: Final = "frame-ancestors 'none'"
"""What only a header can say. Source: W3C, "Content Security Policy Level 3", "The <meta> element"."""


def report_html(result: RunResult) -> str:
    """The report as a page: the verdict with its reasons first, the spec last."""
    return _environment().get_template(TEMPLATE).render(_told(result))


def policy_of(page: bytes) -> str:
    """What a page that was made here, by this version or another, may do: for the header that goes with it."""
    found = _POLICY.search(page)
    own = found[1].decode() if found else "default-src 'none'"
    return f"{own}; {_OUTSIDE}"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("engine.report", ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": count, "numeric": _numeric, "data": _data}
    styles, scripts = _sources(made, STYLES), _sources(made, SCRIPTS)
    made.globals |= {"styles": styles, "scripts": scripts, "policy": Markup(_policy(styles, scripts))}
    version = _VERSION.match(scripts[0])
    made.globals |= {"licence": _sources(made, (LICENCE,))[0], "uplot": version[1] if version else "unknown"}
    return made


def _sources(environment: Environment, names: tuple[str, ...]) -> list[Markup]:
    """Styles or scripts as they are kept, to stand in the page as they are."""
    loader = environment.loader
    assert loader is not None
    return [Markup(loader.get_source(environment, name)[0]) for name in names]


def _policy(styles: list[Markup], scripts: list[Markup]) -> str:
    allowed = {"style-src": styles, "script-src": scripts}
    hashed = [f"{name} {' '.join(map(hash_source, sources))}" for name, sources in allowed.items()]
    return "; ".join(["default-src 'none'", *hashed, "img-src data:", "base-uri 'none'", "form-action 'none'"])


def hash_source(content: str) -> str:
    """What a policy says of a style or script that may stand in a page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _data(value: Any) -> Markup:
    """A JSON value inside a script element: no tag and no comment can begin in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _numeric(told: Table) -> list[bool]:
    """Which columns hold numbers only."""
    return [is_numeric([row[index] for row in told.rows]) for index in range(len(told.headings))]


def _told(result: RunResult) -> dict[str, Any]:
    facts, judgement = result.facts, result.judgement
    storm, drawn = storm_of(result), charts(result)
    groups = failure_groups(result)
    return {
        "facts": facts,
        "judgement": judgement,
        "glyph": GLYPHS[judgement.verdict],
        "sentences": sentences,
        "why": sentences.headline(result),
        "asked": sentences.asked(result),
        "description": str(facts.spec.get("description") or ""),
        "main": main_table(result),
        "main_note": sentences.main_note(result),
        "composition": composition(result.counts(facts.main)),
        "thresholds": thresholds_table(result),
        "storm": None if storm is None else (storm_table(storm), sentences.storm_note(storm)),
        "knee": _knee(result),
        "operations": operations_table(result),
        "stretches": stretches(result),
        "failures": groups[:MOST_ROWS],
        "failures_left_out": max(0, len(groups) - MOST_ROWS),
        "drops": drops_table(result),
        "comparison": _comparison(result),
        "hubs": hubs_table(result),
        "emulator": emulator_table(result),
        "sums": [
            (operation, sentences.sums(result.total.select(operation))) for operation in result.total.operations()
        ],
        "generator_note": sentences.generator_note(result),
        "unfit": sentences.unfit(result),
        "batches": batches_table(result),
        "batches_note": sentences.batches_note(result),
        "heat": heat_map(drawn["heat"]),
        "charts": drawn,
        "limits": list(_limits(result)),
        "spec": json.dumps(facts.spec, indent=2, ensure_ascii=False),
    }


def _knee(result: RunResult) -> dict[str, Any] | None:
    search = result.facts.search
    if search is None:
        return None
    return {
        "words": knee_sentences(search, result.facts.spec),
        "stop_when": search["stopWhen"],
        "table": knee_table(search, result.facts.spec),
        "curve": knee_curve(search),
    }


def _comparison(result: RunResult) -> dict[str, Any] | None:
    if result.facts.baseline is None:
        return None
    found = compare(result.side(), result.facts.baseline)
    return {
        "to": found["to"]["runId"],
        "headline": headline(found),
        "notes": [*found["notes"], *spec_changes(found)],
        "table": Table(change_headings(found), change_rows(found)),
        "legend": LEGEND,
        "operation_notes": operation_notes(found),
    }


def _limits(result: RunResult) -> Iterator[dict[str, Any]]:
    """Latencies that a threshold holds an operation to, for its chart; those of parts have none."""
    for judged in result.judgement.thresholds:
        metric, expr = judged.threshold.metric, judged.threshold.expr
        if expr.aggregate in LATENCIES and not metric.part and judged.limit is not None:
            latency = "actual" if metric.is_actual else "intended"
            yield {"operation": metric.operation, "latency": latency, "ms": judged.limit, "text": str(expr)}
