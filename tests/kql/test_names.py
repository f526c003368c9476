"""Every name that a query mentions is one that the product tells."""

import re
from collections.abc import Iterable, Mapping

import pytest
from kql import pack
from kql.fiction import Told

from engine.errors import Outcome
from engine.measure.health import CPU_LIMIT, DESCRIPTOR_LIMIT, LAG_LIMIT_S
from engine.measure.histogram import ALPHA
from engine.measure.operation import Operation, Phase
from engine.measure.signal import Event, EventName, Metric
from engine.measure.verdict import Verdict
from engine.run import bulletin
from engine.run.schedules import Became, Firing, Schedule, Wish

MENTIONED = re.compile(r"'(loadtest\.[a-z.]+)'")
PROPERTY = re.compile(r"\bProperties(?:\.(\w+)|\['([^']+)'\])")
FIGURE = re.compile(r"\bMeasurements(?:\.(\w+)|\['([^']+)'\])")
COMPARED = re.compile(r"(\w+)\)? (?:==|!=|=~|in|!in) (\([^)]*\)|'[^']*')")

EXEMPLARS = {"loadtest.runId"}
"""Properties of spans, which queries do not know by a name."""

WORDS: Mapping[str, set[str]] = {
    "Name": {*EventName, *Metric},
    "operation": {*Operation},
    "outcome": {*Outcome},
    "phase": {*Phase},
    "status": {"started", "finished", *Became},
    "verdict": {*Verdict},
    "alpha": {str(ALPHA)},
    "chosen": {""},
    "_IsBillable": {"true"},
    "Reason": {"ContainerTerminated"},
    "runId": {"run", "baseline"},
    "run_id": {"run", "baseline"},
}
"""What each thing may be compared with; a name stands for a literal of the query's."""


def told_names(signals: Iterable[object]) -> dict[str, tuple[set[str], set[str]]]:
    """Properties and figures by the name of the event or metric that has them."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for signal in signals:
        said, figures = (signal.properties, signal.figures) if isinstance(signal, Event) else (signal.dimensions, {})
        names = found.setdefault(signal.name, (set(), set()))
        names[0].update(said)
        names[1].update(figures)
    return found


@pytest.fixture(scope="module")
def names(told: dict[str, Told]) -> dict[str, tuple[set[str], set[str]]]:
    """What the product's own functions say of a run and a firing."""
    schedule = Schedule("nightly", Wish({}), {}, created=0.0, changed=0.0, seen=0.0)
    firing = bulletin.fired(schedule, Firing(0.0, Became.MISSED, why="nobody looked"))
    return told_names([firing, *(signal for run in told.values() for signal, _ in run.signals)])


def compared(text: str) -> list[tuple[str, str]]:
    """(what, literal or name) of each comparison in a query."""
    return [
        (what, word.strip().strip("'"))
        for what, words in COMPARED.findall(text)
        for word in words.strip("()").split(",")
    ]


@pytest.mark.parametrize("query", pack.queries())
def test_query_mentions_only_what_is_told(query: str, names: dict[str, tuple[set[str], set[str]]]) -> None:
    """Its events and metrics exist, and what it reads off them is said by one of those that it mentions."""
    text = pack.queries()[query]
    mentioned = set(MENTIONED.findall(text)) - EXEMPLARS
    assert mentioned <= set(names), query
    sources = [names[name] for name in mentioned]
    properties = {dotted or quoted for dotted, quoted in PROPERTY.findall(text)} - EXEMPLARS
    figures = {dotted or quoted for dotted, quoted in FIGURE.findall(text)}
    if sources:
        assert properties <= set.union(*(source[0] for source in sources)), query
        assert figures <= set.union(*(source[1] for source in sources)), query
    else:
        assert properties <= {"runId"}, query
        assert not figures, query


@pytest.mark.parametrize("query", pack.queries())
def test_query_compares_with_words_that_exist(query: str) -> None:
    """Operations, outcomes, phases, verdicts and the rest are the closed lists of the code."""
    wrong = [(what, word) for what, word in compared(pack.queries()[query]) if word not in WORDS.get(what, set())]
    assert wrong == []


def test_made_up_words_are_found() -> None:
    """The check sees a word that no list has, wherever it is compared."""
    text = "where tostring(Properties.outcome) in ('ok', 'slow') and phase == 'stead' | extend x = nonsense != 'a'"
    wrong = [(what, word) for what, word in compared(text) if word not in WORDS.get(what, set())]
    assert wrong == [("outcome", "slow"), ("phase", "stead"), ("nonsense", "a")]


def test_fiction_tells_all_that_is_told(names: dict[str, tuple[set[str], set[str]]]) -> None:
    """What no run that never was tells, no query can be checked against: retries, bytes and lag are in no query."""
    assert set(names) | {Metric.RETRIES, Metric.BYTES} == {*EventName, *Metric}


@pytest.mark.parametrize("query", [name for name, text in pack.queries().items() if "let gamma" in text])
def test_buckets_are_those_of_the_histogram(query: str) -> None:
    """The growth of the buckets, and that a nanosecond is a millionth of a millisecond."""
    text = pack.queries()[query]
    assert f"let gamma = {1 + ALPHA} / {1 - ALPHA};" in text
    assert "2.0 * pow(gamma, b) / (1.0 + gamma) / 1e6" in text


def test_limits_of_health_are_the_judgements() -> None:
    """What counts as over a limit in the workbook makes a run invalid in the verdict."""
    lag_ms = f"{LAG_LIMIT_S * 1000:g}"
    assert f"lag_ms > {lag_ms} or cpu > {CPU_LIMIT} or descriptors > {DESCRIPTOR_LIMIT}" in pack.queries()["12-health"]
    over_time = pack.queries()["13-health-over-time"]
    for limit in (f"max(lag) / {lag_ms} *", f"max(cpu) / {CPU_LIMIT} *", f"max(descriptors) / {DESCRIPTOR_LIMIT} *"):
        assert limit in over_time
