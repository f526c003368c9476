"""Tokens, held against a vector computed outside of this code."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.protocol import sas
from engine.protocol.sas import Refusal

GROUP_KEY = base64.b64decode("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
DEVICE_KEY = base64.b64decode("OycyYByY1ii3rpTZvjHN0Jpe7PEs3qYqTaN5QaJZg2I=")
RESOURCE = "0ne00000001/registrations/device-0001"
TOKEN = (
    "SharedAccessSignature sr=0ne00000001%2Fregistrations%2Fdevice-0001"
    "&sig=yplkvWUX1%2FvrJjNoz%2BiYhrejTOZmAjDLyTCAIHMZM64%3D&se=1767225600&skn=registration"
)


def test_derive_key_gives_the_vector() -> None:
    """The device key of the published derivation."""
    assert sas.derive_key(GROUP_KEY, "device-0001") == DEVICE_KEY


def test_token_gives_the_vector() -> None:
    """The token of the published recipe, to the byte."""
    assert sas.token(RESOURCE, DEVICE_KEY, 1767225600, sas.POLICY) == TOKEN
    assert sas.token(RESOURCE, DEVICE_KEY, 1767225600) == TOKEN.removesuffix("&skn=registration")


def test_verify_accepts_any_order_of_fields() -> None:
    """The documents write sig, se, sr, and the SDKs sr, sig, se."""
    prefix, _, fields = TOKEN.partition(" ")
    turned = f"{prefix} " + "&".join(reversed(fields.split("&")))
    assert sas.verify(turned, [b"other", DEVICE_KEY], resource=RESOURCE, now=0) is None


def test_verify_checks_the_resource_as_received() -> None:
    """Lower-case hex signs other bytes, and is right when those were signed."""
    sr = "0ne00000001%2fregistrations%2fdevice-0001"
    signature = quote(sas._sign(DEVICE_KEY, sr, "9"), safe="")
    text = f"SharedAccessSignature sr={sr}&sig={signature}&se=9"
    assert sas.verify(text, [DEVICE_KEY], resource=RESOURCE, now=0) is None


def test_verify_says_why_not() -> None:
    """Each way to be refused has its name."""
    assert sas.verify(TOKEN, [GROUP_KEY], resource=RESOURCE, now=0) is Refusal.WRONG_KEY
    assert sas.verify(TOKEN, [], resource=RESOURCE, now=0) is Refusal.WRONG_KEY
    assert sas.verify(TOKEN, [DEVICE_KEY], resource="other", now=0) is Refusal.WRONG_RESOURCE
    assert sas.verify(TOKEN, [DEVICE_KEY], resource=RESOURCE, now=1767225600) is Refusal.EXPIRED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SharedAccessSignature ",
        TOKEN.removeprefix("SharedAccessSignature "),
        TOKEN.replace("se=1767225600", "se=soon"),
        TOKEN.replace("se=1767225600", "se="),
        TOKEN.replace("&se=1767225600", ""),
        TOKEN + "&se=1",
        TOKEN.replace("sr=", "rs="),
    ],
)
def test_verify_refuses_what_is_no_token(text: str) -> None:
    """A token that lacks a field or has one twice proves nothing."""
    assert sas.verify(text, [DEVICE_KEY], resource=RESOURCE, now=0) is Refusal.MALFORMED


@given(st.text())
def test_verify_never_raises(text: str) -> None:
    """Whatever a device sends for a password, the answer is a refusal."""
    assert sas.verify(text, [DEVICE_KEY], resource=RESOURCE, now=0) is Refusal.MALFORMED
    assert sas.verify(f"SharedAccessSignature sr=a&se=1&sig={text}", [DEVICE_KEY], resource="a", now=0) is not None


@given(st.text(min_size=1), st.binary(min_size=1), st.integers(1, 10**11))
def test_tokens_verify(resource: str, key: bytes, expires_at: int) -> None:
    """A token made here is accepted here until it expires."""
    text = sas.token(resource.encode("utf-8", "replace").decode(), key, expires_at)
    assert sas.verify(text, [key], resource=resource, now=expires_at - 1) is None
