import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Outcome
from engine.measure.encoding import NotATally, encode
from engine.measure.measured import Measured
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.timeline import Timeline

ENDS = st.lists(
    st.tuples(st.integers(0, 300), st.sampled_from([Outcome.OK, Outcome.SERVER, Outcome.LATE])), max_size=20
)
DURATIONS_S = st.dictionaries(st.sampled_from(Phase), st.floats(0, 1e6))


def _timeline(ends: list[tuple[int, Outcome]]) -> Timeline:
    timeline = Timeline(10)
    series = Series(Operation.CERT_ISSUED, Phase.STEADY, "hub-a.example")
    for at, outcome in ends:
        timeline.begin(series, float(at))
        timeline.settle(Sample(series, float(at), float(at), at + 0.25, outcome))
    return timeline


@given(ENDS, DURATIONS_S)
def test_decode_inverts_encode(ends: list[tuple[int, Outcome]], durations_s: dict[Phase, float]) -> None:
    """Encoding keeps every window and every phase's length, and equal measurements give equal bytes."""
    measured = Measured(_timeline(ends), durations_s)
    decoded = Measured.decode(measured.encode())
    assert decoded.timeline.encode() == measured.timeline.encode()
    assert decoded.durations_s == durations_s
    assert decoded.encode() == measured.encode()


WINDOWS = {"interval": 10.0, "samples": 3, "windows": []}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"timeline": WINDOWS},
        {"durationsS": {}},
        {"timeline": {**WINDOWS, "interval": 0.0}, "durationsS": {}},
        {"timeline": WINDOWS, "durationsS": []},
        {"timeline": WINDOWS, "durationsS": {"night": 1.0}},
        {"timeline": WINDOWS, "durationsS": {"steady": 1}},
        {"timeline": WINDOWS, "durationsS": {"steady": -1.0}},
        {"timeline": WINDOWS, "durationsS": {}, "version": 2},
    ],
)
def test_decode_refuses_what_encode_never_makes(document: dict) -> None:
    """Garbage, and another version, is refused with one documented error."""
    with pytest.raises(NotATally):
        Measured.decode(encode(document))


def test_decode_refuses_bytes_that_are_no_document() -> None:
    """A body that was cut short is no measurement."""
    with pytest.raises(NotATally):
        Measured.decode(Measured(Timeline(10), {}).encode()[:-3])
