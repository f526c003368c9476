"""Misbehaviour to order."""

import json

import pytest

from engine.emulator.faults import RENEWAL, Dice, Fault, Faults, parse_faults
from engine.errors import SpecError


def test_documents_come_back() -> None:
    """Every field is read, and the document that is told back reads the same."""
    text = (
        '{"issueDelay": "2s", "retryAfter": "5s", "throttled": 0.2, "lost": 0.1, "dps.throttled": 1, "adr.failed": 0.5}'
    )
    faults = parse_faults(text)
    assert faults.issue_delay_s == 2.0
    assert faults.retry_after_s == 5
    assert faults.shares == {Fault.THROTTLED: 0.2, Fault.LOST: 0.1, Fault.DPS_THROTTLED: 1.0, Fault.ADR_FAILED: 0.5}
    again = parse_faults(json.dumps(faults.to_json()))
    assert again.to_json() == faults.to_json()


@pytest.mark.parametrize(("text", "seconds"), [("150ms", 0.15), ("1.5s", 1.5), ("1m", 60.0), ("12h", 43200.0)])
def test_durations_are_strings_with_units(text: str, seconds: float) -> None:
    """The units of a spec."""
    assert parse_faults(json.dumps({"issueDelay": text})).issue_delay_s == seconds


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ""),
        ("[]", ""),
        ("[" * 100_000, ""),
        ('{"issueDelay": 5}', "/issueDelay"),
        ('{"issueDelay": "5"}', "/issueDelay"),
        ('{"lost": 1.1}', "/lost"),
        ('{"lost": true}', "/lost"),
        ('{"lost": "1"}', "/lost"),
        ('{"flood": 1}', "/flood"),
        ('{"lost": 0.6, "dropped": 0.6}', ""),
    ],
)
def test_other_documents_are_refused(text: str, path: str) -> None:
    """Each problem has the path of what is wrong."""
    with pytest.raises(SpecError) as caught:
        parse_faults(text)
    assert caught.value.problems[0].path == path


def test_all_problems_are_told_at_once() -> None:
    """Three mistakes are three problems."""
    with pytest.raises(SpecError) as caught:
        parse_faults('{"a": 1, "lost": 2, "issueDelay": 1}')
    assert len(caught.value.problems) == 3


def test_draws_depend_on_the_device_alone() -> None:
    """The same device meets the same faults, whatever the others do in between."""
    faults = Faults({fault: 1 / len(RENEWAL) / 2 for fault in RENEWAL})
    alone, among = Dice(7), Dice(7)
    first = [alone.renewal(faults, "d-1") for _ in range(50)]
    second = []
    for n in range(50):
        among.renewal(faults, f"other-{n}")
        second.append(among.renewal(faults, "d-1"))
    assert first == second
    assert len(set(first)) > 3
    assert first != [Dice(8).renewal(faults, "d-1") for _ in range(50)]


def test_shares_are_met() -> None:
    """Over many devices each fault happens as often as it was asked for."""
    dice, faults = Dice(1), Faults({Fault.THROTTLED: 0.2, Fault.LOST: 0.1, Fault.DPS_THROTTLED: 0.5})
    drawn = [dice.renewal(faults, f"d-{n}") for n in range(5000)]
    assert drawn.count(Fault.THROTTLED) == pytest.approx(1000, abs=120)
    assert drawn.count(Fault.LOST) == pytest.approx(500, abs=90)
    assert drawn.count(None) == pytest.approx(3500, abs=150)
    alone = [dice.happens(Fault.DPS_THROTTLED, faults, f"d-{n}") for n in range(2000)]
    assert sum(alone) == pytest.approx(1000, abs=120)


def test_certain_and_impossible_faults_are_just_that() -> None:
    """A share of 1 always happens, a share of 0 never."""
    dice = Dice(1)
    assert {dice.renewal(Faults({Fault.DROPPED: 1.0}), f"d-{n}") for n in range(200)} == {Fault.DROPPED}
    assert {dice.renewal(Faults(), f"d-{n}") for n in range(200)} == {None}


def test_turns_alternate_by_device() -> None:
    """True and false in turn, beginning with true, for each device by itself."""
    dice = Dice(1)
    assert [dice.alternates("a"), dice.alternates("a"), dice.alternates("b"), dice.alternates("a")] == [
        True,
        False,
        True,
        True,
    ]
