"""Bytes in, answers out and nothing raised: the emulator's web side, and the values that reach its services.

Run by pytest with a small budget (`test_fuzz_web.py` collects it); more with FUZZ_EXAMPLES.
"""

import json
from urllib.parse import quote

import h11
from fuzz.fuzz_wire import BUDGET, PAYLOADS, mutated
from hypothesis import given
from hypothesis import strategies as st

from engine.emulator.mqtt import encode
from engine.emulator.packet import Pingreq
from engine.emulator.service import Options
from engine.emulator.web import WebConnection
from engine.protocol import adr, dps, sas
from engine.protocol.http import Request
from engine.protocol.mqtt import WEBSOCKET_PATH
from unit.emulator.rig import GROUP_KEY, SCOPE, make_rig

RIG = make_rig(Options())
RID = "d-1"
TOKEN = sas.token(dps.sas_resource(SCOPE, RID), sas.derive_key(GROUP_KEY, RID), int(RIG.now) + 3600)
BEARER = f"Bearer {adr.local_token(GROUP_KEY)}"
DEVICE = adr.Namespace("s", "g", "n", "e", "https://localhost").device_url(RID)
PLACES = [DEVICE, f"https://localhost/{SCOPE}/registrations/{RID}/register?api-version=1", "https://localhost/"]

HANDSHAKE = (
    f"GET {WEBSOCKET_PATH} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: mqtt\r\n\r\n"
).encode()
FRAMES = b"\x82\x82\x00\x00\x00\x00" + encode(Pingreq()) + b"\x89\x80\x00\x00\x00\x00" + b"\x88\x80\x00\x00\x00\x00"
PUT = (
    f"PUT {DEVICE.removeprefix('https://localhost')} HTTP/1.1\r\nHost: a:1\r\nAuthorization: {BEARER}\r\n"
    "Transfer-Encoding: chunked\r\n\r\n"
).encode()
CHUNKS = b"16\r\n" + b'{"location": "eastus"}' + b"\r\n0\r\n\r\n"


def hear_and_end(web: WebConnection, data: bytes, size: int) -> None:
    """Bytes in pieces of that size, until the connection is over."""
    for at in range(0, len(data), size):
        if web.feed(data[at : at + size]).is_over:
            break
    web.frame(b"\xd0\x00")
    web.close()


@BUDGET
@given(mutated(PUT + CHUNKS + PUT + CHUNKS) | mutated(HANDSHAKE + FRAMES) | st.binary(max_size=200), st.integers(1, 99))
def test_connections(data: bytes, size: int) -> None:
    """Bytes in pieces are answered, or the end of the connection; nobody is asked after it."""
    hear_and_end(WebConnection(lambda request: RIG.call(request), lambda: None), data, size)


@BUDGET
@given(mutated(FRAMES + FRAMES), st.integers(1, 20))
def test_websockets(data: bytes, size: int) -> None:
    """The same behind a handshake that is right."""
    web = WebConnection(lambda request: RIG.call(request), lambda: None)
    web.feed(HANDSHAKE)
    assert web.is_websocket
    hear_and_end(web, data, size)


@BUDGET
@given(
    st.sampled_from(["GET", "PUT", "PATCH", "DELETE", "POST", "HEAD", "X"]),
    st.sampled_from(PLACES) | st.text(max_size=40).map(lambda text: "https://localhost/" + quote(text, safe="/?&=%")),
    st.sampled_from([TOKEN, BEARER, ""]) | st.text(st.characters(max_codepoint=255), max_size=30),
    PAYLOADS
    | st.dictionaries(st.sampled_from(["location", "properties"]), st.none() | st.just("e") | st.just({})).map(
        lambda value: json.dumps(value).encode()
    ),
)
def test_services(method: str, url: str, authorization: str, body: bytes) -> None:
    """Every request has an answer that HTTP can carry."""
    answer = RIG.call(Request(method, url, (("authorization", authorization),), body))
    h11.Response(status_code=answer.status, headers=list(answer.headers))
