"""The Azure Functions app: triggers only. Everything they do is in `engine`."""

import os
from collections.abc import Generator
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from durabletask import task

from engine import wiring
from engine.run import (
    activities,
    api,
    cleaning,
    cleanup,
    closing,
    compare_api,
    jobs,
    planning,
    removal,
    resume,
    schedule_api,
    ui,
    workflow,
)
from engine.run import watch as watching
from engine.run.openapi import document

EVERY_MINUTE = "0 * * * * *"
"""NCRONTAB, in UTC."""

# Activities say plain `dict`: the worker refuses a binding whose annotation is not a class.
app = df.DFApp(http_auth_level=wiring.auth_level(os.environ))
wiring.tell_warnings(os.environ)


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


@app.route(route="runs/{id}", methods=["DELETE"])
@app.durable_client_input(client_name="client")
async def delete_run(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Leave nothing of a run."""
    return await wiring.answer(removal.delete_run, req, client)


@app.route(route="runs/{id}/devices", methods=["DELETE"])
@app.durable_client_input(client_name="client")
async def delete_devices(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Clean up what a run's devices have left."""
    return await wiring.answer(removal.delete_devices, req, client)


@app.route(route="runs/{id}/cancel", methods=["POST"])
@app.durable_client_input(client_name="client")
async def post_cancel(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Let a run drain."""
    return await wiring.answer(api.post_cancel, req, client)


@app.route(route="runs/{id}/resume", methods=["POST"])
@app.durable_client_input(client_name="client")
async def post_resume(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Let a run go on that has ended before its time."""
    return await wiring.answer(resume.post_resume, req, client)


@app.route(route="runs/{id}/results", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_results(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A run's numbers."""
    return await wiring.answer(api.get_results, req, client)


@app.route(route="runs/{id}/intervals", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_intervals(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A run's numbers over time."""
    return await wiring.answer(api.get_intervals, req, client)


@app.route(route="runs/{id}/report", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_report(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A run's report."""
    return await wiring.answer(api.get_report, req, client)


@app.route(route="runs/{id}/compare", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_compare(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A run beside another."""
    return await wiring.answer(compare_api.get_compare, req, client)


@app.route(route="targets", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_targets(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The target profiles, without secrets."""
    return await wiring.answer(api.get_targets, req, client)


@app.route(route="schedules/{name}", methods=["PUT"])
@app.durable_client_input(client_name="client")
async def put_schedule(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Say what is to be started, and when."""
    return await wiring.answer(schedule_api.put_schedule, req, client)


@app.route(route="schedules/{name}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_schedule(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A schedule, its next firings and what became of the last."""
    return await wiring.answer(schedule_api.get_schedule, req, client)


@app.route(route="schedules/{name}", methods=["DELETE"])
@app.durable_client_input(client_name="client")
async def delete_schedule(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Start nothing by this schedule any more."""
    return await wiring.answer(schedule_api.delete_schedule, req, client)


@app.route(route="schedules", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_schedules(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """All schedules."""
    return await wiring.answer(schedule_api.get_schedules, req, client)


@app.route(route="ui", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_ui(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The live page."""
    return await wiring.answer(ui.get_ui, req, client)


@app.route(route="openapi.json", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_openapi(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The API's description."""
    return await wiring.answer(document.get_openapi, req, client)


@app.timer_trigger(schedule=EVERY_MINUTE, arg_name="_timer", run_on_startup=False)
@app.durable_client_input(client_name="client")
async def start_due_runs(_timer: func.TimerRequest, client: df.DurableFunctionsClient) -> None:
    """Start what is due, see to what is overdue, remove what is old."""
    await wiring.tick(client)


@app.orchestration_trigger(context_name="context")
def run(context: task.OrchestrationContext, order: dict[str, Any]) -> Generator[task.Task[Any], Any, Any]:
    """One run, from plan to verdict."""
    return (yield from wiring.orchestrate(workflow.orchestrate, context, order))


@app.orchestration_trigger(context_name="context")
def block(context: task.OrchestrationContext, order: dict[str, Any]) -> Generator[task.Task[Any], Any, Any]:
    """Up to a hundred batches of a run."""
    return (yield from wiring.orchestrate(workflow.drive_block, context, order))


@app.orchestration_trigger(context_name="context")
def watch(context: task.OrchestrationContext, order: dict[str, Any]) -> Generator[task.Task[Any], Any, Any]:
    """Whether a run is to end before its time."""
    return (yield from wiring.orchestrate(workflow.watch, context, order))


@app.orchestration_trigger(context_name="context")
def clean(context: task.OrchestrationContext, order: dict[str, Any]) -> Generator[task.Task[Any], Any, Any]:
    """The clean-up of a run's devices."""
    return (yield from wiring.orchestrate(cleaning.clean, context, order))


@app.activity_trigger(input_name="order")
def plan_run(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Share the run out among batches."""
    return planning.plan_run(order, wiring.means())


@app.activity_trigger(input_name="order")
def run_batch(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Drive one batch of devices."""
    return activities.run_batch(order, wiring.means())


@app.activity_trigger(input_name="order")
def begin_wave(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Note that a wave is under way, and start its workers."""
    return jobs.begin_wave(order, wiring.means())


@app.activity_trigger(input_name="order")
def reach_wave(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Note that a wave is under way."""
    return jobs.reach_wave(order, wiring.means())


@app.activity_trigger(input_name="order")
def look_at_block(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """See how many batches of a block are left for its workers."""
    return jobs.look_at_block(order, wiring.means())


@app.activity_trigger(input_name="order")
def watch_run(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Judge a run that goes on."""
    return watching.watch_run(order, wiring.means())


@app.activity_trigger(input_name="order")
def stop_workers(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """End the workers of a wave that does not drain."""
    return jobs.stop_workers(order, wiring.means())


@app.activity_trigger(input_name="order")
def stop_run(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Let a run that is over its time drain."""
    return planning.stop_run(order, wiring.means())


@app.activity_trigger(input_name="order")
def close_run(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Merge, judge and report."""
    return closing.close_run(order, wiring.means())


@app.activity_trigger(input_name="order")
def give_up(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """End a run that cannot be closed."""
    return closing.give_up(order, wiring.means())


@app.activity_trigger(input_name="order")
def plan_cleaning(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Take a run's device names to clean up after them."""
    return cleanup.plan_cleaning(order, wiring.means())


@app.activity_trigger(input_name="order")
def clean_part(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Clean up after some of a run's devices."""
    return cleanup.clean_part(order, wiring.means())


@app.activity_trigger(input_name="order")
def end_cleaning(order: dict) -> dict[str, Any]:  # type: ignore[type-arg]
    """Let a run's device names go, and say what the clean-up came to."""
    return cleanup.end_cleaning(order, wiring.means())
