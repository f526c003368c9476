"""One app, hosted: puts the parts together, says when it is ready, and takes them down in a bounded time."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from engine.localhost.backend import Backend
from engine.localhost.errors import HostError
from engine.localhost.hostfile import HostFile, parse_host_file, parse_local_settings
from engine.localhost.journal import Journal
from engine.localhost.links import Links
from engine.localhost.management import Management
from engine.localhost.pump import Pump
from engine.localhost.timers import Timers
from engine.localhost.web import BODY_BYTES, Web
from engine.localhost.worker import Worker

ANSWER_S = 1.0
"""How long HTTP calls under way may take to answer once the host stops."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; paths are absolute, no state file means memory."""

    app: Path
    port: int
    state: Path | None
    timers: bool
    stop_after_s: float


class Trouble:
    """The first thing that went wrong on a thread that nobody awaits."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._found = asyncio.Queue[Exception](1)

    def report(self, error: Exception) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._put, error)

    async def watch(self) -> None:
        """Raise what is reported; never return."""
        raise await self._found.get()

    def _put(self, error: Exception) -> None:
        if not self._found.full():
            self._found.put_nowait(error)


async def serve(options: Options) -> None:
    """Host the app until SIGINT or SIGTERM. Raises HostError, or what broke, in an exception group."""
    stop = catch_signals()
    with bind(options.port) as listener:
        host_file = prepare(options.app)
        worker = Worker()
        await worker.start(options.app)
        pump, trouble = Pump(worker, host_file), Trouble()
        backend = Backend(Journal(options.state), worked=pump.ring, broken=trouble.report)
        try:
            links = Links(url_of(listener), backend.start(), host_file.hub)
            timers = Timers(worker, links, env=os.environ)
            site = Web(worker, links, timers=timers, prefix=host_file.route_prefix)
            watched = [trouble.watch(), timers.run()] if options.timers else [trouble.watch()]
            async with answering(listener, Management(links, pump.orchestrators), site=site) as answers:
                announce(links.base, worker)
                async with watching(watched), pumping(pump, backend, stop_after_s=options.stop_after_s):
                    await stop.wait()
                    await answers.stop()
        finally:
            backend.close()
            worker.stop()


@asynccontextmanager
async def watching(watched: Iterable[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run these beside the block, which ends early if one of them raises; cancel them at its end."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in watched]
        yield
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def pumping(pump: Pump, backend: Backend, *, stop_after_s: float) -> AsyncIterator[None]:
    """Run the pump beside the block, and give what it runs at the block's end so many seconds."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(pump.run(backend))
        yield
        pump.stop_feeding()
        await asyncio.wait([task], timeout=stop_after_s)
        task.cancel()


def catch_signals() -> asyncio.Event:
    """Set at the first SIGINT or SIGTERM; the second does what it does by default."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def caught() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, caught)
    return stop


def bind(port: int) -> socket.socket:
    """A socket that listens on loopback; 0 picks a free port. Raises HostError."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise HostError(f"port {port} of 127.0.0.1 cannot be used: {error.strerror}") from error


def url_of(listener: socket.socket) -> str:
    """Where a listening socket is reached over HTTP."""
    address, port = listener.getsockname()
    return f"http://{address}:{port}"


def prepare(app: Path) -> HostFile:
    """Make this process the app's: its settings, its folder, its imports. Raises HostError."""
    settings = app / "local.settings.json"
    if settings.exists():
        for name, value in parse_local_settings(settings.read_text()).items():
            os.environ.setdefault(name, value)
    try:
        host_file = parse_host_file((app / "host.json").read_text(), os.environ)
    except OSError as error:
        raise HostError(f"{error.filename} cannot be read: {error.strerror}") from error
    os.environ.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
    os.environ.setdefault("PYTHON_THREADPOOL_THREAD_COUNT", str(host_file.threads))
    os.chdir(app)
    sys.path.insert(0, str(app))
    return host_file


@asynccontextmanager
async def answering(listener: socket.socket, management: Management, *, site: Web) -> AsyncIterator[web.SockSite]:
    """Answer HTTP on the socket inside the block, or until what it gives is stopped."""
    application = web.Application(client_max_size=BODY_BYTES)
    management.add_to(application.router)
    site.add_to(application.router)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=ANSWER_S)
    await runner.setup()
    try:
        answers = web.SockSite(runner, listener)
        await answers.start()
        yield answers
    finally:
        await runner.cleanup()
        await management.close()


def announce(url: str, worker: Worker) -> None:
    """Tell whoever started us that calls are answered from now on: one line of JSON on stdout."""
    print(json.dumps({"ready": True, "url": url, "functions": sorted(worker.functions)}), flush=True)
