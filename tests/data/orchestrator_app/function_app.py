"""A Functions app with the product's own orchestrators, and activities that return at once: a run of empty batches.

What is started is given the plan that `plan_run` is to answer with.
"""

import json
from collections.abc import Generator
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from durabletask import task

from engine import wiring
from engine.run import workflow

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

Talk = Generator[task.Task[Any], Any, Any]


@app.route(route="start/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Start an orchestrator."""
    instance_id = await client.schedule_new_orchestration(req.route_params["name"], input=req.get_json())
    return client.create_check_status_response(req, instance_id)


@app.timer_trigger(schedule="%SCHEDULE%", arg_name="_timer")
def never(_timer: func.TimerRequest) -> None:
    """What hosts of tests have a schedule for."""


@app.orchestration_trigger(context_name="context")
def run(context: task.OrchestrationContext, order: dict[str, Any]) -> Talk:
    """As function_app has it."""
    return (yield from wiring.orchestrate(workflow.orchestrate, context, order))


@app.orchestration_trigger(context_name="context")
def block(context: task.OrchestrationContext, order: dict[str, Any]) -> Talk:
    """As function_app has it."""
    return (yield from wiring.orchestrate(workflow.drive_block, context, order))


@app.activity_trigger(input_name="order")
def plan_run(order: dict) -> dict[str, Any]:
    """The plan that was asked for."""
    plan: dict[str, Any] = json.loads(order["runId"])
    return {**plan, "refused": "", "deadlineAt": 4e9, "patienceS": 60.0, "batchAttempts": 3, "watchEveryS": 0.0}


@app.activity_trigger(input_name="order")
def begin_wave(order: dict) -> dict[str, Any]:
    """Nothing to begin."""
    return {"wave": order["wave"], "replicas": 0}


@app.activity_trigger(input_name="order")
def run_batch(order: dict) -> dict[str, Any]:
    """Nothing to drive."""
    return {"batch": order["batch"], "stop": "schedule"}


@app.activity_trigger(input_name="order")
def look_at_block(order: dict) -> dict[str, Any]:
    """Nothing left."""
    return {"left": 0}


@app.activity_trigger(input_name="order")
def close_run(order: dict) -> dict[str, Any]:
    """Nothing to judge."""
    return {"verdict": "passed", "exitCode": 0}
