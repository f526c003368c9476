"""Numbers of the services as outcomes."""

import pytest

from engine.errors import Outcome
from engine.protocol.status import outcome_of_connack, outcome_of_status


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.OK),
        (204, Outcome.OK),
        (400, Outcome.BAD_REQUEST),
        (401, Outcome.UNAUTHORIZED),
        (403, Outcome.UNAUTHORIZED),
        (404, Outcome.NOT_FOUND),
        (405, Outcome.BAD_REQUEST),
        (409, Outcome.CONFLICT),
        (412, Outcome.PRECONDITION),
        (429, Outcome.THROTTLED),
        (500, Outcome.SERVER),
        (503, Outcome.SERVER),
        (302, Outcome.PROTOCOL),
        (101, Outcome.PROTOCOL),
        (600, Outcome.PROTOCOL),
    ],
)
def test_outcome_of_status_follows_the_error_classes(status: int, outcome: Outcome) -> None:
    """Each class of the services has one outcome, and no class of theirs has none."""
    assert outcome_of_status(status) is outcome


def test_outcome_of_connack_follows_the_standard() -> None:
    """The six codes of MQTT 3.1.1, and a reserved one."""
    assert [outcome_of_connack(code) for code in range(7)] == [
        Outcome.OK,
        Outcome.BAD_REQUEST,
        Outcome.BAD_REQUEST,
        Outcome.SERVER,
        Outcome.UNAUTHORIZED,
        Outcome.UNAUTHORIZED,
        Outcome.PROTOCOL,
    ]
