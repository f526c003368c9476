"""Topics with a query."""

import pytest

from engine.errors import LocalProtocolError, RemoteProtocolError
from engine.protocol import topic

PREFIX = "$dps/registrations/res/"


def test_parse_response_reads_status_rid_and_the_rest() -> None:
    """The three parts of an answer's topic come out separately."""
    head = topic.parse_response(f"{PREFIX}202/?$rid=1&retry-after=3", PREFIX)
    assert (head.status, head.rid, dict(head.extra)) == (202, "1", {"retry-after": "3"})


def test_parse_response_takes_keys_in_any_order() -> None:
    """An answer whose `$rid` comes last is understood, as the SDK for C does."""
    assert topic.parse_response(f"{PREFIX}202/?retry-after=3&$rid=abc", PREFIX).rid == "abc"


@pytest.mark.parametrize(
    "name",
    [
        "",
        PREFIX,
        f"{PREFIX}202/",
        f"{PREFIX}202/?",
        f"{PREFIX}20/?$rid=1",
        f"{PREFIX}2020/?$rid=1",
        f"{PREFIX}abc/?$rid=1",
        f"{PREFIX}٢٠٢/?$rid=1",
        f"{PREFIX}199/?$rid=1",
        f"{PREFIX}202?$rid=1",
        f"{PREFIX}202/1",
        f"{PREFIX}202/?retry-after=3",
        f"{PREFIX}202/?$rid=",
        f"{PREFIX}202/?$rid=1&$rid=2",
        f"{PREFIX}202/?$rid=1&&a=b",
        f"{PREFIX}202/?$rid=a b",
        f"{PREFIX}202/?$rid={'a' * 129}",
        "$iothub/credentials/res/202/?$rid=1",
    ],
)
def test_parse_response_refuses_other_topics(name: str) -> None:
    """What the service would not send is the peer's mistake."""
    with pytest.raises(RemoteProtocolError):
        topic.parse_response(name, PREFIX)


def test_parse_query_decodes_keys_and_values() -> None:
    """Percent signs are resolved on both sides of the `=`, and a bare key has no value."""
    assert topic.parse_query("%24.mid=a%20b&flag&empty=") == {"$.mid": "a b", "flag": "", "empty": ""}


def test_check_rid_refuses_what_needs_escaping() -> None:
    """An id that could break a topic never gets into one."""
    assert topic.check_rid("a-1") == "a-1"
    with pytest.raises(LocalProtocolError):
        topic.check_rid("a&b")


def test_parse_seconds_reads_plain_numbers_only() -> None:
    """A delay is a decimal number, and neither infinite nor negative."""
    assert topic.parse_seconds(None) is None
    assert topic.parse_seconds("3") == 3.0
    assert topic.parse_seconds("0.5") == 0.5
    for text in ("", "-1", "inf", "nan", "1e9", "3s", "1234567890"):
        with pytest.raises(RemoteProtocolError):
            topic.parse_seconds(text)
