"""What a threshold says: which number of which operation must stand in which relation to what.

Grammar. metric: `operation`, `operation.part` or `operation:outcome`, the first with `@actual` for the uncorrected
latency. expr: `<aggregate> <comparison> <value>`, spaces optional, the value a number or `k*baseline`.

    aggregate               unit         metric
    p(N) avg min med max    ms           operation, operation@actual, operation.part
    count, rate             1, 1/s       any but @actual; without an outcome, what ended by itself (failures included)
    share                   0 … 1        operation:outcome; of what was due
    fail_rate               0 … 1        operation; failed, late, lost and overdue over started less cancelled

Source: product section 5, `thresholds[].metric`, `expr`.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from engine.errors import Outcome, Problem, SpecError
from engine.measure.operation import PARTS, Operation


class Aggregate(StrEnum):
    """How many measurements become one number."""

    QUANTILE = "p"
    AVG = "avg"
    MIN = "min"
    MED = "med"
    MAX = "max"
    COUNT = "count"
    RATE = "rate"
    SHARE = "share"
    FAIL_RATE = "fail_rate"


LATENCIES = frozenset({Aggregate.QUANTILE, Aggregate.AVG, Aggregate.MIN, Aggregate.MED, Aggregate.MAX})
"""Aggregates of durations, in milliseconds."""

SHARES = frozenset({Aggregate.SHARE, Aggregate.FAIL_RATE})
"""Aggregates between 0 and 1."""

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}

_NUMBER = r"\d{1,12}(?:\.\d{1,9})?"
_EXPR = re.compile(
    rf"\s*(?:p\(\s*(?P<percent>{_NUMBER})\s*\)|(?P<name>[a-z_]{{1,20}}))"
    rf"\s*(?P<comparison><=|>=|==|!=|<|>)\s*(?P<value>{_NUMBER})(?P<baseline>\s*\*\s*baseline)?\s*",
    re.ASCII,
)
_OPERATIONS = frozenset(operation.value for operation in Operation)
_OUTCOMES = frozenset(outcome.value for outcome in Outcome)
_NAMED = tuple(aggregate.value for aggregate in Aggregate if aggregate is not Aggregate.QUANTILE)
_NAMES = {Aggregate.QUANTILE: "p(N)"}
_EXPR_FORM = "<aggregate> <comparison> <value>, such as p(95)<=250, fail_rate<0.01 or avg<=1.2*baseline"
_METRIC_FORM = "operation, operation.part, operation:outcome or operation@actual"


@dataclass(frozen=True, slots=True)
class Metric:
    """Which measurements: of an operation, of one of its parts ("" = none), or its starts with one outcome."""

    operation: Operation
    part: str = ""
    outcome: Outcome | None = None
    is_actual: bool = False

    def __str__(self) -> str:
        part = f".{self.part}" if self.part else ""
        outcome = f":{self.outcome}" if self.outcome else ""
        return f"{self.operation}{part}{outcome}{'@actual' if self.is_actual else ''}"


@dataclass(frozen=True, slots=True)
class Expr:
    """What to compute and compare: q is the quantile 0 … 1 of p(N); times_baseline makes value a factor."""

    aggregate: Aggregate
    comparison: str
    value: float
    q: float = 0.0
    times_baseline: bool = False

    def __str__(self) -> str:
        name = f"p({self.q * 100:.10g})" if self.aggregate is Aggregate.QUANTILE else self.aggregate
        return f"{name}{self.comparison}{self.value:.15g}{'*baseline' if self.times_baseline else ''}"

    def holds(self, found: float) -> bool:
        """Whether a number found satisfies the comparison."""
        return COMPARISONS[self.comparison](found, self.value)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A metric, what must hold for it, and when it is looked at.

    window_s None looks at the whole run at once, a number at every stretch of that length; nothing before delay_s
    of run time is looked at. abort_on_fail ends the run as soon as it fails.
    """

    metric: Metric
    expr: Expr
    window_s: float | None = None
    delay_s: float = 0.0
    abort_on_fail: bool = False

    def __str__(self) -> str:
        return f"{self.metric} {self.expr}"


