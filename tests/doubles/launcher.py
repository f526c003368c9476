"""`Launcher` that starts nothing and notes what it would have."""

from doubles.clock import VirtualClock
from engine.errors import AlreadyExists, LaunchError
from engine.ports import Clock, Launched, Store


class NotedLauncher:
    """launched has run id, replicas and processes of each launch, sized its vCPUs, stopped the keys that were told to
    end; while is_away is true nothing can be started, and what became of a launch cannot be told.

    A launch is over when it was stopped, or when the test put its key into `over`.
    """

    coming_s = 30.0

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        self.launched: list[tuple[str, int, int]] = []
        self.sized: list[float] = []
        self.stopped: list[str] = []
        self.over: set[str] = set()
        self.is_away = False
        self._store, self._clock = store, VirtualClock() if clock is None else clock

    def launch(self, run_id: str, *, key: str, replicas: int, processes: int, cpu: float) -> None:
        """See Launcher."""
        try:
            self._store.create(key, str(self._clock.wall()).encode())
        except AlreadyExists:
            return
        if self.is_away:
            self._store.delete(key)
            raise LaunchError(run_id, "nothing can be started")
        self.launched.append((run_id, replicas, processes))
        self.sized.append(cpu)

    def look(self, key: str) -> Launched | None:
        """See Launcher."""
        held = self._store.read(key)
        return Launched(float(held.body), None if self.is_away else key in self.over) if held else None

    def stop(self, key: str) -> None:
        """See Launcher."""
        if self._store.read(key) is None or key in self.over:
            return
        self.stopped.append(key)
        self.over.add(key)
