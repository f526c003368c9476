"""The bytes of a case's requests: those that `engine.protocol.credentials` builds, and those it refuses to build."""

from engine.device.conformance.case import Body, Replace, Send
from engine.protocol import credentials
from engine.protocol.body import to_base64, write_json

LONG_CSR_BYTES = 10 * 1024
"""Over the limit of 8 KB, whether that is of base64 or of what it holds. Source: csr-scenarions.md (005)."""

NO_BASE64 = "%%no base64%%"
NO_CSR = b"this is no certificate signing request"
SHORT_ID = "123"
"""An id has 4 characters at least. Source: csr-scenarions.md (010)."""

UNKNOWN_ID = "7b1e9c52-40d3-4f8a-9a66-d2c01f5e83b7"
"""Of the form of a request id, and never used for a request."""


def topic_of(send: Send, rid: str) -> str:
    """Where the request is published."""
    topic = credentials.request_topic(rid)
    return topic if send.has_id else topic.partition("?")[0]


def payload_of(send: Send, device_id: str, *, csr: bytes, before: str) -> bytes:
    """The request's payload; csr is the device's own, DER, and before the id of the request before this one."""
    fields: dict[str, object] = {"id": device_id, "csr": to_base64(csr)}
    match send.replace:
        case Replace.BEFORE:
            fields["replace"] = before
        case Replace.ANY:
            fields["replace"] = credentials.ANY
        case Replace.ILL_FORMED:
            fields["replace"] = SHORT_ID
        case Replace.UNKNOWN:
            fields["replace"] = UNKNOWN_ID
    match send.body:
        case Body.EMPTY:
            return b""
        case Body.TRUNCATED:
            return write_json({"id": device_id})[:-1] + b',"csr":'
        case Body.ARRAY:
            return write_json([device_id, to_base64(csr)])
        case Body.EMPTY_CSR:
            fields["csr"] = ""
        case Body.LONG_CSR:
            fields["csr"] = to_base64(bytes(LONG_CSR_BYTES))
        case Body.NO_BASE64:
            fields["csr"] = NO_BASE64
        case Body.NO_CSR:
            fields["csr"] = to_base64(NO_CSR)
        case Body.OTHER_ID:
            fields["id"] = f"not-{device_id}"
        case Body.EMPTY_ID:
            fields["id"] = ""
        case Body.UNKNOWN_FIELD:
            fields["unknownField"] = "value"
    return write_json(fields)
