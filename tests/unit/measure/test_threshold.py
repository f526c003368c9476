import pytest

from engine.errors import Outcome, Problem, SpecError
from engine.measure.operation import Operation
from engine.measure.threshold import (
    COMPARISONS,
    Aggregate,
    Expr,
    Metric,
    Threshold,
    parse_expr,
    parse_metric,
    parse_threshold,
)


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("cert.issued", Metric(Operation.CERT_ISSUED)),
        ("iteration", Metric(Operation.ITERATION)),
        ("hub.connect.tls", Metric(Operation.HUB_CONNECT, part="tls")),
        ("dps.register.assigned", Metric(Operation.DPS_REGISTER, part="assigned")),
        ("cert.issued:lost", Metric(Operation.CERT_ISSUED, outcome=Outcome.LOST)),
        ("dps.register:not-found", Metric(Operation.DPS_REGISTER, outcome=Outcome.NOT_FOUND)),
        ("cert.issued@actual", Metric(Operation.CERT_ISSUED, is_actual=True)),
    ],
)
def test_parse_metric_reads_every_form(text: str, metric: Metric) -> None:
    """An operation, its part, its outcome and its actual latency; each is written back the same."""
    assert parse_metric(text) == metric
    assert str(metric) == text


@pytest.mark.parametrize(
    ("text", "message", "allowed"),
    [
        ("", "'' is no operation", "iteration, dps.register"),
        ("cert", "'cert' is no operation", "iteration, dps.register"),
        ("hub.explode", "'hub.explode' is no operation", "iteration, dps.register"),
        ("Cert.issued", "'Cert.issued' is no operation", "iteration, dps.register"),
        (" cert.issued", "' cert.issued' is no operation", "iteration, dps.register"),
        ("hub.connect.ssl", "hub.connect has no part 'ssl'", "tcp, tls, connack, suback"),
        ("hub.connect.", "hub.connect has no part ''", "tcp, tls, connack, suback"),
        ("cert.issued.tls", "cert.issued has no part 'tls'", "none"),
        ("cert.issued:failed", "'failed' is no outcome", "ok, throttled"),
        ("cert.issued:", "'' is no outcome", "ok, throttled"),
        ("cert.issued@intended", "'cert.issued@intended' is no metric", "operation, operation.part"),
        ("cert.issued@", "'cert.issued@' is no metric", "operation, operation.part"),
        ("cert.issued:ok@actual", "'cert.issued:ok@actual' is no metric", "operation, operation.part"),
        ("hub.connect.tls@actual", "'hub.connect.tls@actual' is no metric", "operation, operation.part"),
        ("hub.connect.tls:ok", "'hub.connect.tls:ok' is no metric", "operation, operation.part"),
    ],
)
def test_parse_metric_refuses_what_is_not_measured(text: str, message: str, allowed: str) -> None:
    """A refusal says what was found and what would have been right."""
    with pytest.raises(SpecError) as refused:
        parse_metric(text, "/thresholds/0/metric")
    (problem,) = refused.value.problems
    assert (problem.path, problem.message) == ("/thresholds/0/metric", message)
    assert problem.allowed.startswith(allowed)


@pytest.mark.parametrize(
    ("text", "expr"),
    [
        ("p(95)<=250", Expr(Aggregate.QUANTILE, "<=", 250, q=0.95)),
        ("p(99.9)<1000", Expr(Aggregate.QUANTILE, "<", 1000, q=99.9 / 100)),
        ("p(100)>0", Expr(Aggregate.QUANTILE, ">", 0, q=1.0)),
        ("avg<100", Expr(Aggregate.AVG, "<", 100)),
        ("min>=1.5", Expr(Aggregate.MIN, ">=", 1.5)),
        ("med!=3", Expr(Aggregate.MED, "!=", 3)),
        ("max<0.25", Expr(Aggregate.MAX, "<", 0.25)),
        ("count==0", Expr(Aggregate.COUNT, "==", 0)),
        ("rate>10", Expr(Aggregate.RATE, ">", 10)),
        ("share<=0.05", Expr(Aggregate.SHARE, "<=", 0.05)),
        ("fail_rate<0.01", Expr(Aggregate.FAIL_RATE, "<", 0.01)),
        ("avg<=1.2*baseline", Expr(Aggregate.AVG, "<=", 1.2, times_baseline=True)),
        ("fail_rate<=2*baseline", Expr(Aggregate.FAIL_RATE, "<=", 2, times_baseline=True)),
    ],
)
def test_parse_expr_reads_every_form(text: str, expr: Expr) -> None:
    """Every aggregate, comparison and value; each is written back the same."""
    assert parse_expr(text) == expr
    assert str(expr) == text


