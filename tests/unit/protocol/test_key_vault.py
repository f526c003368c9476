"""Secrets of a Key Vault asked for and read."""

import json

import pytest

from engine.errors import RemoteProtocolError
from engine.protocol import key_vault
from engine.protocol.http import Response

VAULT = "https://kv-one.vault.azure.net"


def test_requests_are_the_documented_ones():
    """A secret's versions are asked for without their values."""
    assert key_vault.get_secret(VAULT, "one", "7.4").url == f"{VAULT}/secrets/one?api-version=7.4"
    found = key_vault.get_versions(VAULT, "one", "7.4")
    assert (found.method, found.url) == ("GET", f"{VAULT}/secrets/one/versions?maxresults=1&api-version=7.4")


def test_secret_is_set_and_not_shown():
    """The value is in the body alone, which no repr shows."""
    found = key_vault.set_secret(VAULT, "one", "7.4", value="canary", content="a bird")
    assert json.loads(found.body) == {"value": "canary", "contentType": "a bird"}
    assert "canary" not in repr(found)


def test_answers_are_read():
    """A value, whether there are versions, and why somebody may not."""
    assert key_vault.read_value(Response(200, (), b'{"value": "x"}')) == "x"
    assert key_vault.has_versions(Response(200, (), b'{"value": [{"id": "1"}]}'))
    assert not key_vault.has_versions(Response(200, (), b'{"value": []}'))
    body = b'{"error": {"code": "Forbidden", "innererror": {"code": "ForbiddenByRbac"}}}'
    assert key_vault.inner_code(Response(403, (), body)) == "ForbiddenByRbac"
    assert key_vault.inner_code(Response(403, (), b"<html>")) == ""


def test_versions_of_another_form_are_the_services_mistake():
    """They are an array."""
    with pytest.raises(RemoteProtocolError):
        key_vault.has_versions(Response(200, (), b'{"value": "x"}'))
