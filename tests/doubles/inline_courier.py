"""A courier without a thread, for virtual time: what it is handed is carried a moment later, on the wire's time."""

from collections.abc import Callable

from doubles.loopback import Loopback
from engine.batch.courier import ARRIVE_S, LISTEN_S, Courier
from engine.batch.home import Home, Word

CARRY_S = 0.01


class InlineCourier(Courier):
    """See Courier: the same desk and the same rounds, one whenever the thread would have made one."""

    def __init__(self, home: Home, wire: Loopback, word: Word) -> None:
        super().__init__(home, wire.clock, word)
        self._wire = wire
        self._is_due = False

    def start(self, wake: Callable[[], None]) -> None:
        """Begin."""
        self._wake = wake
        self._come_again()

    def close(self) -> None:
        """Carry what is left."""
        self._desk.closing = True
        while not self._round():
            pass

    def _hand(self, change: Callable[[object], object]) -> None:
        change(self._desk)
        if not self._is_due:
            self._is_due = True
            self._wire.after(CARRY_S, self._carry_soon)

    def _carry_soon(self) -> None:
        self._is_due = False
        self._round()

    def _come_again(self) -> None:
        if not self._desk.closing:
            self._round()
            self._wire.after(ARRIVE_S if self._desk.arriving else LISTEN_S / 2, self._come_again)
