"""Where everything of a run lies in the store: one function per kind of blob, nowhere else a key is put together.

    runs/{run id}/spec.json, plan.json, plan/{piece}.json       written once
    runs/{run id}/attempts/{attempt}.json                       what an attempt found left to do, written once
    runs/{run id}/batches/{batch}/claim.json                    who drives the batch
    runs/{run id}/batches/{batch}/progress, windows,
                                  checkpoint, result            under the claim's fence
    runs/{run id}/batches/{batch}/pieces/{token}-{number}       parts of the batch's timeline, each written once
    runs/{run id}/merged                                        what the whole run measured, written when it is closed
    runs/{run id}/waves/{wave}/start-{attempt}.json             when the wave's load begins
    runs/{run id}/launches/{attempt}-{wave}-{number}            that workers were started
    runs/{run id}/cleanups/{number}/{part}                      what a clean-up of the run's devices measured
    states/{run id}.json                                        the run's state, cancel flag included
    recent/{newest first}.{run id}                              empty; the order in which runs are listed
    schedules/{name}.json                                       what is started when, and what became of it
    {counters}/{device prefix}.json                             which device names are taken
    {devices}/{device prefix}/{first}-{count}/{name}            what devices keep between runs

Numbers are padded, so that the order of the keys is the order of the numbers.
"""

import re

_RUN_ID = re.compile(r"[a-z0-9-]{4,64}")
_SCHEDULE_NAME = re.compile(r"[a-z0-9-]{1,40}")
_DEVICE_PREFIX = re.compile(r"[a-z0-9._:-]{1,100}")
_WORD = re.compile(r"[A-Za-z0-9._:-]*[A-Za-z0-9_:-]")
_SPAN = re.compile(r"(?:.*/)?(\d{13})-(\d{6})/[^/]+")
_FAR_MS = 10**13 - 1
"""The year 2286 in milliseconds; what is left until then sorts the newest run first."""

RECENT = "recent/"
"""What the keys of `recent_key` begin with."""

SCHEDULES = "schedules/"
"""What the keys of `schedule_key` begin with."""


def spec_key(run_id: str) -> str:
    """The spec as it was posted, with its defaults filled in."""
    return f"{run_prefix(run_id)}spec.json"


def plan_key(run_id: str) -> str:
    """The plan's outline: how many batches and when its clock starts, written once before anything starts."""
    return f"{run_prefix(run_id)}plan.json"


def plan_piece_key(run_id: str, piece: int) -> str:
    """Some of the plan's batches, with their device names."""
    return f"{run_prefix(run_id)}plan/{piece:04d}.json"


def attempt_key(run_id: str, attempt: int) -> str:
    """What an attempt of the run found left to do."""
    return f"{run_prefix(run_id)}attempts/{attempt:04d}.json"


def merged_key(run_id: str) -> str:
    """What the whole run measured."""
    return f"{run_prefix(run_id)}merged"


def cleaning_key(run_id: str, number: int, part: int) -> str:
    """What a part of a clean-up measured."""
    return f"{cleaning_prefix(run_id, number)}{part:06d}"


def cleaning_prefix(run_id: str, number: int) -> str:
    """What the keys of all parts of a clean-up begin with."""
    return f"{run_prefix(run_id)}cleanups/{number:04d}/"


def summary_key(run_id: str, name: str) -> str:
    """A closing document of the run, such as `summary.json` or `report.md`."""
    return f"{run_prefix(run_id)}results/{_word(name)}"


def is_run_id(text: str) -> bool:
    """Whether a run may be called so."""
    return _RUN_ID.fullmatch(text) is not None


def run_prefix(run_id: str) -> str:
    """What all keys of a run begin with, but for its state's and its place in the list."""
    return f"runs/{_run_word(run_id)}/"


def state_key(run_id: str) -> str:
    """The run's state, cancel flag included."""
    return f"states/{_run_word(run_id)}.json"


def recent_key(run_id: str, created: float) -> str:
    """An empty blob whose place among its like is the run's place in the list; created is wall seconds."""
    return f"{RECENT}{_FAR_MS - round(created * 1000):013d}.{_run_word(run_id)}"


def parse_recent_key(key: str) -> str:
    """The run id in a key made by `recent_key`."""
    return key.removeprefix(RECENT).partition(".")[2]


def parse_recent_at(key: str) -> float:
    """When the run in a key made by `recent_key` was created, wall seconds."""
    return (_FAR_MS - int(key.removeprefix(RECENT).partition(".")[0])) / 1000


