from engine.measure.histogram import Histogram
from engine.measure.operation import Operation
from engine.report.results import RunResult
from engine.report.rows import SUMMARY_HEADINGS, in_order, summary_rows


def test_summary_rows_are_one_per_operation(troubled: RunResult) -> None:
    """Rows follow the operations' order; what occurred only in prepare says so."""
    rows = summary_rows(troubled)
    assert [row[0] for row in rows] == ["dps.register (prepare)", "hub.connect", "cert.issued", "state.save"]
    assert {len(row) for row in rows} == {len(SUMMARY_HEADINGS)}


def test_summary_rows_hold_numbers_as_people_read_them(troubled: RunResult) -> None:
    """27 due, 18 ok, 4 failed with 1 timeout, 1 late, 1 lost, 2 dropped; 24 ended in 30 s of load."""
    issued = dict(zip(SUMMARY_HEADINGS, summary_rows(troubled)[2], strict=True))
    assert issued == {
        "operation": "cert.issued", "due": "27", "ok": "18", "failed": "4", "late": "1", "lost": "1", "timeout": "1",
        "dropped": "2", "rate/s": "0.800", "p50 ms": "199", "p95 ms": "29,200", "p99 ms": "29,200",
    }  # fmt: skip


def test_in_order_follows_the_operation() -> None:
    """Parts come as an operation goes through them, not by the alphabet; what is not known comes last."""
    parts = {name: Histogram() for name in ("zzz", "tls", "connack", "tcp", "aaa")}
    assert [name for name, _ in in_order(Operation.HUB_CONNECT, parts)] == ["tcp", "tls", "connack", "aaa", "zzz"]
    assert [name for name, _ in in_order(Operation.ITERATION, {"a": Histogram()})] == ["a"]
