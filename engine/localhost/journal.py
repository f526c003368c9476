"""Orchestrations in a SQLite file: written as they change, read back at the next start.

Theory of operation. An instance has a history (the turns that are over) and an inbox (events that arrived and are
in no finished turn). Events only ever join the end of either, with two exceptions: a turn's end moves the front of
the inbox to the history, and continue-as-new begins a new history. So between turns only new inbox rows are
written, and at a turn's end the new history rows and the whole inbox, which is short then. What belongs together
is one transaction: a parent is never without the child it asked for, a child's end never without its parent's news.

The file is held exclusively: a second host on it is refused. With `synchronous=NORMAL` everything committed
survives a killed process; a power cut may lose the last commits, but leaves the file sound.
Source: SQLite documentation, "Write-Ahead Logging" and "PRAGMA synchronous".
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.testing.in_memory_backend import OrchestrationInstance

from engine.localhost.errors import HostError

PLAIN = ("name", "status", "version", "input", "output", "custom_status", "tags")
"""Fields of an instance that JSON holds as they are."""
TIMES = ("created_at", "last_updated_at", "completed_at")

SCHEMA = """
PRAGMA locking_mode=EXCLUSIVE;
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS instance(id TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event(
    instance TEXT, place INTEGER, seq INTEGER, data BLOB NOT NULL, PRIMARY KEY(instance, place, seq)
) WITHOUT ROWID;
"""


class Place(IntEnum):
    """Where an instance's event is."""

    HISTORY = 0
    INBOX = 1


@dataclass(frozen=True, slots=True)
class Written:
    """What the file holds of an instance: of which object, up to which turn, and how many events where."""

    instance: OrchestrationInstance
    turn: int
    first: pb.HistoryEvent | None
    history: int
    inbox: int


def inbox(instance: OrchestrationInstance) -> list[pb.HistoryEvent]:
    """Events that arrived and are in no finished turn, oldest first.

    The mark that begins the turn under way is left out: a turn that is run again gets a new one. The very first
    turn's mark arrived with the start, and stays.
    """
    dispatched = instance.dispatched_events
    if instance.history and dispatched and dispatched[0].HasField("orchestratorStarted"):
        dispatched = dispatched[1:]
    return [*dispatched, *instance.pending_events]


class Journal:
    """The file. Not for several threads at once: the backend's lock guards it."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, made if there is none; None keeps it all in memory. Raises HostError."""
        self._written: dict[str, Written] = {}
        self._file = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None, timeout=0)
        try:
            self._file.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise HostError(f"state file {path} cannot be used: {error}") from error

    def read(self) -> list[OrchestrationInstance]:
        """Every instance, waiting events in `pending_events`."""
        rows = self._file.execute("SELECT id, data FROM instance ORDER BY id").fetchall()
        instances = [self._read_instance(instance_id, json.loads(data)) for instance_id, data in rows]
        for instance in instances:
            self._note(instance)
        return instances

    def write(self, changed: Iterable[OrchestrationInstance], gone: Iterable[str]) -> None:
        """Put what changed and drop what is gone, all or nothing. Raises sqlite3.Error."""
        self._file.execute("BEGIN")
        try:
            for instance_id in gone:
                self._erase(instance_id)
            for instance in changed:
                self._put(instance)
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._file.execute("COMMIT")

    def close(self) -> None:
        """Close the file; nothing is written after."""
        self._file.close()

    def _put(self, instance: OrchestrationInstance) -> None:
        written = self._written.get(instance.instance_id)
        if written is None or written.instance is not instance:
            self._erase(instance.instance_id)
            self._put_turn(instance, 0)
        elif written.turn != instance.completion_token:
            self._put_turn(instance, self._kept_history(instance, written))
        else:
            self._append(instance.instance_id, Place.INBOX, events=inbox(instance), start=written.inbox)
        self._note(instance)

    def _put_turn(self, instance: OrchestrationInstance, kept: int) -> None:
        self._file.execute("INSERT OR REPLACE INTO instance VALUES(?, ?)", (instance.instance_id, _to_json(instance)))
        self._append(instance.instance_id, Place.HISTORY, events=instance.history, start=kept)
        self._clear(instance.instance_id, Place.INBOX)
        self._append(instance.instance_id, Place.INBOX, events=inbox(instance), start=0)

    def _kept_history(self, instance: OrchestrationInstance, written: Written) -> int:
        """How many events of the written history still stand: none of them after continue-as-new."""
        if written.first is None or (instance.history and instance.history[0] is written.first):
            return written.history
        self._clear(instance.instance_id, Place.HISTORY)
        return 0

    def _append(self, instance_id: str, place: Place, *, events: Sequence[pb.HistoryEvent], start: int) -> None:
        rows = [(instance_id, place, seq, events[seq].SerializeToString()) for seq in range(start, len(events))]
        self._file.executemany("INSERT INTO event VALUES(?, ?, ?, ?)", rows)

    def _clear(self, instance_id: str, place: Place) -> None:
        self._file.execute("DELETE FROM event WHERE instance = ? AND place = ?", (instance_id, place))

    def _erase(self, instance_id: str) -> None:
        self._file.execute("DELETE FROM instance WHERE id = ?", (instance_id,))
        self._file.execute("DELETE FROM event WHERE instance = ?", (instance_id,))
        self._written.pop(instance_id, None)

    def _note(self, instance: OrchestrationInstance) -> None:
        first = instance.history[0] if instance.history else None
        waiting = len(inbox(instance))
        self._written[instance.instance_id] = Written(
            instance, instance.completion_token, first=first, history=len(instance.history), inbox=waiting
        )

    def _read_instance(self, instance_id: str, data: dict[str, Any]) -> OrchestrationInstance:
        fields = {name: data[name] for name in PLAIN}
        fields |= {name: datetime.fromisoformat(data[name]) if data[name] else None for name in TIMES}
        if data["failure"]:
            fields["failure_details"] = pb.TaskFailureDetails.FromString(bytes.fromhex(data["failure"]))
        history = self._read_events(instance_id, Place.HISTORY)
        waiting = self._read_events(instance_id, Place.INBOX)
        return OrchestrationInstance(instance_id, **fields, history=history, pending_events=waiting)

    def _read_events(self, instance_id: str, place: Place) -> list[pb.HistoryEvent]:
        query = "SELECT data FROM event WHERE instance = ? AND place = ? ORDER BY seq"
        return [pb.HistoryEvent.FromString(data) for (data,) in self._file.execute(query, (instance_id, place))]


def _to_json(instance: OrchestrationInstance) -> str:
    times = {name: getattr(instance, name) for name in TIMES}
    failure = instance.failure_details
    data = {name: getattr(instance, name) for name in PLAIN}
    data |= {name: when.isoformat() if when else None for name, when in times.items()}
    return json.dumps(data | {"failure": failure.SerializeToString().hex() if failure else None})
