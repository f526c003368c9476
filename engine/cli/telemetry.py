"""What a run on this machine has sent as telemetry, from the file that the captured ingestion keeps."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from rich.console import Group
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from engine.cli.follow import Ended
from engine.cli.words import figure, plain
from engine.errors import RemoteProtocolError
from engine.measure.signal import EventName
from engine.ports import Clock
from engine.protocol.body import read_json
from engine.protocol.envelope import Envelope, Table, read_envelope

NAME: Final = "telemetry.jsonl"
"""The document of a run that holds its items, as they were sent, a JSON text a line."""

LOOK_EVERY_S: Final = 0.2
QUIET_S: Final = 3.0
"""Exporters that have anything left send it sooner than this."""

WITHIN_S: Final = 15.0
"""As long as an exporter tries at its end."""


@dataclass(slots=True)
class Sifted:
    """The items of one run, of those that have been read so far; lines are theirs, as they are in the file."""

    run_id: str
    lines: list[bytes] = field(default_factory=list)
    is_ended: bool = False

    def take(self, line: bytes) -> None:
        """Look at one more line; a torn one is nobody's."""
        try:
            envelope = read_envelope(read_json(line))
        except RemoteProtocolError:
            return
        if envelope.run_id == self.run_id:
            self.lines.append(line)
            self.is_ended = self.is_ended or _is_end(envelope)


class Growing:
    """A file of lines that somebody else appends to."""

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._begun = path, 0, b""

    def more(self) -> list[bytes]:
        """The lines that have become whole since the last time; none while it cannot be read."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                data = file.read()
        except OSError:
            return []
        self._at += len(data)
        *lines, self._begun = (self._begun + data).split(b"\n")
        return lines


def with_telemetry(ended: Ended, file: Path | None, clock: Clock) -> Ended:
    """The run with its items among its documents, once they are there.

    None for a run without results or without telemetry of its own, and where they go elsewhere: file is None then. The
    last ones may still be on their way: they are waited for, up to WITHIN_S, until the file is quiet and either the
    run's end is told in it, or it has been quiet for QUIET_S.
    """
    if file is None or not ended.documents:
        return ended
    items = settle(file, str(ended.view.get("runId")), clock)
    return replace(ended, documents={**ended.documents, NAME: b"".join(line + b"\n" for line in items)})


def settle(file: Path, run_id: str, clock: Clock) -> list[bytes]:
    """The lines of a run's items, see `with_telemetry`."""
    sifted, growing = Sifted(run_id), Growing(file)
    now = clock.now()
    give_up, quiet_since = now + WITHIN_S, now
    while True:
        found = growing.more()
        for line in found:
            sifted.take(line)
        now = clock.now()
        quiet_since = now if found else quiet_since
        is_done = not found and (sifted.is_ended or now - quiet_since >= QUIET_S)
        if is_done or now >= give_up:
            return sifted.lines
        clock.sleep(LOOK_EVERY_S)


def counted(items: bytes) -> Mapping[Table, Counter[str]]:
    """How many items of such a document there are by table, and in it by name; in the order of the tables."""
    found: dict[Table, Counter[str]] = {table: Counter() for table in Table}
    for line in items.splitlines():
        envelope = read_envelope(read_json(line))
        found[envelope.table][envelope.name] += 1
    return {table: names for table, names in found.items() if names}


def rendered(items: bytes, kept: Path) -> Group:
    """What the items of a run come to, by table and name; kept is where they are."""
    found = counted(items)
    total = sum(names.total() for names in found.values())
    grid = Grid(box=None, padding=(0, 1), show_edge=False, show_header=False)
    grid.add_column(no_wrap=True)
    grid.add_column()
    for table, names in found.items():
        grid.add_row(Text(table), Text(", ".join(_many(name, count) for name, count in _most_first(names))))
    title = f"what Application Insights would get: {figure(total)} items, in {kept}"
    return Group(Text(title, overflow="fold"), Padding(grid, (0, 0, 0, 2)))


def _many(name: str, count: int) -> str:
    return f"{plain(name)} {figure(count)}" if name else figure(count)


def _most_first(names: Counter[str]) -> list[tuple[str, int]]:
    return sorted(names.items(), key=lambda one: (-one[1], one[0]))


def _is_end(envelope: Envelope) -> bool:
    is_run = envelope.table is Table.EVENTS and envelope.name == EventName.RUN
    return is_run and envelope.properties.get("status") == "finished"
