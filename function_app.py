"""The Azure Functions app: triggers only. Everything they do is in `engine`."""

from collections.abc import Generator
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from durabletask import task

from engine import wiring
from engine.run import activities, api, closing, jobs

# Activities say plain `dict`: the worker refuses a binding whose annotation is not a class.
app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route(route="runs", methods=["POST"])
@app.durable_client_input(client_name="client")
async def post_run(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Start a run, or with dryRun=true say what it would be."""
    return await wiring.answer(api.post_run, req, client)


@app.route(route="runs", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_runs(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The runs, newest first."""
    return await wiring.answer(api.get_runs, req, client)


@app.route(route="runs/{id}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_run(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """How a run is doing."""
    return await wiring.answer(api.get_run, req, client)


@app.route(route="runs/{id}/cancel", methods=["POST"])
@app.durable_client_input(client_name="client")
async def post_cancel(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Let a run drain."""
    return await wiring.answer(api.post_cancel, req, client)


@app.route(route="runs/{id}/results", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_results(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A run's numbers."""
    return await wiring.answer(api.get_results, req, client)


@app.route(route="runs/{id}/timeline", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_timeline(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A run's numbers over time."""
    return await wiring.answer(api.get_timeline, req, client)


@app.route(route="runs/{id}/report", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_report(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A run's report."""
    return await wiring.answer(api.get_report, req, client)


@app.route(route="targets", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_targets(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The target profiles, without secrets."""
    return await wiring.answer(api.get_targets, req, client)


@app.timer_trigger(schedule="%RUN_SCHEDULE%", arg_name="_timer", run_on_startup=False)
@app.durable_client_input(client_name="client")
async def start_due_runs(_timer: func.TimerRequest, client: df.DurableFunctionsClient) -> None:
    """Start what is due."""
    await wiring.tick(client)


@app.orchestration_trigger(context_name="context")
def run(context: task.OrchestrationContext, order: dict[str, Any]) -> Generator[task.Task[Any], Any, Any]:
    """One run, from plan to verdict."""
    return (yield from wiring.orchestrate(context, order))


@app.activity_trigger(input_name="order")
def plan_run(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Share the run out among batches."""
    return activities.plan_run(order, wiring.means())


@app.activity_trigger(input_name="order")
def run_batch(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Drive one batch of devices."""
    return activities.run_batch(order, wiring.means())


@app.activity_trigger(input_name="order")
def launch_wave(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Start the workers of a wave."""
    return jobs.launch_wave(order, wiring.means())


@app.activity_trigger(input_name="order")
def await_batch(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Wait for a worker to drive one batch of devices."""
    return jobs.await_batch(order, wiring.means())


@app.activity_trigger(input_name="order")
def stop_run(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Let a run that is over its time drain."""
    return activities.stop_run(order, wiring.means())


@app.activity_trigger(input_name="order")
def close_run(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Merge, judge and report."""
    return closing.close_run(order, wiring.means())


@app.activity_trigger(input_name="order")
def give_up(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """End a run that cannot be closed."""
    return closing.give_up(order, wiring.means())
