"""The courier with its thread, against a home in memory."""

import threading
from collections.abc import Callable

import pytest

from doubles.clock import VirtualClock
from doubles.drive import make_bundle
from engine.batch import courier as courier_module
from engine.batch.courier import LISTEN_S, SAVED_AT_ONCE, Courier
from engine.batch.home import Beginning, Word
from engine.errors import ClaimLost, Outcome, StoreUnavailable

PATIENCE_S = 20.0
BUNDLE = make_bundle("d-0")


class SlowHome:
    """A home whose next call waits until it is let go; trouble is raised by whatever is called."""

    def __init__(self):
        self.calls, self.trouble = [], None
        self.word = Word(100.0, False)
        self.token = 3
        self.beginning = None
        self.entered, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def _enter(self, name, value):
        self.entered.set()
        assert self.gate.wait(PATIENCE_S)
        self.calls.append((name, value))
        if self.trouble is not None:
            raise self.trouble

    def save(self, bundles):
        self._enter("save", len(bundles))

    def report(self, progress):
        self._enter("report", progress)

    def show(self, windows):
        self._enter("show", windows)

    def archive(self, number, piece):
        self._enter("archive", number)

    def checkpoint(self, body):
        self._enter("checkpoint", body)

    def listen(self):
        self._enter("listen", None)
        return self.word

    def arrive(self):
        self._enter("arrive", None)
        return self.beginning


class Loop:
    """What a loop sees of a courier: it is woken, and looks."""

    def __init__(self, home):
        self.clock = VirtualClock()
        self.home = home
        self.courier = Courier(home, self.clock, home.word)
        self.woken = threading.Condition()
        self.courier.start(self._wake)

    def _wake(self):
        with self.woken:
            self.woken.notify_all()

    def until(self, holds: Callable[[], object]):
        """Wait until it holds, looking at every wake, and now and then."""
        with self.woken:
            for _ in range(int(PATIENCE_S / 0.05)):
                if found := holds():
                    return found
                self.woken.wait(0.05)
        raise AssertionError("it never came to be")


@pytest.fixture
def loop():
    """A courier at work; closed in the end."""
    loop = Loop(SlowHome())
    yield loop
    loop.home.gate.set()
    loop.courier.close()
    assert not loop.courier._thread.is_alive()


def test_courier_tells_that_a_save_is_durable(loop):
    """The loop is woken and finds it by channel, once."""
    loop.courier.save(7, BUNDLE)
    ((channel, saved),) = loop.until(loop.courier.saved)
    assert (channel, saved.failure) == (7, None)
    assert loop.courier.saved() == []


def test_courier_keeps_together_what_piles_up(loop):
    """Saves that come while one is under way are kept by the next, in pieces that are not endless."""
    loop.home.gate.clear()
    loop.courier.save(0, BUNDLE)
    assert loop.home.entered.wait(PATIENCE_S)
    for channel in range(1, SAVED_AT_ONCE + 3):
        loop.courier.save(channel, BUNDLE)
    loop.home.gate.set()
    found = []
    loop.until(lambda: found.extend(loop.courier.saved()) or len(found) == SAVED_AT_ONCE + 3)
    assert [size for name, size in loop.home.calls if name == "save"] == [1, SAVED_AT_ONCE, 2]
    assert [channel for channel, _ in found] == list(range(SAVED_AT_ONCE + 3))


def test_courier_carries_only_the_latest_progress_and_checkpoint(loop):
    """What was overtaken while the store was slow is not written."""
    loop.home.gate.clear()
    loop.courier.report(b"1")
    assert loop.home.entered.wait(PATIENCE_S)
    for body in (b"2", b"3"):
        loop.courier.report(body)
        loop.courier.checkpoint(body)
    loop.home.gate.set()
    loop.until(lambda: ("report", b"3") in loop.home.calls)
    assert loop.home.calls == [("report", b"1"), ("checkpoint", b"3"), ("report", b"3")]


def test_courier_carries_only_the_latest_windows(loop):
    """They are progress of another kind."""
    loop.home.gate.clear()
    loop.courier.report(b"1")
    assert loop.home.entered.wait(PATIENCE_S)
    for body in (b"2", b"3"):
        loop.courier.show(body)
    loop.home.gate.set()
    loop.until(lambda: ("show", b"3") in loop.home.calls)
    assert ("show", b"2") not in loop.home.calls


