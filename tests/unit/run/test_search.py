"""Which runs a listing shows."""

import pytest

from engine.errors import SpecError
from engine.run.search import Filter, parse_filter
from engine.run.state import RunState, Stage

RUN = RunState(
    "run-a", "nightly", 1_700_000_000.0, "digest", labels={"team": "iot"}, stage=Stage.FINISHED, verdict="failed"
)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, True),
        ({"next": "x", "code": "y"}, True),
        ({"name": "nightly"}, True),
        ({"name": "night"}, False),
        ({"state": "finished"}, True),
        ({"state": "running"}, False),
        ({"verdict": "failed"}, True),
        ({"verdict": "passed"}, False),
        ({"label": "team"}, True),
        ({"label": "team=iot"}, True),
        ({"label": "team="}, False),
        ({"label": "team=iot=x"}, False),
        ({"label": "zone"}, False),
        ({"since": "2023-11-14T22:13:20Z"}, True),
        ({"since": "2023-11-14T22:13:20.001Z"}, False),
        ({"since": "2023-11-14"}, True),
        ({"since": "2023-11-14T23:13:20+01:00"}, True),
        ({"name": "nightly", "state": "running"}, False),
    ],
)
def test_run_is_shown_when_all_of_it_fits(query: dict[str, str], shown: bool) -> None:
    """Each part by itself, and together."""
    assert parse_filter(query).matches(RUN) is shown


def test_run_without_a_verdict_has_none() -> None:
    """A filter for a verdict shows no run that is under way."""
    live = RunState("run-a", "nightly", 0.0, "digest")
    assert not parse_filter({"verdict": "passed"}).matches(live)
    assert Filter().matches(live)


def test_every_unknown_word_is_told() -> None:
    """All at once, with what would have been right."""
    with pytest.raises(SpecError) as refused:
        parse_filter({"state": "Running", "verdict": "", "since": "yesterday"})
    assert len(refused.value.problems) == 3
    assert refused.value.problems[0].allowed == "accepted | running | draining | merging | finished"
