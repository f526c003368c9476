"""Bytes in, only documented errors out: the codec, the parsers of both ends, and the whole emulator.

Run by pytest with a small budget (`test_fuzz_wire.py` collects it); more with FUZZ_EXAMPLES.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.emulator.faults import parse_faults
from engine.emulator.mqtt import Decoder, decode
from engine.emulator.throttle import parse_quotas
from engine.errors import LocalProtocolError, RemoteProtocolError, SpecError
from engine.protocol import credentials, dps, hub, issuing, sas, x509

BUDGET = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
KEY = x509.generate_key(x509.KeyType.EC_P256)
CSR = x509.build_csr(KEY, "d-1")

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    [
        *("status", "operationId", "registrationState", "assignedHub", "deviceId", "issuedCertificateChain"),
        *("errorCode", "message", "retryAfter", "info", "requestId", "correlationId", "operationExpires"),
        *("certificates", "id", "csr", "replace", "registrationId", "payload"),
    ]
)


def as_bytes(value: object) -> bytes:
    return json.dumps(value).encode()


PAYLOADS = st.binary(max_size=100) | st.dictionaries(FIELDS, JSONS, max_size=6).map(as_bytes) | JSONS.map(as_bytes)
TOPICS = st.text(max_size=60) | st.builds(
    lambda prefix, status, query: f"{prefix}{status}/?{query}",
    st.sampled_from(["$dps/registrations/res/", "$iothub/credentials/res/", "$iothub/twin/res/", ""]),
    st.integers(0, 1000),
    st.text("$rid=1&-ay", max_size=20),
)


def mutated(data: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with a few of them changed."""

    def change(changes: list[tuple[int, int]]) -> bytes:
        out = bytearray(data)
        for at, value in changes:
            out[at % len(out)] = value
        return bytes(out)

    return st.lists(st.tuples(st.integers(0, len(data)), st.integers(0, 255)), min_size=1, max_size=4).map(change)


def only(errors: type[Exception], call: Callable[[], object]) -> None:
    """Run it; nothing but these errors may come out."""
    with suppress(errors):
        call()


@BUDGET
@given(st.binary(max_size=200), st.integers(1, 50))
def test_codec(data: bytes, size: int) -> None:
    """Bytes in pieces are packets, or the peer's mistake."""
    decoder = Decoder()
    only(RemoteProtocolError, lambda: [decoder.feed(data[at : at + size]) for at in range(0, len(data), size)])


@BUDGET
@given(st.integers(0, 255), st.binary(max_size=100))
def test_packets(first: int, body: bytes) -> None:
    """A frame of any type with any body is a packet, or the peer's mistake."""
    only(RemoteProtocolError, lambda: decode(first, body))


@BUDGET
@given(TOPICS, PAYLOADS)
def test_answers(topic: str, payload: bytes) -> None:
    """Whatever a service sends is an answer, or the service's mistake."""
    only(RemoteProtocolError, lambda: dps.parse_reply(topic, payload))
    only(RemoteProtocolError, lambda: credentials.parse_response(topic, payload))


@BUDGET
@given(st.integers(200, 599), PAYLOADS)
def test_bodies_of_answers(status: int, payload: bytes) -> None:
    """The same for topics that are right."""
    only(RemoteProtocolError, lambda: dps.parse_reply(f"$dps/registrations/res/{status}/?$rid=1", payload))
    only(RemoteProtocolError, lambda: credentials.parse_response(f"$iothub/credentials/res/{status}/?$rid=a", payload))


@BUDGET
@given(TOPICS, PAYLOADS)
def test_requests(topic: str, payload: bytes) -> None:
    """Whatever a device publishes is a request, or the device's mistake."""
    only(RemoteProtocolError, lambda: dps.parse_request(topic, payload))
    only(RemoteProtocolError, lambda: hub.parse_request(topic, "d-1"))
    only(RemoteProtocolError, lambda: credentials.parse_request_topic(topic))
    assert credentials.parse_request(payload, "d-1") is not None


@BUDGET
@given(st.text(max_size=100))
def test_logins(text: str) -> None:
    """Any text is a user name of one service at most, and no token."""
    assert dps.parse_username(text) is None or hub.parse_username(text) is None
    assert sas.verify(text, [b"k"], resource="r", now=0) is not None


@BUDGET
@given(mutated(CSR))
def test_certificate_requests(der: bytes) -> None:
    """A changed request is a request that is signed, or the device's mistake."""
    only(RemoteProtocolError, lambda: issuing.read_csr(der))


ROOT = issuing.new_root(x509.KeyType.EC_P384, "root", now=1767225600.0)
LEAF = issuing.issue_leaf(ROOT, issuing.read_csr(CSR), mark=b"m", begins=1767225600.0, ends=1767229200.0)


@BUDGET
@given(mutated(LEAF), mutated(ROOT.der))
def test_certificates(leaf: bytes, root: bytes) -> None:
    """A changed certificate is of use or not, and never a crash."""
    x509.check_chain((leaf, root), KEY, 1767225600.0)
    x509.check_signatures((leaf, root, root))
    issuing.read_leaf(leaf)
    issuing.is_issued_by(leaf, ROOT)
    only(LocalProtocolError, lambda: x509.lifetime_s((leaf,)))


@BUDGET
@given(PAYLOADS)
def test_settings(payload: bytes) -> None:
    """Faults and quotas are read, or refused with every problem."""
    text = payload.decode("utf-8", "replace")
    only(SpecError, lambda: parse_faults(text))
    only(SpecError, lambda: parse_quotas(text))
