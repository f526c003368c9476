"""The API, asked by a test."""

import json
from dataclasses import replace
from typing import Any

from engine.errors import StoreUnavailable
from engine.ports import Held
from engine.run import api, state
from engine.run.answers import Answer, Handler, Request, answer
from engine.run.means import Means

SPEC = {"scenario": "cert-renewal"}


def post(means: Means, spec: Any = SPEC, *, key: str | None = None, **query: str) -> Answer:
    """POST /api/runs."""
    body = spec if isinstance(spec, bytes) else json.dumps(spec).encode()
    headers = {} if key is None else {"idempotency-key": key}
    return answer(api.post_run, Request(body=body, headers=headers, query=query), means)


def get(handler: Handler, means: Means, run_id: str = "", **query: str) -> Answer:
    """A call on a run, or on all of them."""
    return answer(handler, Request(run_id=run_id, query=query), means)


def said(found: Answer) -> Any:
    """The JSON of an answer."""
    return json.loads(found.body)


def accepted(means: Means, key: str, spec: Any = SPEC) -> str:
    """A run that was accepted."""
    assert post(means, spec, key=key).status == 202
    return key


def finish(means: Means, run_id: str, verdict: str = "passed") -> None:
    """Bring a run to its end, as far as its state is concerned."""
    for event in (state.Event.PLANNED, state.Event.BATCHES_DONE):
        state.advance(means.store, run_id, event, now=means.clock.wall())
    closed = lambda found: replace(found, verdict=verdict)  # noqa: E731
    state.advance(means.store, run_id, state.Event.CLOSED, now=means.clock.wall(), change=closed)


class Away:
    """A store that is away."""

    def read(self, key: str) -> Held | None:
        raise StoreUnavailable(key, "nobody answers")

    create = replace = delete = keys = read
