"""Bodies for the ingestion endpoint, and what it says to them."""

import gzip
import json
import tracemalloc

import pytest

from doubles.envelopes import event, line, metric
from engine.emulator.ingestion import MAX_ITEM_BYTES, take

BAD = {"name": "no item"}


def array(*values):
    """A body that is one JSON array."""
    return json.dumps(values).encode()


def lines(*values):
    """A body with an item on each line."""
    return b"\n".join(json.dumps(value).encode() for value in values) + b"\n\n"


@pytest.mark.parametrize("body", [array, lines])
@pytest.mark.parametrize(("encoding", "pack"), [("", bytes), ("GZIP", gzip.compress), ("identity", bytes)])
def test_items_are_taken_from_arrays_and_lines_packed_or_not(body, encoding, pack):
    """All are good, and each is kept as one line that says the same."""
    values = [event("loadtest.run"), metric("loadtest.operations"), line("a\nb")]
    receipt = take(pack(body(*values)), encoding)
    assert receipt.status == 200
    assert receipt.document() == {"itemsReceived": 3, "itemsAccepted": 3, "errors": []}
    assert [json.loads(item.text) for item in receipt.items] == values
    assert not any(b"\n" in item.text for item in receipt.items)
    assert receipt.items[0].envelope.name == "loadtest.run"


@pytest.mark.parametrize("body", [array, lines])
def test_some_bad_items_are_refused_by_their_place(body):
    """The others are taken: 206."""
    receipt = take(body(BAD, event("x"), BAD), "")
    assert receipt.status == 206
    document = receipt.document()
    assert (document["itemsReceived"], document["itemsAccepted"]) == (3, 1)
    assert document["errors"][1] == {"index": 2, "statusCode": 400, "message": "field time is missing or empty"}
    assert [item.index for item in receipt.items] == [1]


def test_lines_that_are_no_json_are_refused_alone():
    """Whoever wrote the others well is not blamed."""
    receipt = take(b"{\n" + lines(event("x")), "")
    assert (receipt.status, [one.index for one in receipt.refusals], receipt.received) == (206, [0], 2)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"", ""),
        (b"[]", ""),
        (b"[1,", ""),
        (b"[NaN]", ""),
        (b"\xff", ""),
        (array(BAD, BAD), ""),
        (gzip.compress(array(event("x")))[:-9], "gzip"),
        (array(event("x")), "gzip"),
        (array(event("x")), "br"),
    ],
)
def test_nothing_that_can_be_taken_is_a_bad_request(body, encoding):
    """No JSON, half a gzip, an encoding that nobody asked for: 400, with a reason."""
    receipt = take(body, encoding)
    assert receipt.status == 400
    assert receipt.document()["itemsAccepted"] == 0
    assert receipt.refusals[0].message


def test_half_a_gzip_is_told_from_half_an_array():
    """Even where all of the text is there already."""
    body = gzip.compress(array(event("x")))[:-4]
    assert take(body, "gzip").refusals[0].message == "the body ends in the middle of its gzip"


def test_body_that_unpacks_without_end_takes_no_memory():
    """Not more than the limit, and a little besides."""
    body = gzip.compress(bytes(50_000_000), compresslevel=1)
    tracemalloc.start()
    take(body, "gzip", limit_bytes=1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_body_that_is_too_long_is_refused():
    """Packed or not."""
    many = array(*[event("x")] * 100)
    assert "more than 5000 bytes" in take(gzip.compress(many), "gzip", limit_bytes=5000).refusals[0].message
    assert "more than 5000 bytes" in take(many, "", limit_bytes=5000).refusals[0].message


def test_item_that_is_too_long_is_refused():
    """The service takes none over 64 KiB."""
    receipt = take(array(event("x", text="y" * MAX_ITEM_BYTES), event("x")), "")
    assert (receipt.status, receipt.refusals[0].index) == (206, 0)
    assert "at most 65536 are taken" in receipt.refusals[0].message


def test_number_that_no_json_can_hold_is_refused():
    """It would come out of the file as something that is no JSON."""
    body = array(event("x")).replace(b'"count": 3.0', b'"count": 1e999')
    assert take(body, "").refusals[0].message == "the item cannot be written as JSON again"


def test_items_are_refused_for_one_more_reason():
    """All, or each second one; what was refused before stays so, in the body's order."""
    receipt = take(array(event("a"), BAD, event("b"), event("c")), "")
    every = receipt.refuse(429, "too many")
    assert (every.status, every.items, [one.status for one in every.refusals]) == (400, (), [429, 400, 429, 429])
    half = receipt.refuse(429, "too many", every=2)
    assert [item.envelope.name for item in half.items] == ["b"]
    assert [(one.index, one.status) for one in half.refusals] == [(0, 429), (1, 400), (3, 429)]
    assert take(array(event("a")), "").refuse(402, "full").status == 402
