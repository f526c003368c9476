"""Which device names belong to whom: per prefix one blob of index ranges, changed only by compare-and-swap.

    {"next": 1500, "ranges": [{"first": 0, "count": 1000, "holder": "nightly", "until": 1.7e9, "stored": true}, ...]}

Indexes below `next` have been handed out. A range is held by a run until a moment, or free. `stored` says that its
devices have state from an earlier run. A free range without state is a name that was used up: kept only beyond `next`,
where an exact start index put it, so that no new name meets it.

The list is always sorted, without overlaps, and as short as it can be: free neighbours of one kind are one range. Its
length is bounded by the pieces runs hold plus the gaps between what they stored, never by the number of runs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, assert_never

from pydantic import ConfigDict, TypeAdapter, ValidationError

from engine.errors import RunRefused, StoreError
from engine.plan.spec.devices import Source
from engine.ports import Store
from engine.run.record import update

MISSING_SHARE = 0.01
"""More than this share of stored devices missing refuses a run that may not make new ones (product: devices.source)."""


@dataclass(frozen=True, slots=True)
class Range:
    """Indexes first to end (not included). holder and until (wall seconds) are None when nobody holds them."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    first: int
    count: int
    holder: str | None = None
    until: float | None = None
    stored: bool = False

    @property
    def end(self) -> int:
        """The first index after it."""
        return self.first + self.count

    def part(self, first: int, end: int) -> "Range | None":
        """What of it lies in first to end, None if nothing."""
        low, high = max(first, self.first), min(end, self.end)
        return replace(self, first=low, count=high - low) if low < high else None


