"""Bytes for the ingestion endpoint: an answer, and lines that are JSON; nothing raised.

Run by pytest with a small budget (`test_fuzz_ingestion.py` collects it); more with FUZZ_EXAMPLES.
"""

import gzip
import json

from fuzz.fuzz_wire import BUDGET, mutated, only
from hypothesis import given
from hypothesis import strategies as st

from doubles.envelopes import event, line, metric, span
from engine.emulator.ingestion import take
from engine.emulator.outage import parse_spells
from engine.errors import SpecError
from engine.protocol.envelope import read_envelope

ITEMS = [event("loadtest.run"), metric("loadtest.operations"), span("hub.connect"), line("x")]
ARRAY = json.dumps(ITEMS).encode()
LINES = b"\n".join(json.dumps(item).encode() for item in ITEMS)
DEEP = b'[{"a":' + b"[" * 900 + b"1e999" + b"]" * 900 + b"}]"
ORDER = b'[{"status": 429, "retryAfter": 2, "times": 5}, {"hang_s": 30, "keep": true}, {"close": true}]'


@BUDGET
@given(
    mutated(ARRAY) | mutated(LINES) | mutated(DEEP) | mutated(gzip.compress(ARRAY)) | st.binary(max_size=200),
    st.sampled_from(["", "gzip", "br"]),
)
def test_bodies(body: bytes, encoding: str) -> None:
    """Every item is taken or refused, and what is taken reads the same again."""
    receipt = take(body, encoding)
    assert receipt.status in (200, 206, 400)
    assert receipt.received == len(receipt.items) + len(receipt.refusals) > 0
    for item in receipt.items:
        assert read_envelope(json.loads(item.text)) == item.envelope
    json.dumps(receipt.document(), allow_nan=False)


@BUDGET
@given(mutated(ORDER) | st.binary(max_size=200))
def test_orders(body: bytes) -> None:
    """Spells, or what is wrong with the order."""
    only(SpecError, lambda: parse_spells(body))
