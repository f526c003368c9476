"""Texts that look like secrets, and where they are in a document."""

import base64

import pytest

from engine.plan.secrecy import looks_secret, secret_places
from engine.protocol import issuing, sas, x509

CA = issuing.new_root(x509.KeyType.EC_P256, "ca", now=0.0)
KEY = base64.b64encode(bytes(range(64))).decode()


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"the key is {KEY}, do not tell",
        base64.b64encode(bytes(32)).decode(),
        base64.urlsafe_b64encode(b"\xff" * 41).decode(),
        f"HostName=contoso.azure-devices.net;SharedAccessKeyName=owner;SharedAccessKey={KEY}",
        "hostname=contoso;sharedaccesskey=short",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=short",
        sas.token("scope/registrations/d-0", b"key", 1, "registration"),
        "https://account.blob.core.windows.net/c?sv=2024&sig=abc%3D",
        issuing.authority_pem(CA).decode(),
        "-----BEGIN EC PRIVATE KEY-----",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    ],
)
def test_secrets_look_like_secrets(text: str):
    """Keys, connection strings, signatures, PEM and tokens, alone or among other words."""
    assert looks_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nightly renewal of the west fleet, see https://wiki.contoso.example/Fleet/West/Renewal?page=12&sign=1",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "0f4ab1c2-0000-4000-8000-00000000000f",
        "a-name-that-is-rather-long-and-has-many-words-in-it-but-is-none",
        "p(95)<=1.2*baseline",
        "design=new",
    ],
)
def test_other_texts_do_not(text: str):
    """Hashes, ids, addresses and prose may be written down."""
    assert not looks_secret(text)


def test_places_of_secrets_are_found_at_any_depth():
    """In lists and in objects; numbers and names are no texts."""
    document = {"a": KEY, "b": [1, {"c": f"x {KEY}"}, "fine"], KEY: True, "d": None}
    assert sorted(map(str, secret_places(document))) == sorted(map(str, [("a",), ("b", 1, "c")]))
