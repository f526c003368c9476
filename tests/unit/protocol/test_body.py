"""JSON bodies, read strictly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import LocalProtocolError, Outcome, RemoteProtocolError
from engine.protocol import body
from engine.protocol.body import Fields


@pytest.mark.parametrize(
    "payload",
    [b"", b" ", b"{", b"[]", b"null", b"1", b'"x"', b"\xff", b'{"a": NaN}', b'{"a": Infinity}', b"[" * 100_000],
)
def test_read_object_refuses_what_is_no_object(payload: bytes) -> None:
    """Anything but a JSON object is the peer's mistake, however deep or broken."""
    with pytest.raises(RemoteProtocolError):
        body.read_object(payload)


def test_fields_take_null_for_absent() -> None:
    """A field that is null reads like one that is not there."""
    fields = Fields({"a": None})
    assert fields.optional_text("a") == fields.optional_text("b") == fields.optional_code("a") == ""
    assert fields.optional_number("a") is None
    assert fields.optional_object("a").values == {}


def test_fields_read_values_of_the_right_kind() -> None:
    """Each getter gives what the field holds."""
    fields = body.read_object(b'{"t": "x", "n": 5, "c": 429001, "s": "x7", "o": {"k": 1}}')
    assert fields.text("t") == "x"
    assert fields.optional_number("n") == 5.0
    assert fields.optional_code("c") == "429001"
    assert fields.optional_code("s") == "x7"
    assert fields.optional_object("o").values == {"k": 1}


def test_fields_refuse_values_of_another_kind() -> None:
    """A wrong type, a lone surrogate, a number out of range: each is the peer's mistake."""
    for call in (
        lambda: Fields({}).text("t"),
        lambda: Fields({"t": ""}).text("t"),
        lambda: Fields({"t": 1}).text("t"),
        lambda: Fields({"t": "\ud800"}).text("t"),
        lambda: Fields({"n": "1"}).optional_number("n"),
        lambda: Fields({"n": True}).optional_number("n"),
        lambda: Fields({"n": -1}).optional_number("n"),
        lambda: Fields({"n": float("inf")}).optional_number("n"),
        lambda: Fields({"c": 1.5}).optional_code("c"),
        lambda: Fields({"c": True}).optional_code("c"),
        lambda: Fields({"c": "x" * 65}).optional_code("c"),
        lambda: Fields({"c": "\n"}).optional_code("c"),
        lambda: Fields({"o": []}).optional_object("o"),
    ):
        with pytest.raises(RemoteProtocolError):
            call()


def test_code_of_absurd_size_is_a_question_mark() -> None:
    """A number with thousands of digits cannot fill a report."""
    assert Fields({"c": 10**3000}).optional_code("c") == "?"


def test_read_failure_takes_the_outcome_from_the_status() -> None:
    """The code inside the body never decides what kind of failure it is."""
    failure = body.read_failure(429, b'{"errorCode": 400040, "message": "a\\nb", "retryAfter": 5}', 3.0)
    assert (failure.outcome, failure.code, failure.detail) == (Outcome.THROTTLED, "400040", "a b")
    assert failure.retry_after_s == 5.0


def test_read_failure_takes_an_empty_body() -> None:
    """A front end that sends only a status still tells what went wrong."""
    failure = body.read_failure(503, b"", 3.0)
    assert (failure.outcome, failure.code, failure.retry_after_s) == (Outcome.SERVER, "503", 3.0)


def test_read_chain_decodes_an_array_or_one_string() -> None:
    """Both forms give DER in the order sent."""
    assert body.read_chain(["YQ==", "Yg=="]) == (b"a", b"b")
    assert body.read_chain("YQ==") == (b"a",)
    assert body.read_chain(None) == body.read_chain([]) == ()


@pytest.mark.parametrize("value", [1, {}, [1], [None], [""], ["Y"], ["YQ==\n"], ["-----BEGIN"], ["é"], ["YQ=="] * 9])
def test_read_chain_refuses_what_is_no_chain(value: object) -> None:
    """Wrong types, armour, line breaks, too many: each is the peer's mistake."""
    with pytest.raises(RemoteProtocolError):
        body.read_chain(value)


@given(st.binary(min_size=1))
def test_base64_comes_back(data: bytes) -> None:
    """What was written is what is read."""
    assert body.from_base64(body.to_base64(data)) == data


def test_write_json_refuses_what_json_has_no_word_for() -> None:
    """A body that could not be read back is our bug, and says so."""
    for value in (float("nan"), b"x"):
        with pytest.raises(LocalProtocolError):
            body.write_json({"a": value})


def test_write_time_has_milliseconds_and_z() -> None:
    """Times look as the services write them, whole seconds included."""
    assert body.write_time(1767225600) == "2026-01-01T00:00:00.000Z"
    assert body.write_time(1767225600.25) == "2026-01-01T00:00:00.250Z"


@given(st.text())
def test_one_line_is_one_short_line(text: str) -> None:
    """Whatever a service writes, a report gets one printable line of at most 200 characters."""
    line = body.one_line(text)
    assert len(line) <= 200
    assert line == "" or line.isprintable()
