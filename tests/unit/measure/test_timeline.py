import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Outcome
from engine.measure.encoding import NotATally, encode
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.tally import conservation
from engine.measure.timeline import Row, Timeline

CONNECT = Series(Operation.HUB_CONNECT, Phase.STEADY, "a.example")
ISSUED = Series(Operation.CERT_ISSUED, Phase.STEADY, "a.example")
PREPARED = Series(Operation.DPS_REGISTER, Phase.PREPARE)

SAMPLES = st.lists(
    st.builds(
        lambda series, due, took, outcome: Sample(series, due, due, due + took, outcome, device="device-1"),
        st.sampled_from([CONNECT, ISSUED, PREPARED]),
        st.floats(min_value=-60, max_value=60),
        st.floats(0, 40),
        st.sampled_from(list(Outcome)),
    ),
    max_size=10,
)


def _timeline(samples: list[Sample], interval_s: float = 10) -> Timeline:
    timeline = Timeline(interval_s)
    for sample in samples:
        _begin(timeline, sample)
        timeline.settle(sample)
    return timeline


def _begin(timeline: Timeline, sample: Sample) -> None:
    timeline.due(sample.series, sample.due)
    if sample.outcome is not Outcome.DROPPED and sample.began is not None:
        timeline.start(sample.series, sample.began)


def _merged(*timelines: Timeline) -> Timeline:
    merged = Timeline(10)
    for timeline in timelines:
        merged.merge(timeline)
    return merged


def test_windows_hold_what_happened_in_them() -> None:
    """A start is due, begins and ends each in the window of that moment, prepare below zero."""
    timeline = Timeline(10)
    timeline.due(PREPARED, -0.5, 3)
    timeline.due(CONNECT, 9.99)
    timeline.start(CONNECT, 10.0)
    timeline.settle(Sample(CONNECT, 9.99, 10.0, 25.0, Outcome.OK))
    timeline.retry(CONNECT, 31.0)
    timeline.unmatched(CONNECT, 31.5)
    timeline.overdue(ISSUED, 31.5)
    assert sorted(timeline.windows) == [-1, 0, 1, 2, 3]
    assert timeline.windows[-1].series[PREPARED].due == 3
    assert (timeline.windows[0].series[CONNECT].due, timeline.windows[1].series[CONNECT].started) == (1, 1)
    assert timeline.windows[2].series[CONNECT].ok == 1
    assert (timeline.windows[3].series[CONNECT].retries, timeline.windows[3].series[CONNECT].unmatched) == (1, 1)
    assert timeline.windows[3].series[ISSUED].overdue == 1


def test_rows_carry_in_flight_and_overdue_from_window_to_window() -> None:
    """What has not ended is in the next window's row too, also when nothing else happened there."""
    timeline = Timeline(10)
    timeline.due(ISSUED, 1.0)
    timeline.start(ISSUED, 1.0)
    timeline.overdue(ISSUED, 15.0)
    timeline.overdue(ISSUED, 32.0, -1)
    timeline.settle(Sample(ISSUED, 1.0, 1.0, 32.0, Outcome.LATE))
    timeline.unmatched(CONNECT, 45.0)
    rows = list(timeline.rows())
    assert [(row.window, row.series, row.in_flight, row.overdue) for row in rows] == [
        (0, ISSUED, 1, 0), (1, ISSUED, 1, 1), (2, ISSUED, 1, 1), (3, ISSUED, 0, 0), (4, CONNECT, 0, 0),
    ]  # fmt: skip
    assert rows[2].counts.started == 0


def test_rows_of_an_empty_timeline_are_none() -> None:
    """Nothing measured is no rows."""
    assert list(Timeline(10).rows()) == []


def test_rows_are_ordered_by_window_then_series() -> None:
    """The order does not depend on what happened first."""
    samples = [Sample(series, at, at, at, Outcome.OK) for series in (CONNECT, ISSUED) for at in (11.0, 1.0)]
    keys = [(row.window, row.series) for row in _timeline(samples).rows()]
    assert keys == [(0, ISSUED), (0, CONNECT), (1, ISSUED), (1, CONNECT)]


@given(SAMPLES)
def test_rows_balance_in_every_window(samples: list[Sample]) -> None:
    """In flight before plus started is what ended plus in flight after."""
    before: dict[Series, int] = {}
    for row in _timeline(samples).rows():
        counts = row.counts
        ended = counts.ok + counts.failed + counts.late + counts.lost + counts.cancelled
        assert before.get(row.series, 0) + counts.started == ended + row.in_flight
        before[row.series] = row.in_flight
    assert set(before.values()) <= {0}


@given(SAMPLES)
def test_total_does_not_depend_on_the_windows(samples: list[Sample]) -> None:
    """Over all windows the sums agree, and are the same for any length of window."""
    total = _timeline(samples).total()
    assert conservation(total) == []
    assert total.encode() == _timeline(samples, 7.5).total().encode()


