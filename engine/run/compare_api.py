"""`GET /api/runs/{id}/compare`: two runs beside each other."""

from engine.errors import NotFound, Problem, SpecError
from engine.report.compare import compare
from engine.run import api, state
from engine.run.answers import RETRY_AFTER_S, Answer, Request, as_json
from engine.run.baseline import BY_NAME, newest_passed
from engine.run.means import Means
from engine.run.merged import side_of


def get_compare(request: Request, means: Means) -> Answer:
    """GET /api/runs/{id}/compare?to={id|name:x}: with another run, or with the run's baseline; partial while one of
    them goes on."""
    run = api.read_run(request.run_id, means)
    to = _other(run, request.query.get("to"), means)
    found = compare(side_of(run, means), side_of(to, means))
    return as_json(200, found, headers={"Retry-After": str(RETRY_AFTER_S)} if found["partial"] else {})


def _other(run: state.RunState, asked: str | None, means: Means) -> state.RunState:
    """The run to compare with. Raises NotFound, and SpecError when there is neither a question nor a baseline."""
    if asked is None:
        if run.baseline is None:
            message = f"run {run.run_id} has no baseline, and the query's to names no other run"
            raise SpecError([Problem("", message, "to=<run id> | to=name:<name>")])
        return api.read_run(run.baseline, means)
    if not asked.startswith(BY_NAME):
        return api.read_run(asked, means)
    name = asked.removeprefix(BY_NAME)
    run_id = newest_passed(means.store, name, besides=run.run_id)
    if run_id is None:
        raise NotFound(f"a run named {name[:80]}", "none has passed")
    return api.read_run(run_id, means)
