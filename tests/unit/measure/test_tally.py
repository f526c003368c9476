import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Outcome
from engine.measure.encoding import NotATally, encode
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.tally import Tally, conservation, merge

CONNECT = Series(Operation.HUB_CONNECT, Phase.STEADY, "a.example")
ELSEWHERE = Series(Operation.HUB_CONNECT, Phase.STEADY, "b.example")
PREPARED = Series(Operation.HUB_CONNECT, Phase.PREPARE, "a.example")
ISSUED = Series(Operation.CERT_ISSUED, Phase.DRAIN, "a.example")

TIMES = st.floats(min_value=-100, max_value=1000)
SAMPLES = st.builds(
    lambda series, due, slip, took, outcome, code: Sample(
        series, due, due + slip, due + slip + took, outcome, code=code, device="device-7", parts=(("tcp", took),)
    ),
    st.sampled_from([CONNECT, ELSEWHERE, PREPARED, ISSUED]),
    TIMES,
    st.floats(0, 5),
    st.floats(0, 400),
    st.sampled_from(list(Outcome)),
    st.sampled_from(["", "429002", "busy"]),
)
EVENTS = st.lists(st.one_of(SAMPLES, st.sampled_from(["retry", "unmatched", "overdue", "in flight"])), max_size=12)


def _tally(events: list[Sample | str]) -> Tally:
    tally = Tally()
    for event in events:
        match event:
            case "retry":
                tally.retry(CONNECT)
            case "unmatched":
                tally.unmatched(CONNECT)
            case "overdue":
                tally.overdue(ISSUED)
            case "in flight":
                tally.due(ISSUED)
                tally.start(ISSUED)
            case Sample():
                _add(tally, event)
    return tally


def _add(tally: Tally, sample: Sample) -> None:
    tally.due(sample.series)
    if sample.outcome is not Outcome.DROPPED:
        tally.start(sample.series)
    tally.settle(sample)


def _sample(series: Series, outcome: Outcome = Outcome.OK) -> Sample:
    return Sample(series, 1.0, 1.0, 2.0, outcome)


@given(EVENTS, EVENTS, EVENTS)
def test_merge_gives_the_same_bytes_whatever_the_grouping(a: list, b: list, c: list) -> None:
    """Merging is commutative and associative, and equals having counted everything in one place."""
    one, two, three = _tally(a), _tally(b), _tally(c)
    encoded = _tally(a + b + c).encode()
    assert merge([merge([one, two]), three]).encode() == encoded
    assert merge([one, merge([two, three])]).encode() == encoded
    assert merge([three, one, two]).encode() == encoded


@given(EVENTS)
def test_merge_has_the_empty_tally_as_identity(events: list) -> None:
    """Nothing added to a tally, or a tally to nothing, is that tally."""
    tally = _tally(events)
    assert merge([tally, Tally()]).encode() == merge([Tally(), tally]).encode() == tally.encode()


def test_merge_of_no_tallies_is_the_empty_tally() -> None:
    """A run of which no batch left anything has counted nothing."""
    assert merge([]).encode() == Tally().encode()


def test_merge_leaves_its_arguments_alone() -> None:
    """A batch's tally can be merged into several selections."""
    tally = _tally([_sample(CONNECT)])
    before = tally.encode()
    merge([tally, tally])
    assert tally.encode() == before


def test_merge_holds_the_smaller_limit_on_samples() -> None:
    """Whichever side keeps fewer samples of a failure decides, also for what only the other side has."""
    many = Tally(5)
    for n in range(6):
        _add(many, Sample(CONNECT, float(n), float(n), n + 1.0, Outcome.SERVER))
    for merged in (merge([many, Tally(2)]), merge([Tally(2), many])):
        assert len(merged.select(Operation.HUB_CONNECT).failures[Outcome.SERVER, ""].samples) == 2


@given(EVENTS)
def test_decode_inverts_encode(events: list) -> None:
    """Encoding keeps everything."""
    encoded = _tally(events).encode()
    assert Tally.decode(encoded).encode() == encoded


def test_encode_leaves_out_series_that_counted_nothing() -> None:
    """A series that was only touched does not make a tally differ."""
    touched = Tally()
    touched.due(CONNECT, 0)
    assert touched.encode() == Tally().encode()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"samples": 3},
        {"samples": -1, "series": []},
        {"samples": 3, "series": 1},
        {"samples": 3, "series": [["hub.connect", "steady", "", {}, 1]]},
        {"samples": 3, "series": [["hub.explode", "steady", "", {}]]},
        {"samples": 3, "series": [["hub.connect", "noon", "", {}]]},
        {"samples": 3, "series": [["hub.connect", "steady", 5, {}]]},
        {"samples": 3, "series": [["hub.connect", "steady", "", {"due": -1}]]},
    ],
)
def test_decode_refuses_what_encode_never_makes(document: dict) -> None:
    """Garbage is refused with one documented error."""
    with pytest.raises(NotATally):
        Tally.decode(encode(document))


def test_select_merges_phases_and_hubs() -> None:
    """A selection is one operation's counts, over all phases and hubs or those asked for."""
    tally = _tally([_sample(series) for series in (CONNECT, ELSEWHERE, PREPARED, ISSUED)])
    assert tally.select(Operation.HUB_CONNECT).ok == 3
    assert tally.select(Operation.HUB_CONNECT, {Phase.STEADY}).ok == 2
    assert tally.select(Operation.HUB_CONNECT, hub="a.example").ok == 2
    assert tally.select(Operation.HUB_CONNECT, {Phase.STEADY}, hub="b.example").ok == 1
    assert tally.select(Operation.DPS_REGISTER).ok == 0


def test_operations_are_those_counted_in_the_order_of_the_list() -> None:
    """Reports list operations the way a device goes through them."""
    tally = _tally([_sample(ISSUED), _sample(CONNECT)])
    assert tally.operations() == (Operation.HUB_CONNECT, Operation.CERT_ISSUED)
    assert set(tally.series) == {CONNECT, ISSUED}


@given(st.lists(SAMPLES, max_size=12))
def test_conservation_holds_for_what_was_due_started_and_settled(samples: list[Sample]) -> None:
    """Every start that ended once leaves nothing to complain about."""
    assert conservation(_tally(list(samples))) == []


def test_conservation_names_every_mismatch() -> None:
    """A start without an end, and one that nothing made due, are each one line with the numbers."""
    tally = _tally([_sample(CONNECT), "in flight"])
    tally.start(PREPARED)
    tally.settle(_sample(PREPARED, Outcome.CANCELLED))
    assert conservation(tally) == [
        "cert.issued in drain: started 1 is not ended 0 + cancelled 0",
        "hub.connect in prepare: due 0 is not started 1 + dropped 0",
    ]
