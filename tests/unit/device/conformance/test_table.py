"""The cases as data."""

import pytest

from engine.device.conformance.case import Answer, Body, Case, Replace, Return, Rivals, Send, Silence
from engine.device.conformance.table import CASES
from engine.plan.spec import scenario


def test_cases_are_those_a_spec_can_name():
    """The same numbers in the same order, each once."""
    assert tuple(CASES) == scenario.CASES
    assert [case.number for case in CASES.values()] == list(CASES)


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_case_asks_for_something_that_can_be_refuted(case: Case):
    """It sends, it ends with what must come of that, and it waits for the answer to every request that is refused."""
    assert any(isinstance(move, Send) for move in case.moves)
    assert isinstance(case.moves[-1], Answer | Rivals | Silence)
    assert case.title


def test_cases_cover_everything_that_can_be_sent():
    """No body, no form of `replace` and no way back is in the language of cases for nothing."""
    sent = [move for case in CASES.values() for move in case.moves if isinstance(move, Send)]
    assert {move.body for move in sent} == set(Body)
    assert {move.replace for move in sent} == set(Replace)
    returns = {move.clean_session for case in CASES.values() for move in case.moves if isinstance(move, Return)}
    assert returns == {True, False}


def test_only_a_silence_may_end_with_a_dropped_connection():
    """Where an answer is named, a connection that ends instead refutes the case."""
    for case in CASES.values():
        assert not (case.may_drop and any(isinstance(move, Answer | Rivals | Return) for move in case.moves))
