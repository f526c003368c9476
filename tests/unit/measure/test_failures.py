import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.measure.encoding import NotATally
from engine.measure.failures import Failures

SEEN = st.lists(st.tuples(st.integers(-5, 5), st.sampled_from(["a", "b"]), st.sampled_from(["", "x"])), max_size=8)


def _failures(seen: list[tuple[int, str, str]], limit: int = 3) -> Failures:
    failures = Failures(limit)
    for at_ns, device, detail in seen:
        failures.add(at_ns, device=device, detail=detail)
    return failures


def _merged(*parts: Failures, limit: int = 3) -> Failures:
    merged = Failures(limit)
    for part in parts:
        merged.merge(part)
    return merged


def test_failures_keep_the_earliest_samples() -> None:
    """Of many failures the first three stay as samples, and all are counted."""
    failures = _failures([(5, "e", ""), (3, "c", ""), (1, "a", ""), (4, "d", ""), (2, "b", "")])
    assert (failures.count, failures.first_ns, failures.last_ns) == (5, 1, 5)
    assert failures.samples == [(1, "a", ""), (2, "b", ""), (3, "c", "")]


def test_failures_can_keep_no_samples() -> None:
    """With a limit of none, failures are only counted."""
    assert _failures([(1, "a", ""), (2, "b", "")], limit=0).pack() == [2, 1, 2]


def test_failures_shorten_long_details() -> None:
    """A detail is one line, not a page."""
    assert len(_failures([(1, "a", "x" * 1000)]).samples[0][2]) == 200


@given(SEEN, SEEN, SEEN)
def test_merge_is_commutative_and_associative(a: list, b: list, c: list) -> None:
    """Any order and grouping keeps the same samples, those of counting everything in one place."""
    one, two, three = _failures(a), _failures(b), _failures(c)
    packed = _failures(a + b + c).pack()
    assert _merged(_merged(one, two), three).pack() == packed
    assert _merged(one, _merged(two, three)).pack() == packed
    assert _merged(three, two, one).pack() == packed


def test_merge_holds_the_smaller_of_two_limits() -> None:
    """Samples that one side threw away are not made up from the other side's."""
    seen = [(at, "a", "") for at in range(5)]
    assert len(_merged(_failures(seen, 2), limit=3).samples) == 2
    assert len(_merged(_failures(seen, 5), limit=3).samples) == 3


@given(SEEN)
def test_unpack_inverts_pack(seen: list[tuple[int, str, str]]) -> None:
    """Packing keeps everything that was counted."""
    packed = _failures([(0, "a", ""), *seen]).pack()
    assert Failures.unpack(packed, 3).pack() == packed


@pytest.mark.parametrize(
    "packed",
    [
        7,
        [1, 2],
        [0, 1, 1],
        [1, 2, 1],
        [1, 1.5, 2],
        [1, 1, 1, ["a", "b", "c"]],
        [1, 1, 1, [1, 2, "c"]],
        [1, 1, 1, [1, "b", None]],
        [1, 1, 1, [1, "b"]],
    ],
)
def test_unpack_refuses_what_pack_never_makes(packed: object) -> None:
    """Whatever the shape breaks on is one of the errors that `decode` turns into NotATally."""
    with pytest.raises((NotATally, TypeError, ValueError)):
        Failures.unpack(packed, 3)
