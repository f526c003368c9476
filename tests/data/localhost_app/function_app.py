"""A Functions app that exercises its host: every kind of trigger the host knows, and awkward orchestrations.

Activities append a line to the file that the setting STARTS names, one per start, so a test can see what ran in a
process it has killed. A gate is a file: activities that are given one wait until it exists.
"""

import json
import os
import time
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from durabletask import task

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

Talk = Generator[task.Task[Any], Any, Any]


def note(line: str) -> int:
    """Append a line to the starts; how many like it there are now."""
    starts = Path(os.environ["STARTS"])
    with starts.open("a") as file:
        file.write(line + "\n")
    return starts.read_text().splitlines().count(line)


# HTTP


@app.route(route="start/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    instance_id = await client.schedule_new_orchestration(req.route_params["name"], input=req.get_json())
    return client.create_check_status_response(req, instance_id)


@app.route(route="runs/{id}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def look(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    state = await client.get_orchestration_state(req.route_params["id"])
    events = await client.get_orchestration_history(req.route_params["id"])
    years = sorted({event.timestamp.year for event in events})
    found = {"status": state.runtime_status.name, "events": len(events), "years": years} if state else None
    return func.HttpResponse(json.dumps(found), mimetype="application/json")


@app.route(route="runs/{id}/cancel", methods=["POST"])
@app.durable_client_input(client_name="client")
async def cancel(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    await client.raise_orchestration_event(req.route_params["id"], "cancel", data={"by": "function"})
    return func.HttpResponse(status_code=202)


@app.route(route="echo/{word:alpha}/{times:int?}", methods=["POST"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    heard = {
        "params": dict(req.route_params),
        "query": dict(req.params),
        "color": req.headers.get("x-color"),
        "size": len(req.get_body()),
    }
    return func.HttpResponse(json.dumps(heard), status_code=201, headers={"x-heard": "yes"})


@app.route(route="files/{*path}")
def raw(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.route_params["path"].encode() + b"\x00\xff", mimetype="application/octet-stream")


@app.route(route="files/readme")
def readme(req: func.HttpRequest) -> str:
    return f"read me, said in {req.method}"


@app.route(route="boom")
def boom(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("a secret of the app")


# Timer


@app.timer_trigger(schedule="%SCHEDULE%", arg_name="timer", run_on_startup=False)
def tick(timer: func.TimerRequest) -> None:
    note(f"tick {timer.schedule_status['Last']}")


# Orchestrations


@app.orchestration_trigger(context_name="context")
def fan_out(ctx: task.OrchestrationContext, order: dict[str, Any]) -> Talk:
    """Many activities, retried; then a sub-orchestration. Ends early on the event `cancel`."""
    ctx.set_custom_status("planning")
    policy = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=50), max_number_of_attempts=3)
    calls = [{**order, "key": f"{ctx.instance_id}/{n}"} for n in range(order["count"])]
    works = task.when_all([ctx.call_activity("work", input=call, retry_policy=policy) for call in calls])
    cancelled = ctx.wait_for_external_event("cancel")
    ctx.set_custom_status({"running": order["count"]})
    winner = yield task.when_any([works, cancelled])
    if winner is cancelled:
        return {"cancelled": cancelled.get_result()}
    total = yield ctx.call_sub_orchestrator("sum_up", input=works.get_result())
    ctx.set_custom_status({"done": order["count"]})
    return total


@app.orchestration_trigger(context_name="context")
def sum_up(ctx: task.OrchestrationContext, attempts: list[int]) -> Talk:
    return (yield ctx.call_activity("total", input=attempts))


@app.orchestration_trigger(context_name="context")
def sleep(ctx: task.OrchestrationContext, for_s: float) -> Talk:
    yield ctx.create_timer(timedelta(seconds=for_s))
    return "slept"


@app.orchestration_trigger(context_name="context")
def rounds(ctx: task.OrchestrationContext, order: dict[str, Any]) -> Talk:
    """A round that hears no events, then, as a new execution, one that waits for `cancel`."""
    if order["round"] == 0:
        yield ctx.call_activity("work", input={**order, "key": "round 0"})
        ctx.continue_as_new({"round": 1}, save_events=True)
        return None
    heard = yield ctx.wait_for_external_event("cancel")
    return {"round": order["round"], "heard": heard}


@app.orchestration_trigger(context_name="context")
def leave_behind(ctx: task.OrchestrationContext, order: dict[str, Any]) -> Talk:
    """Asks for one activity in each of two executions, both with the same task id; the first is not waited for."""
    answer = ctx.call_activity("work", input={"key": f"round {order['round']}", "gate": order["gates"][order["round"]]})
    if order["round"] == 0:
        yield ctx.create_timer(timedelta(milliseconds=1))
        ctx.continue_as_new({**order, "round": 1})
        return None
    yield answer
    return "own answer"


@app.orchestration_trigger(context_name="context")
def boast(ctx: task.OrchestrationContext, length: int) -> Talk:
    """A custom status of so many characters of JSON."""
    ctx.set_custom_status("x" * (length - 2))
    return (yield ctx.call_activity("total", input=[1]))


@app.orchestration_trigger(context_name="context")
def parent(ctx: task.OrchestrationContext, order: dict[str, Any]) -> Talk:
    return (yield ctx.call_sub_orchestrator("fan_out", input=order, instance_id=f"{ctx.instance_id}-child"))


@app.orchestration_trigger(context_name="context")
def call_missing(ctx: task.OrchestrationContext, name: str) -> Talk:
    return (yield ctx.call_activity(name))


# Activities


@app.activity_trigger(input_name="call")
def work(call: dict) -> int:
    """The attempt this was. Fails the first attempt if `flaky`, every one if `fatal`; waits for `gate` if given."""
    attempt = note(f"work {call['key']}")
    if call.get("fatal"):
        raise ValueError("broken for good")
    if call.get("flaky") and attempt == 1:
        raise RuntimeError("broken once")
    end = time.monotonic() + 60
    while call.get("gate") and not Path(call["gate"]).exists() and time.monotonic() < end:
        time.sleep(0.01)
    return attempt


@app.activity_trigger(input_name="attempts")
def total(attempts: list) -> dict:
    return {"works": len(attempts), "attempts": sum(attempts)}
