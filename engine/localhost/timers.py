"""Timer triggers: each function is called when its schedule says so, one call at a time."""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.localhost.errors import HostError
from engine.localhost.hostfile import resolve
from engine.localhost.links import Links
from engine.localhost.messages import parameter
from engine.localhost.schedule import Due, parse_schedule
from engine.localhost.worker import Function, InvocationFailed, Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer function and when it is due."""

    function: Function
    due: Due


class Timers:
    """The app's timer functions."""

    def __init__(self, worker: Worker, links: Links, *, env: Mapping[str, str]) -> None:
        """Raises HostError naming a schedule that cannot be read or a setting that is missing."""
        self._worker = worker
        self._links = links
        self._timers = {function.name: _timer(function, env) for function in worker.of_kind("timerTrigger")}

    async def run(self) -> None:
        """Keep every schedule, for ever."""
        async with asyncio.TaskGroup() as group:
            for timer in self._timers.values():
                group.create_task(self._keep(timer))

    async def fire(self, name: str) -> bool:
        """Call one timer function now; False if there is none of that name."""
        if name not in self._timers:
            return False
        await self._call(self._timers[name], datetime.now(UTC))
        return True

    async def _keep(self, timer: Timer) -> None:
        due = timer.due(datetime.now(UTC))
        if timer.function.trigger.get("runOnStartup"):
            await self._call(timer, datetime.now(UTC))
        while True:
            await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
            await self._call(timer, due)
            due = timer.due(max(due, datetime.now(UTC)))  # a sleep may end early: never the same time twice

    async def _call(self, timer: Timer, last: datetime) -> None:
        status = {"Last": last.isoformat(), "Next": timer.due(last).isoformat(), "LastUpdated": last.isoformat()}
        info = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False}
        call = parameter(timer.function.trigger["name"], json=json.dumps(info))
        try:
            await self._worker.invoke(timer.function, [call, *self._links.client_bindings(timer.function)])
        except InvocationFailed as failed:
            log.error("timer function %s failed\n%s", timer.function.name, failed.stack)


def _timer(function: Function, env: Mapping[str, str]) -> Timer:
    try:
        return Timer(function, parse_schedule(resolve(function.trigger["schedule"], env)))
    except HostError as error:
        raise HostError(f"timer function {function.name}: {error}") from error
