"""How far a batch is."""

import json

import pytest

from engine.batch.progress import Progress, ProgressUnreadable
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Series
from engine.measure.tally import Tally

TALLY = Tally()
TALLY.due(Series(Operation.ITERATION, Phase.STEADY), 3)
PROGRESS = Progress(5.0, Phase.RAMP, 1.0, None, {"offline": 2}, TALLY, {"cpu": 0.5}, 4)


def test_progress_comes_back():
    """Every field, the tally by what it counted."""
    found = Progress.decode(PROGRESS.encode())
    assert found.encode() == PROGRESS.encode()
    assert (found.at, found.phase, found.load_start, found.load_end) == (5.0, Phase.RAMP, 1.0, None)
    assert (found.devices, found.generator, found.store_failures) == ({"offline": 2}, {"cpu": 0.5}, 4)
    assert found.tally.select(Operation.ITERATION).due == 3


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"devices": []}, {"phase": "x"}, {"tally": "!"}, {"tally": "AAAA"}, {"at": None}, None]
)
def test_progress_that_is_none_is_refused(change):
    """Damaged, or of another version."""
    body = b"[]" if change is None else json.dumps({**json.loads(PROGRESS.encode()), **change}).encode()
    with pytest.raises(ProgressUnreadable):
        Progress.decode(body)
