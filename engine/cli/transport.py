"""HTTP to one host, asked from the command line: bounded in time, its refusals as errors, its secrets only for it."""

import http.client
import ipaddress
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from engine.cli.errors import CommandFailed, Refused, Unreachable
from engine.errors import Problem

TIMEOUT_S: Final = 30.0
KEY_VARIABLE: Final = "CERTFLEET_KEY"
"""The environment variable with the function key of a deployed host."""

TOKEN_VARIABLE: Final = "CERTFLEET_TOKEN"
"""The environment variable with a token of Entra ID for a deployed host."""

LATER: Final = frozenset({429, 502, 503, 504})
"""Statuses that the same question, asked again later, may not get."""

_EXAMPLE: Final = "something like https://contoso-load.azurewebsites.net or http://127.0.0.1:7071"
_SECRET: Final = re.compile(r"[!-~]{1,16384}")
_TOKEN_FROM: Final = "az account get-access-token --query accessToken --output tsv"

type Json = dict[str, Any]


class Transport:
    """One host; url is what comes before /api, key a function key and token one of Entra ID, "" where there is none.

    Every call raises Unreachable and Refused. Redirects are not followed: they would get the key. The token is sent
    over TLS only; a host on this machine, which asks nobody who they are, is asked without it.
    """

    def __init__(self, url: str, *, key: str = "", token: str = "", timeout_s: float = TIMEOUT_S) -> None:
        parts = _split(url)
        is_near, has_tls = _is_loopback(parts.hostname or ""), parts.scheme == "https"
        self.url = url.rstrip("/").removesuffix("/api")
        for variable, secret in ((KEY_VARIABLE, key), (TOKEN_VARIABLE, token)):
            if secret and not has_tls and not is_near:
                raise CommandFailed(f"{variable} is not sent without TLS: expected an https URL, found {url!r}")
        self._timeout_s = timeout_s
        self._secrets = {KEY_VARIABLE: _checked_key(key)} if key else {}
        self._secrets |= {TOKEN_VARIABLE: _checked_token(token)} if token and has_tls else {}
        direct = [urllib.request.ProxyHandler({})] if is_near else []
        self._opener = urllib.request.build_opener(_NoRedirects(), *direct)

    def json(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Json:
        """The JSON object that is the answer."""
        try:
            found = json.loads(self.call(method, path, body, headers))
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise CommandFailed(f"{method} {self.url}{path} answered with something that is no JSON object")
        return found

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of the answer; path is what comes after the host, from /api on."""
        sent = {**self._credentials(), **(headers or {})}
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=sent)
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise self._refusal(refusal.code, _read(refusal), f"{method} {self.url}{path}") from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise Unreachable(f"{self.url} does not answer: {reason}") from error

    def _credentials(self) -> dict[str, str]:
        headers = {KEY_VARIABLE: "x-functions-key", TOKEN_VARIABLE: "Authorization"}
        return {headers[variable]: secret for variable, secret in self._secrets.items()}

    def _refusal(self, status: int, body: bytes, asked: str) -> CommandFailed:
        """The error that an answer other than 2xx becomes."""
        found = _object(body)
        reason, message = str(found.get("code", "")), str(found.get("message", "")) or f"{asked} answered {status}"
        if status in LATER:
            return Unreachable(f"{asked} answered {status} {reason}: {message}" if found else message)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            message = f"{message}; {self._who_asks()}"
        elif status == HTTPStatus.NOT_FOUND and not found:
            message = f"{message}, in words that are not certfleet's: is it behind {self.url}?"
        limit = found.get("limit")
        return Refused(
            status,
            reason,
            message,
            problems=_problems(found.get("errors")),
            limit=limit if isinstance(limit, dict) else {},
        )

    def _who_asks(self) -> str:
        """What to do about a refusal of whoever asks."""
        if not self._secrets:
            return f"set {KEY_VARIABLE} to a function key, or {TOKEN_VARIABLE} to what `{_TOKEN_FROM}` prints"
        return f"{' and '.join(self._secrets)} did not help"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Whatever would lead elsewhere is an answer like any other refusal."""

    def redirect_request(self, *_asked: Any) -> None:
        """Nothing to ask instead."""


def _split(url: str) -> urllib.parse.SplitResult:
    """The parts of a host's URL; one that may hold a key is not repeated. Raises CommandFailed."""
    try:
        parts = urllib.parse.urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, is_one = urllib.parse.urlsplit(""), False
    if any(sign in url for sign in "?#@"):
        raise CommandFailed(
            f"the URL of the host has more than a host: expected {_EXAMPLE}; a key is in {KEY_VARIABLE}"
        )
    if not is_one or not url.isprintable() or " " in url:
        raise CommandFailed(f"{url!r} is not the URL of a host, expected {_EXAMPLE}")
    return parts


def _checked_key(key: str) -> str:
    if not _SECRET.fullmatch(key):
        raise CommandFailed(f"{KEY_VARIABLE} is no function key: expected printable characters without blanks")
    return key


def _checked_token(token: str) -> str:
    bare = token.removeprefix("Bearer ")
    if not _SECRET.fullmatch(bare) or bare.startswith("{"):
        raise CommandFailed(f"{TOKEN_VARIABLE} is no token: expected what `{_TOKEN_FROM}` prints")
    return f"Bearer {bare}"


def _object(body: bytes) -> Json:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _problems(errors: object) -> list[Problem]:
    return [
        Problem(str(one.get("path", "")), str(one.get("message", "")), str(one.get("allowed", "")))
        for one in (errors if isinstance(errors, list) else [])
        if isinstance(one, dict)
    ]


def _read(refusal: urllib.error.HTTPError) -> bytes:
    try:
        return refusal.read()
    except (OSError, http.client.HTTPException):
        return b""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
