"""Telemetry of a managed identity: over TLS with its token, and never without TLS."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from integration.telemetry.ways import PATIENT_S, events, way_to

from doubles.ingestion import Ingestion, run_ingestion
from engine.measure.signal import Delivery

DISTANT = 4_000_000_000


class Identity:
    """A managed identity that gets no token so many times."""

    def __init__(self, refusals: int = 0) -> None:
        self.scopes: list[str] = []
        self._refusals = refusals

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        """A token that lasts."""
        self.scopes += scopes
        if len(self.scopes) <= self._refusals:
            raise ClientAuthenticationError("secret=canary")
        return AccessToken("the-token", DISTANT)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with the key of localhost and the certificate it has given itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return str(file)


@pytest.fixture
def endpoint(pem: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ingestion]:
    """An endpoint over TLS whose certificate this process trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", pem)
    with run_ingestion(context) as found:
        yield found


def test_token_goes_with_every_request(endpoint: Ingestion) -> None:
    """Of the scope that Azure Monitor wants, and asked for once."""
    identity = Identity()
    for _ in range(2):
        outbox = way_to(endpoint, credential=identity)
        outbox.tell(events(2))
        assert outbox.close(PATIENT_S) == Delivery(sent=2)
    assert endpoint.tokens == ["Bearer the-token"] * 2
    assert set(identity.scopes) == {"https://monitor.azure.com//.default"}


def test_items_wait_for_an_identity_that_has_no_token_yet(
    endpoint: Ingestion, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing goes out meanwhile, and nothing of what the identity had to say is told."""
    outbox = way_to(endpoint, credential=Identity(refusals=2))
    outbox.tell(events(2))
    assert outbox.close(PATIENT_S) == Delivery(sent=2, retried=4)
    assert endpoint.tokens == ["Bearer the-token"]
    assert "no token: ClientAuthenticationError" in caplog.text
    assert "canary" not in caplog.text


def test_endpoint_that_nobody_vouches_for_gets_nothing(endpoint: Ingestion, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither items nor the token."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    outbox = way_to(endpoint, credential=Identity())
    outbox.tell(events(2))
    assert outbox.close(0.5).dropped == 2
    assert endpoint.requests == []


def test_token_does_not_travel_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither that of the identity that is given, nor one that the SDK would find by the environment."""
    monkeypatch.setenv("APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "Authorization=AAD")
    identity = Identity()
    with run_ingestion() as endpoint:
        for options in ({"credential": identity}, {}):
            outbox = way_to(endpoint, **options)
            outbox.tell(events(1))
            assert outbox.close(PATIENT_S) == Delivery(sent=1)
        assert endpoint.tokens == [None, None]
    assert identity.scopes == []