def schedule_key(name: str) -> str:
    """What is started when, under this name."""
    return f"{SCHEDULES}{_checked(_SCHEDULE_NAME, name)}.json"


def parse_schedule_key(key: str) -> str:
    """The name in a key made by `schedule_key`."""
    return key.removeprefix(SCHEDULES).removesuffix(".json")


def claim_key(run_id: str, batch: int) -> str:
    """Who drives the batch, and until when."""
    return f"{_batch_prefix(run_id, batch)}claim.json"


def progress_key(run_id: str, batch: int) -> str:
    """How far the batch has come, for people who watch."""
    return f"{_batch_prefix(run_id, batch)}progress"


def windows_key(run_id: str, batch: int) -> str:
    """What the run is judged by while it goes on."""
    return f"{_batch_prefix(run_id, batch)}windows"


def piece_key(run_id: str, batch: int, token: int, number: int) -> str:
    """A part of the batch's timeline that the holder with that token archived."""
    return f"{_batch_prefix(run_id, batch)}pieces/{token:06d}-{number:06d}"


def checkpoint_key(run_id: str, batch: int) -> str:
    """What the batch needs to go on after its process died."""
    return f"{_batch_prefix(run_id, batch)}checkpoint"


def result_key(run_id: str, batch: int) -> str:
    """What the batch measured, whole."""
    return f"{_batch_prefix(run_id, batch)}result"


def is_result_key(key: str) -> bool:
    """Whether the key was made by `result_key`."""
    return key.endswith("/result")


def batches_prefix(run_id: str) -> str:
    """What the keys of everything that the run's batches left begin with."""
    return f"{run_prefix(run_id)}batches/"


def start_key(run_id: str, wave: int, attempt: int) -> str:
    """When the wave's load begins in an attempt of the run."""
    return f"{run_prefix(run_id)}waves/{wave:04d}/start-{attempt:04d}.json"


def launch_key(run_id: str, attempt: int, wave: int, number: int) -> str:
    """That workers were started for the number-th time in a wave."""
    return f"{launches_prefix(run_id, attempt)}{wave:04d}-{number:03d}"


def launches_prefix(run_id: str, attempt: int) -> str:
    """What the keys of all launches of an attempt begin with; they sort in the order of the launches."""
    return f"{run_prefix(run_id)}launches/{attempt:04d}-"


def counter_key(counter_prefix: str, device_prefix: str) -> str:
    """Which names of the device prefix are taken, and by whom."""
    return f"{_words(counter_prefix)}/{_checked(_DEVICE_PREFIX, device_prefix)}.json"


def devices_prefix(data_prefix: str, device_prefix: str) -> str:
    """What the keys of all device state under the device prefix begin with.

    No word of a key may end in a dot (blob naming rules, and `..` is a folder's parent): a prefix that ends in
    `.` or `_` gets a `_` more, so that two prefixes never meet.
    Source: Azure Storage, "Naming and Referencing Containers, Blobs, and Metadata", "Blob names".
    """
    prefix = _checked(_DEVICE_PREFIX, device_prefix)
    return f"{_words(data_prefix)}/{prefix + '_' if prefix[-1] in '._' else prefix}/"


def device_state_key(data_prefix: str, device_prefix: str, *, first: int, count: int, name: str) -> str:
    """State called name of the `count` devices from index first on."""
    return f"{devices_prefix(data_prefix, device_prefix)}{first:013d}-{count:06d}/{_word(name)}"


def parse_device_state_key(key: str) -> tuple[int, int] | None:
    """First index and count of the devices whose state the key holds, None when it is no such key."""
    found = _SPAN.fullmatch(key)
    return (int(found[1]), int(found[2])) if found else None


def _batch_prefix(run_id: str, batch: int) -> str:
    return f"{batches_prefix(run_id)}{batch:06d}/"


def _run_word(run_id: str) -> str:
    return _checked(_RUN_ID, run_id)


def _words(text: str) -> str:
    return "/".join(_word(word) for word in text.split("/"))


def _word(text: str) -> str:
    return _checked(_WORD, text)


def _checked(pattern: re.Pattern[str], text: str) -> str:
    """The text, which callers have checked long before: anything else would be a key nobody expects."""
    if not pattern.fullmatch(text):
        raise ValueError(f"{text!r} cannot be part of a key: expected {pattern.pattern}")
    return text
