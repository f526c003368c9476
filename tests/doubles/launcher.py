"""`Launcher` that starts nothing and notes what it would have."""

from engine.errors import AlreadyExists, LaunchError
from engine.ports import Store


class NotedLauncher:
    """launched has run id, replicas and processes of each launch; while is_away is true nothing can be started."""

    def __init__(self, store: Store) -> None:
        self.launched: list[tuple[str, int, int]] = []
        self.is_away = False
        self._store = store

    def launch(self, run_id: str, *, key: str, replicas: int, processes: int) -> None:
        """See Launcher."""
        try:
            self._store.create(key, b"noted")
        except AlreadyExists:
            return
        if self.is_away:
            self._store.delete(key)
            raise LaunchError(run_id, "nothing can be started")
        self.launched.append((run_id, replicas, processes))
