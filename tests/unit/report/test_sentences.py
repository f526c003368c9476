"""What a report says in words."""

from dataclasses import replace

import pytest

from engine.measure.signal import Delivery
from engine.report import sentences
from engine.report.results import RunResult
from engine.report.storm import Storm


def test_headline_is_the_first_reason(troubled: RunResult, calm: RunResult) -> None:
    """Of a run that passed, that nothing spoke against it."""
    assert sentences.headline(troubled) == "batch 2 was lost"
    assert sentences.headline(calm) == "nothing spoke against it"


def test_asked_leaves_out_what_is_usual(troubled: RunResult, calm: RunResult) -> None:
    """One attempt, no version and no labels are not worth a word."""
    assert sentences.asked(troubled)[-3:] == ["2 attempts", "certfleet 0.1.0", "team=iot*"]
    assert sentences.asked(calm)[-1] == "seed 0"


def test_main_note_says_what_has_no_latency(troubled: RunResult) -> None:
    """6 of 24 that started and were not cancelled; 2 of 27 due."""
    assert "overdue: 25.0 % of what started; dropped: 7.41 % of what was due." in sentences.main_note(troubled)


def test_storm_note_counts_who_did_not_stay() -> None:
    """Connections that ended unasked."""
    assert sentences.storm_note(Storm({}, lost=1200)).endswith("Connections lost while holding: 1,200.")


def test_batches_note_names_the_operation(calm: RunResult) -> None:
    """Whose starts the columns count."""
    assert sentences.batches_note(calm) == "started and ok are of hub.connect; health is the worst interval's."


def test_generator_note_answers(troubled: RunResult, calm: RunResult) -> None:
    """A sick batch is a no."""
    assert sentences.generator_note(troubled).startswith("No: 1 of 2 judged intervals")
    assert sentences.generator_note(calm).startswith("Yes: 0 of 0 judged intervals")


def test_sums_that_do_not_agree_are_said_so(calm: RunResult) -> None:
    """Due is not started and dropped together."""
    counts = calm.counts(calm.facts.main)
    assert sentences.sums(counts).startswith("due 10 = started 10 + dropped 0")
    counts.due += 1
    assert sentences.sums(counts).startswith("due 11 ≠ started 10 + dropped 0")


def test_left_out_rows_are_counted() -> None:
    """Nothing is said where nothing is left out."""
    assert list(sentences.left_out(1234)) == ["… and 1,234 more in summary.json."]
    assert list(sentences.left_out(0)) == []


@pytest.mark.parametrize("delivery", [None, Delivery(sent=5, retried=2)])
def test_delivery_of_everything_is_no_warning(delivery: Delivery | None) -> None:
    """Nor is it one that there was nowhere to send to."""
    assert sentences.delivery_warnings(delivery) == []


def test_delivery_that_dropped_something_is_a_warning() -> None:
    """With how much, and what of it follows."""
    assert sentences.delivery_warnings(Delivery(sent=1500, dropped=12)) == [
        "telemetry: 12 of 1,512 signals were dropped, so queries see less than this report"
    ]


def test_delivery_note_counts(calm: RunResult) -> None:
    """Sent, dropped, and tried again."""
    facts = replace(calm.facts, telemetry=Delivery(sent=1500, retried=3, dropped=12))
    assert facts.telemetry is not None
    note = sentences.delivery_note(facts.telemetry)
    assert note == "1,500 signals sent, 12 dropped; 3 times one was tried again."
