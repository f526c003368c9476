"""Microsoft's Python worker library on a thread and event loop of its own: finds the app's functions, calls them."""

import asyncio
import json
import threading
import uuid
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure_functions_runtime as runtime  # type: ignore[import-untyped]

from engine.localhost.errors import HostError
from engine.localhost.messages import Message, ParameterBinding, Request, StatusResult


class InvocationFailed(Exception):
    """A function raised. The message is `<type>: <text>`, stack its traceback."""

    def __init__(self, message: str, stack: str) -> None:
        super().__init__(message)
        self.stack = stack


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app, with its bindings as the worker describes them."""

    id: str
    name: str
    trigger: dict[str, Any]
    bindings: tuple[dict[str, Any], ...]

    @property
    def kind(self) -> str:
        """The trigger's type, such as `httpTrigger`."""
        return str(self.trigger["type"])


class Worker:
    """The app's functions, ready to be called from any event loop. One per process: the library is a singleton."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self.functions: dict[str, Function] = {}

    async def start(self, app: Path) -> None:
        """Index the app. Raises HostError with the worker's own message if that fails."""
        threading.Thread(target=self._loop.run_forever, name="functions-worker", daemon=True).start()
        runtime.start_threadpool_executor()
        request = Message(capabilities={}, function_app_directory=str(app))
        reply = await self._call(runtime.worker_init_request(Request(worker_init_request=request)))
        if reply.result.status != StatusResult.Success:
            failure = reply.result.exception
            raise HostError(f"the app does not load: {failure.message}\n{failure.stack_trace}".rstrip())
        listing = await self._call(runtime.functions_metadata_request(Request()))
        self.functions = {found.name: _function(found) for found in listing.function_metadata_results or ()}
        if not self.functions:
            raise HostError(f"no functions found in {app / 'function_app.py'}")

    def of_kind(self, kind: str) -> list[Function]:
        """The functions with this type of trigger."""
        return [function for function in self.functions.values() if function.kind == kind]

    async def invoke(self, function: Function, arguments: Sequence[ParameterBinding]) -> Message | None:
        """What the function returned, as data; None for nothing. Raises InvocationFailed if it raised."""
        request = Message(
            invocation_id=str(uuid.uuid4()),
            function_id=function.id,
            input_data=arguments,
            trigger_metadata={},
            trace_context=Message(trace_parent="", trace_state="", attributes={}),
            retry_context=Message(retry_count=0, max_retry_count=0),
        )
        reply = await self._call(runtime.invocation_request(Request(invocation_request=request)))
        if reply.result.status != StatusResult.Success:
            raise InvocationFailed(reply.result.exception.message, reply.result.exception.stack_trace)
        returned: Message | None = reply.return_value
        return returned

    def stop(self) -> None:
        """Take no more calls. Sync functions that still run keep their threads: nothing can end those."""
        if (pool := runtime.get_threadpool_executor()) is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))


def _function(found: Message) -> Function:
    bindings = tuple(json.loads(binding) for binding in found.raw_bindings)
    trigger = next(binding for binding in bindings if binding["type"].lower().endswith("trigger"))
    return Function(found.function_id, found.name, trigger=trigger, bindings=bindings)
