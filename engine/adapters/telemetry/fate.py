"""What an answer of the ingestion endpoint means for the items of a request. Plain values.

Source: azure-monitor-opentelemetry-exporter 1.0.0b58, _constants.py: what it keeps for another try, and what it gives
up. That a token is refused (401, 403) is among the first: a role that was just given takes minutes to be known.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

TRY_AGAIN: Final = frozenset({401, 403, 408, 429, 500, 502, 503, 504})

RETRY_AFTER_MOST_S: Final = 60.0
"""However long the service asks to wait: a run is seldom longer than some such waits."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a request: status 0 means that nothing did, and why then says what kept it."""

    status: int
    retry_after: str = ""
    body: bytes = b""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Fate:
    """Of a parcel's signals so many were taken, and these are to be tried again: places in it, ascending. The others
    are lost. wait_s is how long the service wants to be left alone, None where it does not say.
    """

    sent: int = 0
    again: tuple[int, ...] = ()
    wait_s: float | None = None


def fate_of(answer: Answer | None, count: int, *, now: float) -> Fate:
    """What became of a request with count items; without an answer it was never made, because they cannot be sent.

    now is unix seconds.
    """
    if answer is None:
        return Fate()
    if answer.status == 0 or answer.status in TRY_AGAIN:
        return Fate(again=tuple(range(count)), wait_s=seconds(answer.retry_after, now=now))
    if answer.status == HTTPStatus.OK:
        return Fate(sent=count)
    if answer.status == HTTPStatus.PARTIAL_CONTENT:
        return _some(answer, count, now=now)
    return Fate()


def seconds(retry_after: str, *, now: float) -> float | None:
    """A Retry-After in seconds, at most RETRY_AFTER_MOST_S; None where there is none, or none that can be read.

    Source: RFC 9110, section 10.2.3: a number of seconds, or a date.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_MOST_S)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    left_s = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.fromtimestamp(now, UTC)
    return min(max(0.0, left_s.total_seconds()), RETRY_AFTER_MOST_S)


def _some(answer: Answer, count: int, *, now: float) -> Fate:
    """Some items were taken: the others are named, each with its own status.

    Source: azure-monitor-opentelemetry-exporter, TrackResponse and TelemetryErrorDetails.
    """
    try:
        body = json.loads(answer.body)
    except ValueError:
        return Fate()
    errors = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(errors, list):
        return Fate()
    again = tuple(sorted({error["index"] for error in errors if _may_go_again(error, count)}))
    accepted = body.get("itemsAccepted")
    sent = min(max(0, accepted), count - len(again)) if isinstance(accepted, int) else 0
    return Fate(sent, again, seconds(answer.retry_after, now=now))


def _may_go_again(error: Any, count: int) -> bool:
    if not isinstance(error, Mapping) or error.get("statusCode") not in TRY_AGAIN:
        return False
    place = error.get("index")
    return isinstance(place, int) and 0 <= place < count
