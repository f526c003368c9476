"""Tests for engine/localhost/links.py."""

import json

from engine.localhost.links import Links
from engine.localhost.worker import Function

LINKS = Links("http://127.0.0.1:7071", "127.0.0.1:5000", "My Hub")


def test_links_quote_the_instance_id() -> None:
    """The id is kept as it is and quoted in the URLs, whose placeholders stay."""
    links = LINKS.of("a/b")
    assert links["id"] == "a/b"
    assert links["sendEventPostUri"] == (
        "http://127.0.0.1:7071/runtime/webhooks/durabletask/instances/a%2Fb/raiseEvent/{eventName}"
        "?taskHub=My%20Hub&connection=Storage"
    )


def test_client_bindings_are_the_durable_ones() -> None:
    """Every Durable client argument, and no other, gets the addresses of host and backend."""
    bindings = ({"name": "req", "type": "httpTrigger"}, {"name": "client", "type": "durableClient"})
    (binding,) = LINKS.client_bindings(Function("1", "start", trigger=bindings[0], bindings=bindings))
    client = json.loads(binding.data.string)
    assert binding.name == "client"
    assert client["rpcBaseUrl"] == "http://127.0.0.1:5000"
    assert client["managementUrls"]["id"] == "INSTANCEID"
