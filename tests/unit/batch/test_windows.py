"""What a batch is judged by while it runs."""

import json

import pytest

from engine.batch.windows import Windows, WindowsUnreadable
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Series
from engine.measure.timeline import Timeline

TIMELINE = Timeline(10.0, 0)
TIMELINE.begin(Series(Operation.CERT_ISSUED, Phase.STEADY), 12.0)
WINDOWS = Windows(25.0, 20.0, 0.5, TIMELINE, {Phase.RAMP: 3.0}, is_over=True)


def test_windows_come_back():
    """Every field, the timeline to the byte."""
    found = Windows.decode(WINDOWS.encode())
    assert found.encode() == WINDOWS.encode()
    assert (found.told_at, found.at, found.since, found.is_over) == (25.0, 20.0, 0.5, True)
    assert found.durations_s == {Phase.RAMP: 3.0}
    assert found.timeline.encode() == TIMELINE.encode()


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"at": None}, {"durationsS": []}, {"durationsS": {"x": 1}}, {"timeline": "AAAA"}, None]
)
def test_windows_that_are_none_are_refused(change):
    """Damaged, or of another version."""
    body = b"[]" if change is None else json.dumps({**json.loads(WINDOWS.encode()), **change}).encode()
    with pytest.raises(WindowsUnreadable):
        Windows.decode(body)
