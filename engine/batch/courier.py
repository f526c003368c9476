"""Carries what blocks off the loop's thread: saves, progress, checkpoints, pieces of the timeline, the claim.

Theory of operation. One thread per batch. The loop hands things over and goes on; the thread does one at a time and
leaves word in `saved`, `archived`, `beginning`, `word` and `trouble`, then wakes the loop. Saves that pile up while one
is under way are kept together by the next, and one that follows another within GATHER_S waits for that long: a busy
batch writes bigger pieces, not more of them, and does not change threads for each. Of progress, windows and checkpoints
only the latest matters. Pieces of the timeline are archived in the order of their numbers, up to the first that fails:
what is not told to be archived is to be handed over again. The claim is looked after every LISTEN_S; when the store
cannot be asked, the last word stands, with its must_stop_at.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from engine.batch.home import Beginning, Home, Word
from engine.device.bundle import Bundle
from engine.device.script import Saved
from engine.errors import ClaimLost, Failure, HarnessError, Outcome, StoreError
from engine.ports import Clock

LISTEN_S = 1.0
ARRIVE_S = 0.2
SAVED_AT_ONCE = 500
GATHER_S = 0.02
"""Far below what a store takes for a write, so that waiting for company costs little of what a save lasts."""

_log = logging.getLogger("certfleet.batch")


@dataclass(slots=True)
class Trouble:
    """What went wrong with the store: how often, the latest words for it, and whether the claim is gone."""

    failures: int = 0
    detail: str = ""
    lost: ClaimLost | None = None


@dataclass(slots=True)
class _Desk:
    """What waits to be carried; guarded by the courier's condition."""

    saves: deque[tuple[int, Bundle]] = field(default_factory=deque)
    progress: bytes | None = None
    windows: bytes | None = None
    pieces: dict[int, bytes] = field(default_factory=dict)
    checkpoint: bytes | None = None
    arriving: bool = False
    closing: bool = False


@dataclass(frozen=True, slots=True)
class _Load:
    """What was on the desk besides saves."""

    progress: bytes | None
    windows: bytes | None
    pieces: dict[int, bytes]
    checkpoint: bytes | None


