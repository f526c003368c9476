"""Where everything of a run lies in the store: one function per kind of blob, nowhere else a key is put together.

    runs/{run id}/spec.json, plan.json                          written once
    runs/{run id}/batches/{batch}/claim.json                    who drives the batch
    runs/{run id}/batches/{batch}/progress, checkpoint, result  under the claim's fence
    runs/{run id}/waves/{wave}/start.json                       when the wave's load begins
    runs/{run id}/launches/{name}                               that workers were started, and how often a batch waited
    states/{run id}.json                                        the run's state, cancel flag included
    recent/{newest first}.{run id}                              empty; the order in which runs are listed
    {counters}/{device prefix}.json                             which device names are taken
    {devices}/{device prefix}/{first}-{count}/{name}            what devices keep between runs

Numbers are padded, so that the order of the keys is the order of the numbers.
"""

import re

_RUN_ID = re.compile(r"[a-z0-9-]{4,64}")
_DEVICE_PREFIX = re.compile(r"[a-z0-9._:-]{1,100}")
_WORD = re.compile(r"[A-Za-z0-9._:-]*[A-Za-z0-9_:-]")
_SPAN = re.compile(r"(?:.*/)?(\d{13})-(\d{6})/[^/]+")
_FAR_MS = 10**13 - 1
"""The year 2286 in milliseconds; what is left until then sorts the newest run first."""

RECENT = "recent/"
"""What the keys of `recent_key` begin with."""


def spec_key(run_id: str) -> str:
    """The spec as it was posted, with its defaults filled in."""
    return f"{run_prefix(run_id)}spec.json"


def plan_key(run_id: str) -> str:
    """The plan: batches, waves and device names, written once before anything starts."""
    return f"{run_prefix(run_id)}plan.json"


def summary_key(run_id: str, name: str) -> str:
    """A closing document of the run, such as `summary.json` or `report.md`."""
    return f"{run_prefix(run_id)}results/{_word(name)}"


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


def claim_key(run_id: str, batch: int) -> str:
    """Who drives the batch, and until when."""
    return f"{_batch_prefix(run_id, batch)}claim.json"


def progress_key(run_id: str, batch: int) -> str:
    """How far the batch has come, for people who watch."""
    return f"{_batch_prefix(run_id, batch)}progress"


def checkpoint_key(run_id: str, batch: int) -> str:
    """What the batch needs to go on after its process died."""
    return f"{_batch_prefix(run_id, batch)}checkpoint"


def result_key(run_id: str, batch: int) -> str:
    """What the batch measured, whole."""
    return f"{_batch_prefix(run_id, batch)}result"


def start_key(run_id: str, wave: int) -> str:
    """When the wave's load begins."""
    return f"{run_prefix(run_id)}waves/{wave:04d}/start.json"


def launch_key(run_id: str, name: str) -> str:
    """That workers were started, or how often a batch waited for one."""
    return f"{run_prefix(run_id)}launches/{_word(name)}"


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
    return f"{run_prefix(run_id)}batches/{batch:06d}/"


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
