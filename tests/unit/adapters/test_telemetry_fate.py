"""What an answer means for the items of a request."""

import json
from typing import Any

import pytest

from engine.adapters.telemetry.fate import RETRY_AFTER_MOST_S, Answer, Fate, fate_of, seconds

NOW = 1_700_000_000.0


def fate(status: int, **more: Any) -> Fate:
    """What becomes of three items."""
    return fate_of(Answer(status, **more), 3, now=NOW)


def partial(**body: Any) -> Fate:
    """The same after a 206 with this body."""
    return fate(206, body=json.dumps(body).encode())


def test_taken_items_are_sent() -> None:
    """All of them, whatever else the answer says."""
    assert fate(200) == Fate(sent=3)


@pytest.mark.parametrize("status", [0, 401, 403, 408, 429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again(status: int) -> None:
    """No answer at all, a refused token, a full or broken service."""
    assert fate(status) == Fate(again=(0, 1, 2))


@pytest.mark.parametrize("status", [204, 307, 308, 400, 402, 404, 413, 439, 501])
def test_lasting_trouble_loses_the_items(status: int) -> None:
    """They would be refused again; a daily quota lasts for a day."""
    assert fate(status) == Fate()


def test_request_that_was_never_made_loses_its_items() -> None:
    """They cannot be put into one."""
    assert fate_of(None, 3, now=NOW) == Fate()


def test_service_says_how_long_it_wants_to_be_left_alone() -> None:
    """With whatever status."""
    assert fate(429, retry_after="7") == Fate(again=(0, 1, 2), wait_s=7.0)


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("", None),
        ("soon", None),
        ("-1", None),
        ("0", 0.0),
        (" 12 ", 12.0),
        ("99999999999", RETRY_AFTER_MOST_S),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:13:30 -0000", 10.0),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
        ("Wed, 14 Nov 2029 22:13:00 GMT", RETRY_AFTER_MOST_S),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, wait_s: float | None) -> None:
    """Never longer than a run can wait, and nothing where it cannot be read."""
    assert seconds(text, now=NOW) == wait_s


def test_partly_taken_items_have_fates_of_their_own() -> None:
    """Those with a passing trouble go again, the others are lost."""
    errors = [{"index": 0, "statusCode": 400}, {"index": 2, "statusCode": 429}]
    assert partial(itemsAccepted=1, errors=errors) == Fate(sent=1, again=(2,))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"itemsAccepted": 3, "errors": []}, Fate(sent=3)),
        ({"itemsAccepted": 9, "errors": [{"index": 1, "statusCode": 503}]}, Fate(sent=2, again=(1,))),
        ({"itemsAccepted": -1, "errors": [{"index": 1, "statusCode": 503}] * 2}, Fate(again=(1,))),
        ({"itemsAccepted": 2, "errors": [{"index": 3, "statusCode": 503}, {"index": -1, "statusCode": 503}]}, Fate(2)),
        ({"itemsAccepted": 2, "errors": [{"statusCode": 503}, "what", None]}, Fate(2)),
        ({"itemsAccepted": "2", "errors": []}, Fate()),
        ({"itemsAccepted": 2}, Fate()),
    ],
)
def test_answer_that_does_not_add_up_counts_nothing_twice(body: dict[str, Any], expected: Fate) -> None:
    """No item is both sent and tried again, and none is sent that there is not."""
    assert partial(**body) == expected


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b"\xff"])
def test_unreadable_answer_of_a_part_loses_the_items(body: bytes) -> None:
    """Nobody knows which were taken: none is called sent."""
    assert fate(206, body=body) == Fate()
