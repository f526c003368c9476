"""Bad times of the ingestion endpoint, to order: what becomes of the next requests.

As JSON, a list. Each entry says what happens, and for how long:

    {"status": 429, "retryAfter": 2, "times": 5}      five requests are answered with 429; retryAfter is seconds, if any
    {"status": 500, "for_s": 20}                      so are all for 20 s, from the first that meets this
    {"hang_s": 30}                                    one request gets no answer; after 30 s its connection ends
    {"close": true}                                   its connection ends at once
    {"status": 206, "itemStatus": 429}                every second item, the first one too, is refused with 429
    {"status": 200, "hang_s": 3}                      answered as usual, but late

`"keep": true` keeps the items though they are answered like that: the answer was lost, and they may come again.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.errors import Problem, RemoteProtocolError, SpecError
from engine.protocol.body import read_json

MAX_ENTRIES: Final = 1000
ITEM_STATUS: Final = 429
_STATUSES: Final = frozenset({200, 206, *range(400, 600)})
_WHOLE: Final[Mapping[str, range]] = {
    "retryAfter": range(86_401),
    "times": range(1, 1_000_001),
    "itemStatus": range(400, 600),
}
_SECONDS: Final[Mapping[str, float]] = {"hang_s": 3600.0, "for_s": 86_400.0}
_FLAGS: Final = frozenset({"close", "keep"})
_KEYS: Final = ("status", *_WHOLE, *_SECONDS, *sorted(_FLAGS))


@dataclass(frozen=True, slots=True)
class Trouble:
    """What becomes of a request: after wait_s it is answered with status, or gets no answer where that is 0.

    200 is the usual answer; of a 206 every second item is refused with item_status. retry_after_s goes into the header
    of that name, None for no header. keeps: its items are kept whatever the answer says.
    """

    status: int = 0
    retry_after_s: int | None = None
    wait_s: float = 0.0
    item_status: int = ITEM_STATUS
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class Spell:
    """A trouble and how long it lasts: for so many requests, or where for_s is set for so long from the first."""

    trouble: Trouble
    times: int = 1
    for_s: float | None = None
    until: float | None = None


class Outage:
    """The troubles that are still to come."""

    def __init__(self) -> None:
        self._spells: deque[Spell] = deque()

    def order(self, spells: Sequence[Spell]) -> None:
        """These come next, and nothing of what was ordered before."""
        self._spells = deque(spells)

    def left(self) -> int:
        """How many spells are not over; one that ends by time is over when a request finds it so."""
        return len(self._spells)

    def next(self, now: float) -> Trouble | None:
        """What becomes of a request at now, None for nothing out of the ordinary."""
        while self._spells:
            spell = self._spells.popleft()
            if spell.for_s is None:
                if spell.times > 1:
                    self._spells.appendleft(replace(spell, times=spell.times - 1))
                return spell.trouble
            until = now + spell.for_s if spell.until is None else spell.until
            if now < until:
                self._spells.appendleft(replace(spell, until=until))
                return spell.trouble
        return None


def parse_spells(body: bytes) -> list[Spell]:
    """Spells from JSON. Raises SpecError with every problem."""
    try:
        document = read_json(body)
    except RemoteProtocolError as error:
        raise SpecError([Problem("", "the order is not JSON")]) from error
    if not isinstance(document, list) or len(document) > MAX_ENTRIES:
        raise SpecError([Problem("", "the order is not a list", f"at most {MAX_ENTRIES} entries")])
    problems = [problem for at, entry in enumerate(document) for problem in _problems(f"/{at}", entry)]
    if problems:
        raise SpecError(problems)
    return [_spell(entry) for entry in document]


def _spell(entry: Mapping[str, Any]) -> Spell:
    trouble = Trouble(
        status=entry.get("status", 0),
        retry_after_s=entry.get("retryAfter"),
        wait_s=float(entry.get("hang_s", 0.0)),
        item_status=entry.get("itemStatus", ITEM_STATUS),
        keeps=entry.get("keep", False),
    )
    for_s = entry.get("for_s")
    return Spell(trouble, entry.get("times", 1), None if for_s is None else float(for_s))


def _problems(path: str, entry: object) -> Iterator[Problem]:
    if not isinstance(entry, dict):
        yield Problem(path, "not a JSON object")
        return
    for key, value in entry.items():
        if allowed := _allowed(key, value):
            yield Problem(f"{path}/{key}", "not what it can be" if key in _KEYS else "unknown field", allowed)
    if not entry.keys() & {"status", "hang_s", "close"}:
        yield Problem(path, "it says nothing that could happen", "status, hang_s or close")
    if entry.get("close") and entry.keys() & {"status", "hang_s"}:
        yield Problem(f"{path}/close", "a connection that ends at once brings no answer", "without status and hang_s")
    if "times" in entry and "for_s" in entry:
        yield Problem(f"{path}/times", "it lasts for requests or for seconds", "times or for_s")


def _allowed(key: str, value: object) -> str:
    """What would have been right, "" where the value is."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match key:
        case "status":
            return "" if is_number and value in _STATUSES else "200, 206, 400 to 599"
        case _ if key in _WHOLE:
            span = _WHOLE[key]
            return "" if isinstance(value, int) and is_number and value in span else f"{span[0]} to {span[-1]}"
        case _ if key in _SECONDS:
            most = _SECONDS[key]
            return "" if isinstance(value, int | float) and is_number and 0 <= value <= most else f"0 to {most:g}"
        case _ if key in _FLAGS:
            return "" if isinstance(value, bool) else "true or false"
        case _:
            return ", ".join(_KEYS)