def test_parse_expr_allows_spaces() -> None:
    """Spaces between the words change nothing."""
    assert parse_expr("  p( 95 )  <=  1.2 * baseline ") == parse_expr("p(95)<=1.2*baseline")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no expression"),
        ("p95<250", "'p95<250' is no expression"),
        ("p(95)<250ms", "'p(95)<250ms' is no expression"),
        ("p(95)=250", "'p(95)=250' is no expression"),
        ("p(95)<=-1", "'p(95)<=-1' is no expression"),
        ("avg<1e3", "'avg<1e3' is no expression"),
        ("avg<=baseline", "'avg<=baseline' is no expression"),
        ("avg<10 and avg>5", "'avg<10 and avg>5' is no expression"),
        ("p(9\u0665)<1", "'p(9\u0665)<1' is no expression"),
        ("mean<10", "'mean' is no aggregate"),
        ("p<10", "'p' is no aggregate"),
        ("p(0)<10", "p(0) is no percentile"),
        ("p(100.1)<10", "p(100.1) is no percentile"),
        ("share<5", "share is never more than 1, found 5"),
        ("fail_rate<1.5", "fail_rate is never more than 1, found 1.5"),
    ],
)
def test_parse_expr_refuses_the_rest(text: str, message: str) -> None:
    """A refusal says what was found."""
    with pytest.raises(SpecError) as refused:
        parse_expr(text, "/thresholds/0/expr")
    (problem,) = refused.value.problems
    assert (problem.path, problem.message) == ("/thresholds/0/expr", message)
    assert problem.allowed


@pytest.mark.parametrize(
    ("comparison", "below", "equal", "above"),
    [
        ("<", True, False, False), ("<=", True, True, False), (">", False, False, True),
        (">=", False, True, True), ("==", False, True, False), ("!=", True, False, True),
    ],
)  # fmt: skip
def test_expr_holds_as_its_comparison_says(comparison: str, below: bool, equal: bool, above: bool) -> None:
    """The number found stands on the left."""
    expr = Expr(Aggregate.AVG, comparison, 10)
    assert (expr.holds(9), expr.holds(10), expr.holds(11)) == (below, equal, above)
    assert comparison in COMPARISONS


def test_parse_threshold_keeps_when_it_is_looked_at() -> None:
    """Window, delay and abort_on_fail are kept beside what is measured."""
    threshold = parse_threshold("cert.issued", "fail_rate<0.01", window_s=60, delay_s=30, abort_on_fail=True)
    expr = Expr(Aggregate.FAIL_RATE, "<", 0.01)
    assert threshold == Threshold(Metric(Operation.CERT_ISSUED), expr, 60, 30, abort_on_fail=True)
    assert str(threshold) == "cert.issued fail_rate<0.01"


def test_parse_threshold_reports_both_problems_at_once() -> None:
    """A wrong metric does not hide a wrong expression."""
    with pytest.raises(SpecError) as refused:
        parse_threshold("nothing", "at all", path="/thresholds/3")
    assert [problem.path for problem in refused.value.problems] == ["/thresholds/3/metric", "/thresholds/3/expr"]


@pytest.mark.parametrize(
    ("metric", "expr", "name", "allowed"),
    [
        ("cert.issued", "share<0.1", "share", "p(N), avg, min, med, max, count, rate, fail_rate"),
        ("cert.issued:lost", "p(95)<1", "p(N)", "count, rate, share"),
        ("cert.issued:lost", "fail_rate<1", "fail_rate", "count, rate, share"),
        ("cert.issued@actual", "count>1", "count", "p(N), avg, min, med, max"),
        ("hub.connect.tls", "fail_rate<1", "fail_rate", "p(N), avg, min, med, max, count, rate"),
        ("hub.connect.tls", "share<1", "share", "p(N), avg, min, med, max, count, rate"),
    ],
)
def test_parse_threshold_refuses_an_aggregate_that_does_not_apply(
    metric: str, expr: str, name: str, allowed: str
) -> None:
    """There are no latencies of one outcome, no shares of a part, no counts of a latency."""
    with pytest.raises(SpecError) as refused:
        parse_threshold(metric, expr)
    assert refused.value.problems == (Problem("/expr", f"{name} does not apply to {metric}", allowed),)
