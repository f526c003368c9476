import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.measure.encoding import NotATally, encode
from engine.measure.health import Health, Worst, decode_health, encode_health, judge_health, worst
from engine.measure.operation import Phase

RECORDS = st.lists(
    st.builds(
        Health,
        window=st.integers(-10, 100),
        phase=st.sampled_from(Phase),
        lag_p99_s=st.floats(0, 5),
        cpu_share=st.floats(0, 1),
        descriptors=st.integers(0, 1000),
        descriptor_limit=st.integers(0, 1000),
        lateness_p99_s=st.floats(0, 5),
        internal=st.integers(0, 2),
        ports_exhausted=st.integers(0, 2),
        clock_jumps=st.integers(0, 2),
    ),
    max_size=6,
)


def _steady(over: int, fine: int, **over_by: float) -> list[Health]:
    sick = [Health(window=n, phase=Phase.STEADY, **over_by) for n in range(over)]
    return sick + [Health(window=over + n, phase=Phase.STEADY) for n in range(fine)]


@pytest.mark.parametrize(
    ("health", "is_over"),
    [
        (Health(0, Phase.STEADY), False),
        (Health(0, Phase.STEADY, lag_p99_s=0.25, cpu_share=0.9, descriptors=90, descriptor_limit=100), False),
        (Health(0, Phase.STEADY, lag_p99_s=0.251), True),
        (Health(0, Phase.STEADY, cpu_share=0.91), True),
        (Health(0, Phase.STEADY, descriptors=91, descriptor_limit=100), True),
        (Health(0, Phase.STEADY, descriptors=10**6), False),
    ],
)
def test_health_is_over_past_any_limit(health: Health, is_over: bool) -> None:
    """An interval at a limit is fine, past it is over; descriptors without a limit never are."""
    assert health.is_over is is_over


def test_judge_health_allows_one_interval_in_twenty() -> None:
    """Exactly 5 % of the steady intervals may be over."""
    fitness = judge_health("b-1", _steady(1, 19, lag_p99_s=0.8))
    assert (fitness.judged, fitness.over, fitness.reasons) == (20, 1, ())


@pytest.mark.parametrize(
    ("over_by", "reason"),
    [
        ({"lag_p99_s": 0.8}, "loop lag p99 over 250 ms"),
        ({"cpu_share": 0.99}, "CPU over 90 %"),
        ({"descriptors": 95, "descriptor_limit": 100}, "descriptors over 90 % of the limit"),
    ],
)
def test_judge_health_says_what_was_over_too_often(over_by: dict[str, float], reason: str) -> None:
    """More than 5 % of the steady intervals over a limit is a reason, in words."""
    told = f"b-1: the load generator was not fit: {reason} in 2 of 21 steady intervals"
    assert judge_health("b-1", _steady(2, 19, **over_by)).reasons == (told,)


def test_judge_health_adds_different_limits_up() -> None:
    """One interval over one limit and one over another are two of the intervals, and two reasons."""
    records = [*_steady(1, 19, lag_p99_s=1.0), Health(50, Phase.STEADY, cpu_share=1.0)]
    fitness = judge_health("b-1", records)
    assert (fitness.over, len(fitness.reasons)) == (2, 2)


def test_judge_health_looks_at_steady_intervals_only() -> None:
    """A busy prepare, ramp or drain is no reason."""
    busy = [Health(n, phase, cpu_share=1.0) for n, phase in enumerate((Phase.PREPARE, Phase.RAMP, Phase.DRAIN))]
    assert judge_health("b-1", [*busy, *_steady(0, 1)]).reasons == ()


def test_judge_health_falls_back_to_the_ramp() -> None:
    """A load that is over before it is steady is judged by its ramp."""
    fitness = judge_health("b-1", [Health(0, Phase.RAMP, cpu_share=1.0), Health(1, Phase.DRAIN)])
    assert fitness.reasons == ("b-1: the load generator was not fit: CPU over 90 % in 1 of 1 ramp intervals",)


def test_judge_health_of_no_records_is_fit() -> None:
    """What was never measured speaks neither for nor against."""
    fitness = judge_health("b-1", [])
    assert (fitness.judged, fitness.reasons, fitness.warnings) == (0, (), ())


def test_judge_health_never_forgives_an_internal_error() -> None:
    """One bug of ours, in any phase, makes the numbers worthless."""
    fitness = judge_health("b-1", [Health(-1, Phase.PREPARE, internal=1), *_steady(0, 50)])
    assert fitness.reasons == ("b-1: 1 internal errors, a bug of the harness",)


def test_judge_health_warns_of_ports_and_clock() -> None:
    """Exhausted ports and clock jumps are told, and do not decide."""
    fitness = judge_health("b-1", [Health(0, Phase.STEADY, ports_exhausted=3, clock_jumps=2)])
    assert fitness.reasons == ()
    assert fitness.warnings == ("b-1: 3 dials found no free local port", "b-1: the wall clock jumped 2 times")


def test_worst_takes_each_figure_for_itself() -> None:
    """The worst lag and the worst CPU may be of different intervals; errors add up."""
    records = [
        Health(0, Phase.STEADY, lag_p99_s=0.1, cpu_share=0.2, descriptors=1, descriptor_limit=2, internal=1),
        Health(1, Phase.STEADY, lag_p99_s=0.05, cpu_share=0.4, lateness_p99_s=0.3, internal=1, clock_jumps=1),
    ]
    assert worst(records) == Worst(0.1, 0.4, 0.5, 0.3, internal=2, clock_jumps=1)


@given(RECORDS, RECORDS)
def test_worst_merges_over_batches(a: list[Health], b: list[Health]) -> None:
    """The worst of two batches is the worst of all their intervals, in either order."""
    assert worst(a).merge(worst(b)) == worst(b).merge(worst(a)) == worst(a + b)
    assert worst(a).merge(Worst()) == worst(a)


def test_figures_have_stable_names() -> None:
    """JSON holds milliseconds and shares, rounded."""
    fitness = judge_health("b-1", [Health(0, Phase.STEADY, 0.0012345, 0.123456, 1, 3, 0.01)])
    assert fitness.figures() == {
        "judged": 1, "over": 0, "lagP99Ms": 1.234, "cpuShare": 0.1235, "descriptorShare": 0.3333,
        "latenessP99Ms": 10.0, "internal": 0, "portsExhausted": 0, "clockJumps": 0,
    }  # fmt: skip


@given(RECORDS)
def test_decode_health_inverts_encode_health(records: list[Health]) -> None:
    """Encoding keeps every record, in the order of windows."""
    decoded = decode_health(encode_health(records))
    assert list(decoded) == sorted(records, key=lambda record: record.window)


@pytest.mark.parametrize(
    "packed",
    [
        [],
        [0, "noon", 0.0, 0.0, 0, 0, 0.0, 0, 0, 0],
        [0.5, "steady", 0.0, 0.0, 0, 0, 0.0, 0, 0, 0],
        [0, "steady", "1", 0.0, 0, 0, 0.0, 0, 0, 0],
        [0, "steady", 0.0, True, 0, 0, 0.0, 0, 0, 0],
        [0, "steady", 0.0, 0.0, -1, 0, 0.0, 0, 0, 0],
        [0, "steady", 0.0, 0.0, 0, 0, 0.0, 0, 0],
        [0, "steady", 0.0, 0.0, 0, 0, 0.0, 0, 0, None],
    ],
)
def test_decode_health_refuses_what_encode_health_never_makes(packed: list) -> None:
    """Garbage is refused with one documented error."""
    with pytest.raises(NotATally):
        decode_health(encode({"health": [packed]}))