def test_courier_archives_in_order_up_to_the_first_that_fails(loop):
    """What is told to be archived is, with all before it; the rest is handed over again."""
    assert (loop.courier.token, loop.courier.archived) == (3, 0)
    loop.courier.archive(0, b"a")
    loop.until(lambda: loop.courier.archived == 1)
    loop.home.trouble = StoreUnavailable("pieces")
    loop.home.gate.clear()
    loop.courier.report(b"slow")
    for number in (2, 1):
        loop.courier.archive(number, b"b")
    loop.home.gate.set()
    loop.until(lambda: ("archive", 1) in loop.home.calls)
    loop.courier.report(b"after")
    loop.until(lambda: ("report", b"after") in loop.home.calls)
    assert ("archive", 2) not in loop.home.calls
    assert loop.courier.archived == 1
    loop.home.trouble = None
    for number in (1, 2):
        loop.courier.archive(number, b"b")
    loop.until(lambda: loop.courier.archived == 3)


def test_courier_counts_a_store_that_fails_and_goes_on(loop):
    """The save says so, the trouble is counted with its words, the next save is tried."""
    loop.home.trouble = StoreUnavailable("devices", "no answer")
    loop.courier.save(1, BUNDLE)
    ((_, saved),) = loop.until(loop.courier.saved)
    assert (saved.failure.outcome, saved.failure.code) == (Outcome.SERVER, "store-unavailable")
    loop.courier.save(1, BUNDLE)
    loop.until(lambda: loop.courier.trouble.failures == 2)
    assert loop.courier.trouble.detail == "devices: no answer"
    loop.home.trouble = None
    loop.courier.saved()
    loop.courier.save(1, BUNDLE)
    assert loop.until(loop.courier.saved)[0][1].failure is None


def test_courier_says_that_the_claim_is_lost(loop):
    """The loop is woken, and finds who has the batch."""
    loop.home.trouble = lost = ClaimLost("batch 0", "other")
    loop.courier.save(1, BUNDLE)
    assert loop.until(lambda: loop.courier.trouble.lost) is lost
    assert loop.until(loop.courier.saved)[0][1].failure.code == "claim-lost"
    assert loop.courier.trouble.failures == 0


def test_courier_listens_once_in_a_while(loop):
    """The claim is looked after by the clock, and a cancel wakes the loop."""
    loop.home.word = Word(200.0, True)
    loop.courier.report(b"early")
    loop.until(lambda: ("report", b"early") in loop.home.calls)
    assert not loop.courier.word.cancelled
    loop.clock.sleep(LISTEN_S)
    loop.until(lambda: loop.courier.word.cancelled)
    assert loop.courier.word.must_stop_at == 200.0


def test_courier_keeps_the_last_word_while_the_store_cannot_be_asked(loop):
    """Then its must_stop_at stands."""
    loop.home.trouble = StoreUnavailable("state")
    loop.clock.sleep(LISTEN_S)
    loop.until(lambda: loop.courier.trouble.failures)
    assert loop.courier.word == Word(100.0, False)


def test_courier_asks_for_the_start_until_there_is_one(loop):
    """Then it stops asking."""
    loop.courier.arrive()
    loop.until(lambda: ("arrive", None) in loop.home.calls)
    loop.home.beginning = Beginning(1.0, 2.0)

    def begun():
        loop.clock.sleep(courier_module.ARRIVE_S)
        return loop.courier.beginning

    assert loop.until(begun) == Beginning(1.0, 2.0)
    asked = loop.home.calls.count(("arrive", None))
    loop.courier.report(b"after")
    loop.clock.sleep(courier_module.ARRIVE_S)
    loop.until(lambda: ("report", b"after") in loop.home.calls)
    assert loop.home.calls.count(("arrive", None)) == asked


def test_courier_carries_everything_before_it_closes():
    """Nothing that was handed over is left behind."""
    loop = Loop(SlowHome())
    loop.home.gate.clear()
    loop.courier.save(0, BUNDLE)
    assert loop.home.entered.wait(PATIENCE_S)
    for channel in range(SAVED_AT_ONCE + 1):
        loop.courier.save(channel, BUNDLE)
    loop.courier.checkpoint(b"last")
    loop.home.gate.set()
    loop.courier.close()
    assert sum(size for name, size in loop.home.calls if name == "save") == SAVED_AT_ONCE + 2
    assert ("checkpoint", b"last") in loop.home.calls
    assert len(loop.courier.saved()) == SAVED_AT_ONCE + 2


def test_courier_that_never_began_closes():
    """Closing it is harmless."""
    home = SlowHome()
    Courier(home, VirtualClock(), home.word).close()
    assert home.calls == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_crash_of_the_thread_is_told():
    """An error that is none of the store's ends the courier, and the loop hears of it."""
    home, woken = SlowHome(), threading.Event()
    courier = Courier(home, VirtualClock(), home.word)
    courier.start(woken.set)
    home.trouble = ZeroDivisionError("a bug")
    courier.save(0, BUNDLE)
    assert woken.wait(PATIENCE_S)
    assert isinstance(courier.crash, ZeroDivisionError)
    courier.close()
