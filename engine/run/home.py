"""A batch's home in the store: `batch.home.Home` over claims, fenced blobs and device state.

Device state is written in pieces: each save is a new blob under the batch's span of indexes, never a rewrite, so
nothing that was acknowledged can be lost by a crash in the middle of the next write. Loading takes, per device, the
record with the highest generation. When a batch ends its pieces are put together and the old ones deleted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from engine.batch.home import Beginning, Word
from engine.device import bundle as bundles
from engine.device.bundle import Bundle, BundleUnreadable, WrappingKey
from engine.errors import AlreadyExists, ClaimLost, StoreUnavailable, VersionConflict
from engine.ports import Clock, Store
from engine.run import keys, record, state
from engine.run.claims import Claim, Claims

type _Records = dict[str, dict[str, Any]]

MOST_TOLD = 20
"""Lines about state that could not be read: with a wrong STATE_KEY there would be one for every device."""

RENEW_SHARE = 1 / 3
"""A claim is renewed when this much of its lease is gone."""


@dataclass(frozen=True, slots=True)
class Span:
    """The device indexes first … first + count - 1."""

    first: int
    count: int

    def holds(self, index: int) -> bool:
        """Whether the index is one of them."""
        return self.first <= index < self.first + self.count

    def overlaps(self, first: int, count: int) -> bool:
        """Whether any of these indexes is one of them."""
        return first < self.first + self.count and self.first < first + count

    def covers(self, first: int, count: int) -> bool:
        """Whether all of these indexes are."""
        return self.first <= first and first + count <= self.first + self.count


@dataclass(frozen=True, slots=True)
class DeviceState:
    """Where the state of one prefix's devices lies, and what unwraps their keys."""

    store: Store
    data_prefix: str
    device_prefix: str
    wrapping_key: WrappingKey

    def load(self, spans: Sequence[Span]) -> tuple[dict[str, Bundle], list[str]]:
        """Bundles by device id, and a line for each record or blob that could not be read; past MOST_TOLD, one for the
        rest."""
        bodies, problems = [], []
        for key in self._keys(spans):
            held = self.store.read(key)
            if held is None:
                continue
            try:
                bodies.append(bundles.decode(held.body))
            except BundleUnreadable as broken:
                problems.append(f"{key}: {broken}")
        found: dict[str, Bundle] = {}
        for name, kept in bundles.newest(bodies).items():
            index = name.removeprefix(self.device_prefix)
            if not index.isdecimal() or not any(span.holds(int(index)) for span in spans):
                continue
            try:
                found[name] = _own_bundle(name, kept, self.wrapping_key)
            except BundleUnreadable as broken:
                problems.append(f"{name}: {broken}")
        if len(problems) > MOST_TOLD:
            problems[MOST_TOLD:] = [f"{len(problems) - MOST_TOLD} more like these"]
        return found, problems

    def known(self, spans: Sequence[Span]) -> list[Span]:
        """The devices of these spans that have state, as spans sorted by first; unreadable blobs hold none."""
        names = (name for _, body in self._readable(spans) for name in body)
        found = {int(index) for name in names if (index := name.removeprefix(self.device_prefix)).isdecimal()}
        return _joined(sorted(index for index in found if any(span.holds(index) for span in spans)))

    def add(self, span: Span, name: str, kept: Sequence[Bundle]) -> None:
        """Keep these under a name that sorts after all before it; again under the same name changes nothing."""
        body = bundles.encode({b.device_id: bundles.to_record(b, self.wrapping_key) for b in kept})
        key = keys.device_state_key(self.data_prefix, self.device_prefix, first=span.first, count=span.count, name=name)
        try:
            self.store.create(key, body)
        except AlreadyExists:
            return

    def compact(self, span: Span, name: str) -> None:
        """One blob of this name in place of all that lie wholly within the span; those nobody can read stay.

        Order matters here: first the new, then the old. Again, after it failed half way, it goes on.
        """
        key = keys.device_state_key(self.data_prefix, self.device_prefix, first=span.first, count=span.count, name=name)
        found = {old: body for old, body in self._readable([span]) if _lies_within(old, span)}
        if key not in found and len(found) > 1:
            self.store.create(key, bundles.encode(bundles.newest(list(found.values()))))
            found[key] = {}
        if key in found:
            for old in found.keys() - {key}:
                self.store.delete(old)

    def blobs(self, spans: Sequence[Span]) -> Sequence[str]:
        """The keys of all that may hold state of these devices, oldest first."""
        return tuple(self._keys(spans))

    def forget(self, key: str, spans: Sequence[Span]) -> frozenset[int]:
        """The devices of these spans of which the blob held state: now it holds none. Others' stays as it was.

        What nobody can read is deleted where it can only be about these devices.
        """
        while (held := self.store.read(key)) is not None:
            try:
                body = bundles.decode(held.body)
            except BundleUnreadable:
                if any(_lies_within(key, span) for span in spans):
                    self.store.delete(key)
                break
            gone = {name: index for name in body if (index := self._index(name, spans)) is not None}
            others = {name: kept for name, kept in body.items() if name not in gone}
            try:
                if not others:
                    self.store.delete(key)
                elif gone:
                    self.store.replace(key, bundles.encode(others), held.version)
            except VersionConflict:
                continue
            return frozenset(gone.values())
        return frozenset()

    def _index(self, name: str, spans: Sequence[Span]) -> int | None:
        """The device's index if it is in one of the spans."""
        text = name.removeprefix(self.device_prefix)
        is_one = text.isdecimal() and any(span.holds(int(text)) for span in spans)
        return int(text) if is_one else None

    def _readable(self, spans: Sequence[Span]) -> Iterator[tuple[str, _Records]]:
        """Keys and records by device id, oldest name first."""
        for key in self._keys(spans):
            held = self.store.read(key)
            with suppress(BundleUnreadable):
                yield from [(key, bundles.decode(held.body))] if held else []

    def _keys(self, spans: Sequence[Span]) -> Iterator[str]:
        """Keys that may hold state of these devices, oldest name first."""
        found = [
            key
            for key in self.store.keys(keys.devices_prefix(self.data_prefix, self.device_prefix))
            if (at := keys.parse_device_state_key(key)) and any(span.overlaps(*at) for span in spans)
        ]
        return iter(sorted(found, key=lambda key: key.rsplit("/", 1)[-1]))


