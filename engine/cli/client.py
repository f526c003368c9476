"""The HTTP API, asked: bounded in time, its refusals as errors."""

import ipaddress
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Final

from engine.cli.errors import CommandFailed, Refused, SpecRefused, Unreachable
from engine.errors import Problem

TIMEOUT_S: Final = 30.0
KEY_VARIABLE: Final = "CERTFLEET_KEY"
"""The environment variable with the function key of a deployed host."""

LATER: Final = frozenset({429, 502, 503, 504})
"""Statuses that the same question, asked again later, may not get."""

NO_RUN: Final = frozenset({400, 409, 413, 422})
"""Statuses that refuse a spec for good."""

DOCUMENTS: Final[Mapping[str, str]] = {"summary.json": "results", "timeline.csv": "intervals", "report.md": "report"}
"""The files of a run, and where each is found."""

FINISHED: Final = "finished"
"""The state that a run stays in."""

type Json = dict[str, Any]


class Api:
    """The API of one host; url is what comes before /api, key a function key, "" where none is asked for.

    Every call raises Unreachable and Refused. Redirects are not followed: they would get the key.
    """

    def __init__(self, url: str, *, key: str = "", timeout_s: float = TIMEOUT_S) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CommandFailed(f"{url!r} is not the URL of a host, expected something like http://127.0.0.1:7071")
        is_near = _is_loopback(parts.hostname)
        if key and parts.scheme == "http" and not is_near:
            raise CommandFailed(f"{KEY_VARIABLE} is not sent without TLS: expected an https URL, found {url!r}")
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._key = {"x-functions-key": key} if key else {}
        direct = [urllib.request.ProxyHandler({})] if is_near else []
        self._opener = urllib.request.build_opener(_NoRedirects(), *direct)

    def post_run(self, spec: bytes, run_id: str | None) -> Json:
        """What the host makes of a spec; run_id, if any, makes asking twice harmless. Raises SpecRefused as well."""
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": run_id} if run_id else {})
        try:
            return self._json("POST", "/api/runs", spec, headers)
        except Refused as no:
            if no.status not in NO_RUN:
                raise
            raise SpecRefused(no.status, no.reason, str(no), problems=no.problems) from None

    def live_runs(self) -> list[str]:
        """The ids of the latest runs that are not finished."""
        runs = self._json("GET", "/api/runs").get("runs", [])
        return [str(run["runId"]) for run in runs if run.get("state") != FINISHED]

    def look(self, run_id: str) -> Json:
        """How the run is doing."""
        return self._json("GET", f"/api/runs/{_quoted(run_id)}")

    def cancel(self, run_id: str) -> Json:
        """The run, which drains from now on."""
        return self._json("POST", f"/api/runs/{_quoted(run_id)}/cancel", b"")

    def resume(self, run_id: str) -> Json:
        """The run, which goes on from now on."""
        return self._json("POST", f"/api/runs/{_quoted(run_id)}/resume", b"")

    def compare(self, run_id: str, to: str | None) -> Json:
        """The run beside another, or beside its baseline."""
        query = "" if to is None else f"?{urllib.parse.urlencode({'to': to})}"
        return self._json("GET", f"/api/runs/{_quoted(run_id)}/compare{query}")

    def document(self, run_id: str, name: str) -> bytes:
        """One of DOCUMENTS."""
        return self._call("GET", f"/api/runs/{_quoted(run_id)}/{DOCUMENTS[name]}")

    def _json(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Json:
        answer = self._call(method, path, body, headers)
        try:
            found = json.loads(answer)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise CommandFailed(f"{method} {self.url}{path} answered with something that is no JSON object")
        return found

    def _call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        sent = {**self._key, **(headers or {})}
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=sent)
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise _refusal(refusal.code, _read(refusal), f"{method} {self.url}{path}") from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise Unreachable(f"{self.url} does not answer: {reason}") from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Whatever would lead elsewhere is an answer like any other refusal."""

    def redirect_request(self, *_asked: Any) -> None:
        """Nothing to ask instead."""


def _refusal(status: int, body: bytes, asked: str) -> CommandFailed:
    """The error that an answer other than 2xx becomes."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        found = {"code": "", "message": f"{asked} answered {status}"}
    reason, message = str(found.get("code", "")), str(found.get("message", ""))
    if status in LATER:
        return Unreachable(f"{asked} answered {status} {reason}: {message}")
    errors = found.get("errors")
    problems = [
        Problem(str(one.get("path", "")), str(one.get("message", "")), str(one.get("allowed", "")))
        for one in (errors if isinstance(errors, list) else [])
        if isinstance(one, dict)
    ]
    return Refused(status, reason, message, problems=problems)


def _read(refusal: urllib.error.HTTPError) -> bytes:
    try:
        return refusal.read()
    except (OSError, HTTPException):
        return b""


def _quoted(run_id: str) -> str:
    return urllib.parse.quote(run_id, safe="")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
