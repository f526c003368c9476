"""A run from its spec to its documents, by asking the host: patient with it, and stoppable."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from engine.cli.client import DOCUMENTS, FINISHED, Api
from engine.cli.errors import CommandFailed, Refused, Unreachable
from engine.cli.screen import Screen
from engine.cli.transport import Json
from engine.ports import Clock

PATIENCE_S: Final = 30.0
"""How long a host may be away, or its storage, before that is the end."""

AGAIN_S: Final = 1.0
LOOK_EVERY_S: Final = 1.0
CLEARED_WITHIN_S: Final = 60.0
"""How long runs that were left behind may take to drain."""

_SLICE_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Watch:
    """What following takes. asked counts wishes to stop; check raises when there is no point in asking on."""

    api: Api
    clock: Clock
    screen: Screen
    asked: Callable[[], int] = lambda: 0
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Ended:
    """A finished run: its last view, and its documents by name, none when there are no results."""

    view: Json
    documents: Mapping[str, bytes]


def clear(watch: Watch) -> None:
    """Cancel what a command that was killed has left unfinished: its load would be measured too. Raises Unreachable.

    What takes longer than CLEARED_WITHIN_S goes on, and that is said.
    """
    left = persist(watch, watch.api.live_runs)
    for run_id in left:
        watch.screen.say(f"run {run_id} was left unfinished by an earlier command: cancelling it")
        cancel(watch, run_id)
    give_up = watch.clock.now() + CLEARED_WITHIN_S
    while left and (left := persist(watch, watch.api.live_runs)) and not watch.asked():
        if watch.clock.now() >= give_up:
            watch.screen.say(f"run {', '.join(left)} still drains: its load disturbs this run's")
            return
        _pause(watch, is_cancelled=False)


def post(watch: Watch, spec: bytes, run_id: str | None) -> Json:
    """The answer to a new run. Raises Refused, Unreachable.

    Without a run id it is not asked twice once it may have arrived.
    """
    if run_id is None:
        return watch.api.post_run(spec, None)
    return persist(watch, lambda: watch.api.post_run(spec, run_id))


def see_through(watch: Watch, run_id: str) -> Ended:
    """The run, once it is finished. Raises Refused, Unreachable."""
    return Ended(follow(watch, run_id), collect(watch, run_id))


def follow(watch: Watch, run_id: str) -> Json:
    """The run's last view, once it is finished and cleaned up; a wish to stop cancels it first, and does not wait for a
    clean-up. Raises Refused, Unreachable."""
    is_cancelled = False
    while True:
        view = persist(watch, lambda: watch.api.look(run_id))
        watch.screen.show(view)
        if view.get("state") == FINISHED and (watch.asked() or _is_clean(view)):
            return view
        if watch.asked() and not is_cancelled:
            is_cancelled = True
            watch.screen.say("cancelling: what is under way may end, nothing new begins; once more ends at once")
            cancel(watch, run_id)
        _pause(watch, is_cancelled=is_cancelled)


def cancel(watch: Watch, run_id: str) -> None:
    """Cancel the run; one that is past that is left alone. Raises Refused, Unreachable."""
    try:
        persist(watch, lambda: watch.api.cancel(run_id))
    except Refused as refused:
        if refused.status != 409:
            raise


def collect(watch: Watch, run_id: str) -> Mapping[str, bytes]:
    """The run's documents by name; empty for a run that has none. Raises Refused, Unreachable."""
    try:
        return {name: persist(watch, partial(watch.api.document, run_id, name)) for name in DOCUMENTS}
    except Refused as refused:
        if refused.status != 404:
            raise
        return {}


def write_out(folder: Path, documents: Mapping[str, bytes]) -> None:
    """Write the documents into the folder, which is made if need be. Raises CommandFailed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in documents.items():
            (folder / name).write_bytes(body)
    except OSError as error:
        raise CommandFailed(f"the results cannot be written to {folder}: {error.strerror or error}") from error


def persist[Found](watch: Watch, ask: Callable[[], Found]) -> Found:
    """What ask gives, tried again for PATIENCE_S while the host or its storage is away."""
    give_up: float | None = None
    while True:
        try:
            return ask()
        except Unreachable as error:
            watch.check()
            now = watch.clock.now()
            if give_up is None:
                give_up = now + PATIENCE_S
                watch.screen.say(f"{error}; trying for {PATIENCE_S:g} s")
            if now >= give_up:
                raise Unreachable(f"{error}; gave up after {PATIENCE_S:g} s") from error
            watch.clock.sleep(AGAIN_S)


def _is_clean(view: Json) -> bool:
    """Whether no clean-up goes on: whoever follows may be about to end the services that carry it out."""
    return bool((view.get("cleanup") or {}).get("isOver", True))


def _pause(watch: Watch, *, is_cancelled: bool) -> None:
    """Wait until it is time to look again; a wish to stop that is new ends the wait."""
    watch.check()
    for _ in range(round(LOOK_EVERY_S / _SLICE_S)):
        if watch.asked() and not is_cancelled:
            return
        watch.clock.sleep(_SLICE_S)