def _own_bundle(name: str, kept: Mapping[str, Any], wrapping_key: WrappingKey) -> Bundle:
    """The bundle of the device of that name. Raises BundleUnreadable for another's, whoever put it there."""
    found = bundles.from_record(kept, wrapping_key)
    if found.device_id != name:
        raise BundleUnreadable(f"the record of {found.device_id[:128]} lies in its place")
    return found


def _lies_within(key: str, span: Span) -> bool:
    at = keys.parse_device_state_key(key)
    return at is not None and span.covers(*at)


def _joined(indexes: Iterable[int]) -> list[Span]:
    """Sorted indexes as spans."""
    spans: list[Span] = []
    for index in indexes:
        if spans and spans[-1].first + spans[-1].count == index:
            spans[-1] = Span(spans[-1].first, spans[-1].count + 1)
        else:
            spans.append(Span(index, 1))
    return spans


class StoreHome:
    """See batch.home.Home."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        claims: Claims,
        claim: Claim,
        devices: DeviceState,
        spans: Sequence[Span],
        arrive: Callable[[], Beginning | None],
    ) -> None:
        self._store, self._clock, self._claims, self.claim = store, clock, claims, claim
        self._devices, self._spans, self._arrive = devices, tuple(spans), arrive
        self._saves = 0
        self._versions: dict[str, str] = {}
        self._renewed = clock.now()
        self._renew_every_s = RENEW_SHARE * (claim.must_stop_at - clock.now())

    def load(self) -> tuple[dict[str, Bundle], list[str]]:
        """What is stored of the batch's devices, by device id, and what of it could not be read."""
        return self._devices.load(self._spans)

    @property
    def token(self) -> int:
        """See Home."""
        return self.claim.token

    @property
    def stem(self) -> str:
        """What the names of this holder's state blobs begin with: they sort by time, and no two holders share one."""
        return f"{round(self.claim.taken_at * 1000):013d}-{self.claim.run_id}-{self.claim.token:06d}"

    def save(self, saved: Sequence[Bundle]) -> None:
        """See Home. Device state has no fence, because every save is a blob of its own: so a holder whose lease is
        over, and who may have slept through that, keeps nothing any more."""
        if not self._claims.is_live(self.claim):
            raise StoreUnavailable(keys.claim_key(self.claim.run_id, self.claim.batch), "the lease is over")
        self._saves += 1
        by_span: dict[int, list[Bundle]] = {}
        for one in saved:
            index = int(one.device_id.removeprefix(self._devices.device_prefix))
            place = next(n for n, span in enumerate(self._spans) if span.holds(index))
            by_span.setdefault(place, []).append(one)
        for place, group in by_span.items():
            self._devices.add(self._spans[place], f"{self.stem}-{self._saves:08d}", group)

    def report(self, progress: bytes) -> None:
        """See Home."""
        self._write(keys.progress_key(self.claim.run_id, self.claim.batch), progress)

    def show(self, windows: bytes) -> None:
        """See Home."""
        self._write(keys.windows_key(self.claim.run_id, self.claim.batch), windows)

    def archive(self, number: int, piece: bytes) -> None:
        """See Home. It needs no fence: nobody else has this token, and what nobody names nobody reads."""
        with suppress(AlreadyExists):
            self._store.create(keys.piece_key(self.claim.run_id, self.claim.batch, self.token, number), piece)

    def checkpoint(self, body: bytes) -> None:
        """See Home."""
        self._write(keys.checkpoint_key(self.claim.run_id, self.claim.batch), body)

    def listen(self) -> Word:
        """See Home."""
        if self._clock.now() - self._renewed >= self._renew_every_s:
            self.claim = self._claims.renew(self.claim)
            self._renewed = self._clock.now()
        found = state.read_state(self._store, self.claim.run_id)
        if found.attempt != self.claim.attempt:
            raise ClaimLost(f"batch {self.claim.batch} of {self.claim.run_id}", f"attempt {found.attempt} of the run")
        draining = found.cancel_requested_at is not None or found.stage is state.Stage.DRAINING
        return Word(self.claim.must_stop_at, draining)

    def arrive(self) -> Beginning | None:
        """See Home."""
        return self._arrive()

    def finish(self, result: bytes, *, whole: bool) -> None:
        """Write the batch's result under the fence, put its devices' state together, and mark the batch done: whole, or
        for this attempt of the run."""
        self._write(keys.result_key(self.claim.run_id, self.claim.batch), result)
        for span in self._spans:
            self._devices.compact(span, f"{self.stem}-99999999")
        self._claims.release(self.claim, whole=whole)

    def _write(self, key: str, body: bytes) -> None:
        version = record.fenced_write(self._store, key, self.claim.token, body, version=self._versions.get(key))
        self._versions[key] = version