@dataclass(frozen=True, slots=True)
class Pool:
    """The ranges of one prefix, sorted; everything from `next` on is new but for the ranges that say otherwise."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    next: int = 0
    ranges: tuple[Range, ...] = ()
    format: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class Want:
    """What a run asks for; start_index None leaves the choice to the pool."""

    run_id: str
    count: int
    source: Source
    until: float
    start_index: int | None = None


_POOL = TypeAdapter(Pool)


def allot(
    store: Store,
    key: str,
    run_id: str,
    count: int,
    source: Source,
    *,
    until: float,
    now: float,
    start_index: int | None = None,
) -> tuple[Range, ...]:
    """`count` device indexes held by the run until then, as ranges sorted by first; asked again, the same ones.

    key is `keys.counter_key` of the prefix; now and until are wall seconds. A range's `stored` tells whether there is
    state to load. STORED_ONLY may give up to 1 % less than asked for.
    Raises RunRefused: `overlap` when another run holds what start_index asks for, `over-quota` when too few are stored.
    """
    want = Want(run_id, count, source, until, start_index)
    body = update(store, key, lambda held: _POOL.dump_json(allot_in(_decode(key, held), want, now=now)))
    return held_by(_decode(key, body), run_id)


def release(store: Store, key: str, run_id: str, stored: Iterable[Range]) -> None:
    """Free all that the run holds under a prefix. `stored` is all of it that has state now; the rest has none."""
    kept = tuple(stored)
    update(store, key, lambda held: _POOL.dump_json(release_in(_decode(key, held), run_id, kept)))


def retake(store: Store, key: str, run_id: str, ranges: Sequence[Range], *, until: float, now: float) -> None:
    """These very indexes are held by the run again until then; those it holds already stay so.

    Raises RunRefused `overlap` when another run holds one of them.
    """
    update(
        store, key, lambda held: _POOL.dump_json(retake_in(_decode(key, held), run_id, ranges, until=until, now=now))
    )


def holdings(store: Store, key: str, run_id: str) -> tuple[Range, ...]:
    """What the run holds under a prefix, sorted by first."""
    held = store.read(key)
    return held_by(_decode(key, held.body if held else None), run_id)


def held_by(pool: Pool, run_id: str) -> tuple[Range, ...]:
    """What the run holds, sorted by first."""
    return tuple(range_ for range_ in pool.ranges if range_.holder == run_id)


def allot_in(pool: Pool, want: Want, *, now: float) -> Pool:
    """The pool in which the run holds what it wants. Raises RunRefused."""
    taken: Sequence[Range] = held_by(pool, want.run_id)
    if not taken:
        pool = expire(pool, now)
        taken = _exact(pool, want, want.start_index) if want.start_index is not None else _any(pool, want)
    return _with(pool, [replace(piece, holder=want.run_id, until=want.until) for piece in taken])


def retake_in(pool: Pool, run_id: str, ranges: Iterable[Range], *, until: float, now: float) -> Pool:
    """The pool in which the run holds these. Raises RunRefused."""
    pool = expire(pool, now)
    taken: list[Range] = []
    for wanted in sorted(ranges, key=_by_first):
        known = [piece for range_ in pool.ranges if (piece := range_.part(wanted.first, wanted.end))]
        _refuse_held([piece for piece in known if piece.holder != run_id])
        taken += [*known, *_gaps(known, wanted.first, wanted.end)]
    return _with(pool, [replace(piece, holder=run_id, until=until) for piece in taken])


def release_in(pool: Pool, run_id: str, stored: Iterable[Range]) -> Pool:
    """The pool in which the run holds nothing, and of what it held exactly `stored` has state."""
    marks = sorted(stored, key=_by_first)
    held = [replace(range_, holder=None, until=None, stored=True) for range_ in held_by(pool, run_id)]
    bare = [gap for range_ in held for gap in _gaps(marks, range_.first, range_.end)]
    return _with(_with(pool, held), bare)


def expire(pool: Pool, now: float) -> Pool:
    """The pool without the holders whose time is over."""
    over = [range_ for range_ in pool.ranges if range_.until is not None and range_.until <= now]
    return _with(pool, [replace(range_, holder=None, until=None) for range_ in over])


def _any(pool: Pool, want: Want) -> list[Range]:
    match want.source:
        case Source.CREATE:
            return list(_new(pool, want.count))
        case Source.STORED_ONLY:
            return _enough(list(_reusable(pool, want.count)), want.count)
        case Source.REUSE_OR_CREATE:
            reused = list(_reusable(pool, want.count))
            return reused + list(_new(pool, want.count - _size(reused)))
        case _:
            assert_never(want.source)


def _exact(pool: Pool, want: Want, first: int) -> list[Range]:
    end = first + want.count
    known = [piece for range_ in pool.ranges if (piece := range_.part(first, end))]
    _refuse_held(known)
    stored = [piece for piece in known if piece.stored]
    if want.source is Source.STORED_ONLY:
        return _enough(stored, want.count)
    return stored + list(_gaps(stored, first, end))


def _refuse_held(pieces: Iterable[Range]) -> None:
    for piece in pieces:
        if piece.holder is not None:
            raise RunRefused("overlap", f"devices {piece.first} to {piece.end - 1} are held by run {piece.holder}")


def _enough(stored: list[Range], count: int) -> list[Range]:
    found = _size(stored)
    if count - found > MISSING_SHARE * count:
        raise RunRefused(
            "over-quota",
            f"{found} devices with stored state are free, {count} were asked for",
            limit="devices.stored",
            value=str(found),
            need=str(count),
            unit="devices",
            source="the names' state on this server",
        )
    return stored


def _reusable(pool: Pool, count: int) -> Iterator[Range]:
    """Free devices with state, the oldest names first, count at most."""
    return _first((range_ for range_ in pool.ranges if range_.stored and range_.holder is None), count)


def _new(pool: Pool, count: int) -> Iterator[Range]:
    """Devices nobody ever had: from the next one on, around what is taken there already."""
    end = max((pool.next, *(range_.end for range_ in pool.ranges))) + count
    return _first(_gaps(pool.ranges, pool.next, end), count)


def _first(ranges: Iterable[Range], count: int) -> Iterator[Range]:
    for range_ in ranges:
        if count <= 0:
            return
        piece = replace(range_, count=min(range_.count, count))
        count -= piece.count
        yield piece


def _gaps(ranges: Iterable[Range], first: int, end: int) -> Iterator[Range]:
    """What of first to end is in none of the ranges, which are sorted."""
    for range_ in ranges:
        if range_.first >= end:
            break
        if range_.first > first:
            yield Range(first, range_.first - first)
        first = max(first, range_.end)
    if first < end:
        yield Range(first, end - first)


def _with(pool: Pool, pieces: Sequence[Range]) -> Pool:
    """The pool in which the pieces, which do not overlap, are as given, in normal form."""
    marks = sorted(pieces, key=_by_first)
    kept = [part for range_ in pool.ranges for part in _cut(range_, marks)]
    ranges = sorted([*kept, *marks], key=_by_first)
    reached = pool.next
    for range_ in ranges:
        if range_.first <= reached:
            reached = max(reached, range_.end)
    used = [range_ for range_ in ranges if range_.holder is not None or range_.stored or range_.first > reached]
    return Pool(reached, tuple(_joined(used)))


def _cut(range_: Range, marks: Sequence[Range]) -> Iterator[Range]:
    """The parts of a range that no mark covers."""
    for gap in _gaps(marks, range_.first, range_.end):
        yield replace(range_, first=gap.first, count=gap.count)


def _joined(ranges: Iterable[Range]) -> Iterator[Range]:
    """The ranges, which are sorted, neighbours of one kind as one."""
    last: Range | None = None
    for range_ in ranges:
        if last is not None and range_ == replace(last, first=last.end, count=range_.count):
            last = replace(last, count=last.count + range_.count)
        else:
            if last is not None:
                yield last
            last = range_
    if last is not None:
        yield last


def _by_first(range_: Range) -> int:
    return range_.first


def _size(ranges: Iterable[Range]) -> int:
    return sum(range_.count for range_ in ranges)


def _decode(key: str, body: bytes | None) -> Pool:
    if body is None:
        return Pool()
    try:
        return _POOL.validate_json(body)
    except ValidationError as error:
        raise StoreError(key, f"not a pool of format 1, {error.error_count()} problems") from error
