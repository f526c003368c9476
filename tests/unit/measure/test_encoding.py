import json
import zlib

import pytest

from engine.measure.encoding import NotATally, decode, encode, text, whole


def _compressed(document: object) -> bytes:
    return zlib.compress(json.dumps(document).encode())


def test_encode_is_read_back() -> None:
    """What was encoded reaches the reader."""
    assert decode(encode({"a": [1, "é"]}), lambda document: document["a"]) == [1, "é"]


def test_encode_does_not_depend_on_the_order_of_keys() -> None:
    """Equal documents give equal bytes."""
    assert encode({"a": 1, "b": 2}) == encode({"b": 2, "a": 1})


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"garbage",
        zlib.compress(b"not json"),
        zlib.compress(b"\xff\xfe"),
        _compressed([1]),
        _compressed({"a": 1}),
        _compressed({"a": 1, "version": 2}),
        _compressed({"version": 1}),
        zlib.compress(b"[" * 100_000),
        encode({"a": 1})[:-3],
    ],
    ids=["empty", "not-zlib", "not-json", "not-text", "list", "no-version", "version", "no-key", "deep", "cut"],
)
def test_decode_refuses_what_is_no_encoding(encoded: bytes) -> None:
    """Whatever is wrong with the bytes, the answer is one documented error."""
    with pytest.raises(NotATally):
        decode(encoded, lambda document: document["a"])


def test_decode_keeps_the_readers_own_refusal() -> None:
    """A reader that says what is wrong is not talked over."""
    with pytest.raises(NotATally, match="not whole"):
        decode(encode({"a": 0.5}), lambda document: whole(document["a"]))


@pytest.mark.parametrize("number", [0, -1, True, 1.0, "1", None])
def test_whole_refuses_other_numbers(number: object) -> None:
    """Only an integer of at least the least is a whole number."""
    with pytest.raises(NotATally):
        whole(number)


def test_whole_and_text_give_what_they_accept() -> None:
    """What is right comes back unchanged."""
    assert (whole(0, least=0), text("")) == (0, "")


def test_text_refuses_other_values() -> None:
    """A number is no text."""
    with pytest.raises(NotATally):
        text(1)