@given(SAMPLES, SAMPLES, SAMPLES)
def test_merge_gives_the_same_bytes_whatever_the_grouping(a: list, b: list, c: list) -> None:
    """Merging is commutative and associative, and equals having counted everything in one place."""
    one, two, three = _timeline(a), _timeline(b), _timeline(c)
    encoded = _timeline(a + b + c).encode()
    assert _merged(_merged(one, two), three).encode() == encoded
    assert _merged(one, _merged(two, three)).encode() == encoded
    assert _merged(three, one, two).encode() == encoded


@given(SAMPLES)
def test_merge_has_the_empty_timeline_as_identity(samples: list[Sample]) -> None:
    """Nothing added to a timeline, or a timeline to nothing, is that timeline."""
    timeline = _timeline(samples)
    encoded = timeline.encode()
    timeline.merge(Timeline(10))
    assert _merged(timeline).encode() == timeline.encode() == encoded


def test_merge_refuses_windows_of_another_length() -> None:
    """Windows that do not line up cannot be added."""
    with pytest.raises(ValueError, match="windows of 5 s do not merge into windows of 10 s"):
        Timeline(10).merge(Timeline(5))


def test_merge_holds_the_smaller_limit_on_samples() -> None:
    """Whichever side keeps fewer samples of a failure decides, for every window."""
    samples = [Sample(CONNECT, float(n), float(n), float(n), Outcome.SERVER) for n in range(9)]
    timeline = _timeline(samples)
    timeline.merge(Timeline(10, 1))
    assert len(timeline.total().select(Operation.HUB_CONNECT).failures[Outcome.SERVER, ""].samples) == 1


@given(SAMPLES)
def test_decode_inverts_encode(samples: list[Sample]) -> None:
    """Encoding keeps everything, the rows included."""
    encoded = _timeline(samples).encode()
    decoded = Timeline.decode(encoded)
    assert decoded.encode() == encoded
    assert [_key(row) for row in decoded.rows()] == [_key(row) for row in _timeline(samples).rows()]


def _key(row: Row) -> tuple[int, Series, int, dict[str, object]]:
    return row.window, row.series, row.in_flight, row.counts.pack()


def test_encode_leaves_out_windows_that_counted_nothing() -> None:
    """A window that was only touched does not make a timeline differ."""
    touched = Timeline(10)
    touched.due(CONNECT, 99.0, 0)
    assert touched.encode() == Timeline(10.0).encode()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"interval": 10, "samples": 3, "windows": []},
        {"interval": 0.0, "samples": 3, "windows": []},
        {"interval": "10", "samples": 3, "windows": []},
        {"interval": 10.0, "samples": None, "windows": []},
        {"interval": 10.0, "samples": 3, "windows": [[0]]},
        {"interval": 10.0, "samples": 3, "windows": [[0.5, []]]},
        {"interval": 10.0, "samples": 3, "windows": [[-(10**9), []]]},
        {"interval": 10.0, "samples": 3, "windows": [[10**9, []]]},
        {"interval": 10.0, "samples": 3, "windows": [[0, [["hub.connect", "steady", "", {"due": 0.5}]]]]},
    ],
)
def test_decode_refuses_what_encode_never_makes(document: dict) -> None:
    """Garbage is refused with one documented error."""
    with pytest.raises(NotATally):
        Timeline.decode(encode(document))


def _filled(*at: float) -> Timeline:
    timeline = Timeline(10)
    for each in at:
        timeline.begin(CONNECT, each)
    return timeline


def test_fold_makes_one_window_of_many() -> None:
    """Those outside stay as they are, the total is the same, and nothing is made of nothing."""
    timeline = _filled(-5.0, 5.0, 15.0, 25.0, 35.0, 45.0)
    total = timeline.total().encode()
    timeline.fold(1, 4)
    assert {index: tally.series[CONNECT].due for index, tally in timeline.windows.items()} == {-1: 1, 0: 1, 1: 3, 4: 1}
    assert timeline.total().encode() == total
    timeline.fold(9, 12)
    timeline.fold(4, 2)
    assert sorted(timeline.windows) == [-1, 0, 1, 4]
    gap = _filled(25.0)
    gap.fold(1, 4)
    assert sorted(gap.windows) == [1]


def test_split_pieces_are_the_whole() -> None:
    """Each of so many windows, below zero too; changing one changes nothing else."""
    timeline = _filled(-15.0, -5.0, 5.0, 25.0, 75.0)
    pieces = timeline.split(3)
    assert {place: sorted(piece.windows) for place, piece in pieces.items()} == {-1: [-2, -1], 0: [0, 2], 2: [7]}
    assert _merged(*pieces.values()).encode() == timeline.encode()
    pieces[0].begin(CONNECT, 5.0)
    assert timeline.windows[0].series[CONNECT].due == 1


def test_until_is_what_lies_before() -> None:
    """Up to a last window, which is there; changing it changes nothing else."""
    timeline = _filled(5.0, 15.0, 95.0)
    cut = timeline.until(5)
    assert sorted(cut.windows) == [0, 1, 4]
    cut.begin(CONNECT, 5.0)
    assert timeline.windows[0].series[CONNECT].due == 1