class Courier:
    """Start before the loop, close after it. token is the holder's; archived is how many of its pieces are kept, all of
    them from number 0 on."""

    def __init__(self, home: Home, clock: Clock, word: Word) -> None:
        self.word = word
        self.token = home.token
        self.archived = 0
        self.trouble = Trouble()
        self.beginning: Beginning | None = None
        self.crash: BaseException | None = None
        self._home, self._clock = home, clock
        self._desk = _Desk()
        self._saved: deque[tuple[int, Saved]] = deque()
        self._changed = threading.Condition()
        self._wake: Callable[[], None] = lambda: None
        self._listened = clock.now()
        self._arrived = float("-inf")
        self._kept = float("-inf")
        self._is_idle = False
        self._thread = threading.Thread(target=self._run, name="batch-courier", daemon=True)

    def start(self, wake: Callable[[], None]) -> None:
        """Begin; wake is called from the courier's thread whenever there is news."""
        self._wake = wake
        self._thread.start()

    def save(self, channel: int, bundle: Bundle) -> None:
        """Keep a bundle; `saved` will tell."""
        self._hand(lambda desk: desk.saves.append((channel, bundle)))

    def report(self, progress: bytes) -> None:
        """Show the latest progress."""
        self._hand(lambda desk: setattr(desk, "progress", progress))

    def show(self, windows: bytes) -> None:
        """Show the latest windows."""
        self._hand(lambda desk: setattr(desk, "windows", windows))

    def archive(self, number: int, piece: bytes) -> None:
        """Keep a piece for ever; numbers follow each other from 0, and `archived` tells how many are kept."""
        self._hand(lambda desk: desk.pieces.setdefault(number, piece))

    def checkpoint(self, body: bytes) -> None:
        """Keep the latest checkpoint."""
        self._hand(lambda desk: setattr(desk, "checkpoint", body))

    def arrive(self) -> None:
        """Ask for the start of the load until beginning has it."""
        self._hand(lambda desk: setattr(desk, "arriving", True))

    def saved(self) -> list[tuple[int, Saved]]:
        """Saves that have ended since the last call, by channel."""
        found = []
        while self._saved:
            found.append(self._saved.popleft())
        return found

    def close(self) -> None:
        """Carry what is left and end; returns when the thread has."""
        self._hand(lambda desk: setattr(desk, "closing", True))
        if self._thread.is_alive():
            self._thread.join()

    def _hand(self, change: Callable[[_Desk], object]) -> None:
        with self._changed:
            change(self._desk)
            if self._is_idle:
                self._changed.notify()

    def _run(self) -> None:
        done = False
        try:
            while not done:
                with self._changed:
                    self._is_idle = True
                    self._changed.wait_for(self._has_work, timeout=ARRIVE_S if self._desk.arriving else LISTEN_S / 2)
                    self._is_idle = False
                    gather_s = self._kept + GATHER_S - self._clock.now() if self._desk.saves else 0.0
                if gather_s > 0 and not self._desk.closing:
                    self._clock.sleep(gather_s)
                done = self._round()
        except BaseException as crash:
            self.crash = crash
            self._wake()
            raise

    def _round(self) -> bool:
        """Carry what lies on the desk; true when that was the last of it."""
        with self._changed:
            desk = self._desk
            saves = [desk.saves.popleft() for _ in range(min(SAVED_AT_ONCE, len(desk.saves)))]
            load = _Load(desk.progress, desk.windows, desk.pieces, desk.checkpoint)
            desk.progress = desk.windows = desk.checkpoint = None
            desk.pieces = {}
            done = desk.closing and not desk.saves
        self._carry(saves, load)
        return done

    def _has_work(self) -> bool:
        desk = self._desk
        bodies = (desk.progress, desk.windows, desk.checkpoint)
        return bool(desk.saves or desk.closing or desk.pieces or any(body is not None for body in bodies))

    def _carry(self, saves: list[tuple[int, Bundle]], load: "_Load") -> None:
        if saves:
            failure = self._try(lambda: self._home.save([bundle for _, bundle in saves]))
            at = self._clock.now()
            self._kept = at
            self._saved.extend((channel, Saved(at, failure)) for channel, _ in saves)
            self._wake()
        if self._clock.now() - self._listened >= LISTEN_S:
            self._listened = self._clock.now()
            self._try(self._listen)
        if self._desk.arriving and self.beginning is None and self._clock.now() - self._arrived >= ARRIVE_S:
            self._arrived = self._clock.now()
            self._try(self._arrive)
        self._archive(load.pieces)
        for body, keep in (
            (load.checkpoint, self._home.checkpoint),
            (load.windows, self._home.show),
            (load.progress, self._home.report),
        ):
            if body is not None:
                self._try(partial(keep, body))

    def _archive(self, pieces: Mapping[int, bytes]) -> None:
        for number in sorted(pieces):
            if self._try(partial(self._home.archive, number, pieces[number])) is not None:
                return
            self.archived = max(self.archived, number + 1)

    def _listen(self) -> None:
        before = self.word.cancelled
        self.word = self._home.listen()
        if self.word.cancelled and not before:
            self._wake()

    def _arrive(self) -> None:
        self.beginning = self._home.arrive()
        if self.beginning is not None:
            self._desk.arriving = False
            self._wake()

    def _try(self, work: Callable[[], None]) -> Failure | None:
        """None, or why it did not work: a store that fails is counted and shown, and never stops the loop."""
        try:
            work()
        except ClaimLost as lost:
            self.trouble.lost = lost
            self._wake()
            return Failure(Outcome.SERVER, lost.code, str(lost))
        except StoreError as broken:
            return self._note(broken)
        return None

    def _note(self, broken: HarnessError) -> Failure:
        self.trouble.failures += 1
        self.trouble.detail = str(broken)
        if self.trouble.failures == 1:
            _log.warning("the store failed: %s", broken)
        return Failure(Outcome.SERVER, broken.code, str(broken))
