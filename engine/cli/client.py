"""The HTTP API, asked: a method per question."""

import json
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Final

from engine.cli.errors import Refused, SpecRefused
from engine.cli.transport import TIMEOUT_S, Json, Transport

NO_RUN: Final = frozenset({400, 409, 413, 422})
"""Statuses that refuse a spec for good."""

DOCUMENTS: Final[Mapping[str, str]] = {
    "summary.json": "results",
    "timeline.csv": "intervals",
    "report.md": "report?format=md",
    "report.html": "report",
}
"""The files of a run, and where each is found."""

FINISHED: Final = "finished"
"""The state that a run stays in."""


class Api:
    """The API of one host, see Transport; every call raises Unreachable and Refused."""

    def __init__(self, url: str, *, key: str = "", token: str = "", timeout_s: float = TIMEOUT_S) -> None:
        self._transport = Transport(url, key=key, token=token, timeout_s=timeout_s)
        self.url = self._transport.url

    def post_run(self, spec: bytes, run_id: str | None) -> Json:
        """What the host makes of a spec; run_id, if any, makes asking twice harmless. Raises SpecRefused as well."""
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": run_id} if run_id else {})
        return _judging_a_spec(lambda: self._transport.json("POST", "/api/runs", spec, headers))

    def estimate(self, spec: bytes) -> Json:
        """The spec with its defaults and what a run of it would come to. Raises SpecRefused as well."""
        headers = {"Content-Type": "application/json"}
        return _judging_a_spec(lambda: self._transport.json("POST", "/api/runs?dryRun=true", spec, headers))

    def runs(self, filters: Mapping[str, str]) -> Json:
        """Runs, newest first, and as `next` what to filter by for those that follow, None after the last."""
        query = f"?{urllib.parse.urlencode(filters)}" if filters else ""
        return self._transport.json("GET", f"/api/runs{query}")

    def live_runs(self) -> list[str]:
        """The ids of the latest runs that are not finished."""
        return [str(run["runId"]) for run in self.runs({}).get("runs", []) if run.get("state") != FINISHED]

    def look(self, run_id: str) -> Json:
        """How the run is doing."""
        return self._transport.json("GET", _run(run_id))

    def cancel(self, run_id: str) -> Json:
        """The run, which drains from now on."""
        return self._transport.json("POST", f"{_run(run_id)}/cancel", b"")

    def resume(self, run_id: str) -> Json:
        """The run, which goes on from now on."""
        return self._transport.json("POST", f"{_run(run_id)}/resume", b"")

    def compare(self, run_id: str, to: str | None) -> Json:
        """The run beside another, or beside its baseline."""
        query = "" if to is None else f"?{urllib.parse.urlencode({'to': to})}"
        return self._transport.json("GET", f"{_run(run_id)}/compare{query}")

    def document(self, run_id: str, name: str) -> bytes:
        """One of DOCUMENTS."""
        return self._transport.call("GET", f"{_run(run_id)}/{DOCUMENTS[name]}")

    def delete_run(self, run_id: str) -> None:
        """Nothing is left of the run."""
        self._transport.call("DELETE", _run(run_id))

    def delete_devices(self, run_id: str) -> Json:
        """The run, whose devices' leavings are cleaned up from now on."""
        return self._transport.json("DELETE", f"{_run(run_id)}/devices")

    def schedules(self) -> Json:
        """All schedules, by name."""
        return self._transport.json("GET", "/api/schedules")

    def schedule(self, name: str) -> Json:
        """One schedule."""
        return self._transport.json("GET", _schedule(name))

    def put_schedule(self, name: str, document: Json) -> Json:
        """The schedule, which is this from now on. Raises SpecRefused as well."""
        body, headers = json.dumps(document).encode(), {"Content-Type": "application/json"}
        return _judging_a_spec(lambda: self._transport.json("PUT", _schedule(name), body, headers))

    def delete_schedule(self, name: str) -> None:
        """The schedule starts nothing any more."""
        self._transport.call("DELETE", _schedule(name))


def _judging_a_spec(ask: Callable[[], Json]) -> Json:
    try:
        return ask()
    except Refused as no:
        if no.status not in NO_RUN:
            raise
        raise SpecRefused(no.status, no.reason, str(no), problems=no.problems, limit=no.limit) from None


def _run(run_id: str) -> str:
    return f"/api/runs/{urllib.parse.quote(run_id, safe='')}"


def _schedule(name: str) -> str:
    return f"/api/schedules/{urllib.parse.quote(name, safe='')}"