def parse_threshold(
    metric: str,
    expr: str,
    *,
    window_s: float | None = None,
    delay_s: float = 0.0,
    abort_on_fail: bool = False,
    path: str = "",
) -> Threshold:
    """The threshold that `metric` and `expr` spell out.

    Raises SpecError with every problem, at `{path}/metric` and `{path}/expr`.
    """
    what, no_metric = _attempt(parse_metric, metric, path=f"{path}/metric")
    check, no_expr = _attempt(parse_expr, expr, path=f"{path}/expr")
    if what is None or check is None:
        raise SpecError([*no_metric, *no_expr])
    fitting = _aggregates_of(what)
    if check.aggregate not in fitting:
        names = ", ".join(_NAMES.get(aggregate, aggregate) for aggregate in Aggregate if aggregate in fitting)
        name = _NAMES.get(check.aggregate, check.aggregate)
        raise SpecError([Problem(f"{path}/expr", f"{name} does not apply to {what}", names)])
    return Threshold(what, check, window_s, delay_s, abort_on_fail)


def parse_metric(text: str, path: str = "") -> Metric:
    """The metric that `text` names. Raises SpecError."""
    measured, at, latency = text.partition("@")
    name, colon, outcome = measured.partition(":")
    operation, dot, part = (name, "", "") if name in _OPERATIONS else name.rpartition(".")
    if operation not in _OPERATIONS:
        raise SpecError([Problem(path, f"{name!r} is no operation", ", ".join(Operation))])
    if dot and part not in PARTS.get(Operation(operation), ()):
        allowed = ", ".join(PARTS.get(Operation(operation), ())) or "none"
        raise SpecError([Problem(path, f"{operation} has no part {part!r}", allowed)])
    if colon and outcome not in _OUTCOMES:
        raise SpecError([Problem(path, f"{outcome!r} is no outcome", ", ".join(Outcome))])
    if (at and latency != "actual") or bool(dot) + bool(colon) + bool(at) > 1:
        raise SpecError([Problem(path, f"{text!r} is no metric", _METRIC_FORM)])
    return Metric(Operation(operation), part, Outcome(outcome) if colon else None, bool(at))


def parse_expr(text: str, path: str = "") -> Expr:
    """The aggregate, comparison and value that `text` spells out. Raises SpecError."""
    found = _EXPR.fullmatch(text)
    if found is None:
        raise SpecError([Problem(path, f"{text!r} is no expression", _EXPR_FORM)])
    name, percent = found["name"], float(found["percent"] or 0)
    if name is not None and name not in _NAMED:
        raise SpecError([Problem(path, f"{name!r} is no aggregate", ", ".join(("p(N)", *_NAMED)))])
    if name is None and not 0 < percent <= 100:
        raise SpecError([Problem(path, f"p({found['percent']}) is no percentile", "> 0 … 100")])
    expr = Expr(
        aggregate=Aggregate(name or "p"),
        comparison=found["comparison"],
        value=float(found["value"]),
        q=percent / 100,
        times_baseline=found["baseline"] is not None,
    )
    if expr.aggregate in SHARES and expr.value > 1 and not expr.times_baseline:
        raise SpecError([Problem(path, f"{name} is never more than 1, found {found['value']}", "0 … 1")])
    return expr


def _attempt[T](parse: Callable[[str, str], T], text: str, *, path: str) -> tuple[T | None, tuple[Problem, ...]]:
    try:
        return parse(text, path), ()
    except SpecError as refused:
        return None, refused.problems


def _aggregates_of(metric: Metric) -> frozenset[Aggregate]:
    counted = frozenset({Aggregate.COUNT, Aggregate.RATE})
    if metric.outcome is not None:
        return counted | {Aggregate.SHARE}
    if metric.part:
        return LATENCIES | counted
    if metric.is_actual:
        return LATENCIES
    return LATENCIES | counted | {Aggregate.FAIL_RATE}
