"""The scheduled run: what a tick of the timer starts.

The timer's own schedule (`RUN_SCHEDULE`) says when; `SCHEDULED_SPEC` says what. The run's id is made of the minute, so
a doubled tick starts one run, and while the last one goes on no other is started. A tick also picks up a run that was
accepted but whose orchestration was never started, because the process died in between.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from engine.run import api, state
from engine.run.answers import Answer, Request, answer
from engine.run.means import Means

ORPHAN_S = 60.0
LOOK_BACK = 50
SCHEDULED = "scheduled-"


def tick(means: Means) -> Iterator[Answer]:
    """What is to be started now, and what was refused."""
    now = means.clock.wall()
    lately = list(islice(state.list_runs(means.store), LOOK_BACK))
    is_under_way = any(found.is_live and found.run_id.startswith(SCHEDULED) for found in lately)
    if means.scheduled_spec is not None and not is_under_way:
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M")
        headers = {"idempotency-key": f"{SCHEDULED}{stamp}"}
        yield answer(api.post_run, Request(body=means.scheduled_spec, headers=headers), means)
    for found in lately:
        if found.stage is state.Stage.ACCEPTED and now - found.created > ORPHAN_S:
            yield Answer(202, b"", start=(found.instance_id, api.order_of(found)))
