"""A server, a caller that trusts it, and the root between them."""

import pytest
from integration.net.caller import Caller

from doubles.tls_server import Authority, TlsServer


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A root that the caller trusts."""
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def caller(authority):
    """A wire that trusts the authority."""
    caller = Caller(authority.ca_file)
    yield caller
    caller.wire.close()


@pytest.fixture
def server(authority):
    """A server that behaves."""
    with TlsServer(authority) as server:
        yield server
