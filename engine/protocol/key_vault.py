"""Secrets of an Azure Key Vault, as HTTP values. Whoever sends a request adds the token.

Source: Azure Key Vault REST API, "Get Secret", "Set Secret", "Get Secret Versions"; "Authentication, requests and
responses" (error body, the resource that a token is for).
"""

from typing import Final
from urllib.parse import quote

from engine.errors import RemoteProtocolError
from engine.protocol.body import read_object, write_json
from engine.protocol.http import Request, Response

API_VERSION: Final = "7.4"
TOKEN_SCOPE: Final = "https://vault.azure.net/.default"

NO_ROLE: Final = "ForbiddenByRbac"
"""Inner code of a 403 while a role is missing, or has not arrived; behind a firewall it is another one."""

_JSON = ("Accept", "application/json")


def get_secret(vault: str, name: str, version: str) -> Request:
    """Read a secret; 404 when there is none."""
    return Request("GET", _url(vault, name, version), (_JSON,))


def get_versions(vault: str, name: str, version: str) -> Request:
    """Ask whether a secret has any version; no value is answered."""
    url = f"{vault}/secrets/{quote(name, safe='')}/versions?maxresults=1&api-version={version}"
    return Request("GET", url, (_JSON,))


def set_secret(vault: str, name: str, version: str, *, value: str, content: str) -> Request:
    """Give a secret a new version; content says in words what the value is."""
    body = write_json({"value": value, "contentType": content})
    return Request("PUT", _url(vault, name, version), (("Content-Type", "application/json"), _JSON), body)


def read_value(response: Response) -> str:
    """The secret's value. Raises RemoteProtocolError, without what was found, on another body."""
    return read_object(response.body).optional_text("value")


def has_versions(response: Response) -> bool:
    """Whether the answer names a version."""
    found = read_object(response.body).values.get("value")
    if not isinstance(found, list):
        raise RemoteProtocolError("field value is not an array")
    return bool(found)


def inner_code(response: Response) -> str:
    """The inner code of an error, "" where there is none."""
    try:
        return read_object(response.body).optional_object("error").optional_object("innererror").optional_code("code")
    except RemoteProtocolError:
        return ""


def _url(vault: str, name: str, version: str) -> str:
    return f"{vault}/secrets/{quote(name, safe='')}?api-version={version}"
