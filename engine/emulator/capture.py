"""The ingestion endpoint on this machine: it keeps what Application Insights would get, and misbehaves to order.

Theory of operation. Items that are accepted are appended to a file, one JSON text a line, written and flushed before
the answer; the file begins empty. When it is full, everything is answered with 402, as by a resource that is over its
daily cap, and an exporter counts that as dropped: nothing is lost in silence. Any instrumentation key is good, an
Authorization header is not looked at, and how old items are is not either.
Source: azure-monitor-opentelemetry-exporter 1.0.0b58, _constants.py (402: quota, not sent again).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from engine.emulator.ingestion import Receipt, take
from engine.emulator.outage import Outage, Trouble, parse_spells
from engine.errors import SpecError

MAX_FILE_BYTES: Final = 256 * 1024 * 1024
"""Some hundred thousand items of one or two kilobytes."""

FULL: Final = 402
BROKEN: Final = 500
NO_ANSWER: Final = "none"
ORDERED: Final = "refused by order"

type Answer = tuple[int, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request gets after wait_s: status 0 is no answer, and the end of the connection."""

    status: int
    document: Mapping[str, object]
    retry_after_s: int | None = None
    wait_s: float = 0.0


class Keep:
    """A file of lines, made empty, of at most limit_bytes. Raises OSError when it cannot be written."""

    def __init__(self, path: Path, limit_bytes: int = MAX_FILE_BYTES) -> None:
        self._file = path.open("wb", buffering=0)
        self._limit_bytes = limit_bytes
        self.size_bytes = 0

    def fits(self, lines: Sequence[bytes]) -> bool:
        """Whether there is room for these."""
        return self.size_bytes + sum(len(line) + 1 for line in lines) <= self._limit_bytes

    def add(self, lines: Sequence[bytes]) -> None:
        """Write all of them or none. Raises OSError."""
        data = b"".join(line + b"\n" for line in lines)
        written = self._file.write(data)
        if written != len(data):
            with suppress(OSError):
                self._file.truncate(self.size_bytes)
                self._file.seek(self.size_bytes)
            raise OSError(f"{written} of {len(data)} bytes were written")
        self.size_bytes += len(data)

    def close(self) -> None:
        """Write no more."""
        self._file.close()


class Capture:
    """What becomes of requests, counted; safe to call from several threads. clock gives seconds that never go back."""

    def __init__(self, keep: Keep, clock: Callable[[], float]) -> None:
        self._keep, self._clock = keep, clock
        self._lock = Lock()
        self._outage = Outage()
        self._requests = self._received = self._accepted = self._kept = 0
        self._answers: dict[str, int] = {}
        self._tables: dict[str, dict[str, int]] = {}

    def track(self, body: bytes, encoding: str) -> Reply:
        """What a body with that content encoding gets; whatever is to be kept of it is."""
        receipt = take(body, encoding)
        with self._lock:
            trouble = self._outage.next(self._clock()) or Trouble(status=200)
            told = _told(receipt, trouble)
            told = self._store(receipt if trouble.keeps else told, told)
            reply = _reply(told, trouble)
            self._count(told, reply)
        return reply

    def control(self, method: str, path: str, body: bytes) -> Answer:
        """Status and JSON body: GET /healthz, GET /stats, POST /script with what `parse_spells` reads."""
        match method, path:
            case "GET", "/healthz":
                return 200, {"status": "ok"}
            case "GET", "/stats":
                return 200, self.stats()
            case "POST", "/script":
                return self._order(body)
            case _:
                return 404, {"code": "not-found", "message": f"no {method} {path}", "errors": []}

    def stats(self) -> dict[str, object]:
        """What happened so far. Items are accepted when the answer said so, and kept when they are in the file."""
        with self._lock:
            return {
                "requests": self._requests,
                "answers": dict(self._answers),
                "items": {"received": self._received, "accepted": self._accepted, "kept": self._kept},
                "keptBytes": self._keep.size_bytes,
                "tables": {table: dict(names) for table, names in self._tables.items()},
                "scripted": self._outage.left(),
            }

    def _order(self, body: bytes) -> Answer:
        try:
            spells = parse_spells(body)
        except SpecError as error:
            problems = [{"path": p.path, "message": p.message, "allowed": p.allowed} for p in error.problems]
            return 400, {"code": error.code, "message": str(error), "errors": problems}
        with self._lock:
            self._outage.order(spells)
        return 200, {"scripted": len(spells)}

    def _store(self, wanted: Receipt, told: Receipt) -> Receipt:
        """What can be told, now that what is wanted was kept, or could not be."""
        lines = [item.text for item in wanted.items]
        if not self._keep.fits(lines):
            return told.refuse(FULL, "the file is full")
        try:
            self._keep.add(lines)
        except OSError:
            return told.refuse(BROKEN, "the file cannot be written")
        self._kept += len(lines)
        for item in wanted.items:
            names = self._tables.setdefault(item.envelope.table, {})
            names[item.envelope.name] = names.get(item.envelope.name, 0) + 1
        return told

    def _count(self, told: Receipt, reply: Reply) -> None:
        self._requests += 1
        self._received += told.received
        self._accepted += len(told.items)
        answer = str(reply.status) if reply.status else NO_ANSWER
        self._answers[answer] = self._answers.get(answer, 0) + 1


def _told(receipt: Receipt, trouble: Trouble) -> Receipt:
    """What an exporter learns of its items: nothing of any, where it gets no answer."""
    match trouble.status:
        case 200:
            return receipt
        case 206:
            return receipt.refuse(trouble.item_status, ORDERED, every=2)
        case status:
            return receipt.refuse(status, ORDERED)


def _reply(told: Receipt, trouble: Trouble) -> Reply:
    status = told.status if trouble.status == 200 else trouble.status
    return Reply(status, told.document(), trouble.retry_after_s, trouble.wait_s)
