"""A clean-up's activities, over a store in memory and the emulator's service in virtual time."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from doubles.drive import GROUP_KEY, World
from doubles.failing_store import FailingStore
from doubles.loopback import WEB_HOST
from doubles.means import contents, deliver, local_targets, make_means, plan
from engine.device.bundle import Bundle
from engine.errors import SettingsError, StoreUnavailable
from engine.plan.target import Targets, parse_targets
from engine.protocol import adr
from engine.run import cleanup, pool, state
from engine.run.cleanup import clean_part, end_cleaning, figures, plan_cleaning
from engine.run.closing import close_run
from engine.run.files import read_plan
from engine.run.home import DeviceState, Span
from engine.run.means import Means

ORDER = {"runId": "run-a", "attempt": 1}
KEY = "counter/device-.json"
SPEC: dict[str, Any] = {
    "scenario": "cert-renewal",
    "devices": {"count": 6},
    "execution": {"batchSize": 2},
    "cleanup": "delete",
}
NAMESPACE = adr.Namespace("local", "local", "local", "local", f"https://{WEB_HOST}:8883")


class Ground:
    """Means whose wire ends in the emulator's service, and a run of three batches that has ended."""

    def __init__(self, spec: Any = SPEC, *, outcome: dict[str, Any] | None = None, **changes: Any) -> None:
        self.world = World()
        fields = {
            "clock": self.world.clock,
            "targets": local_targets({"host": WEB_HOST, "port": 8883, "idScope": "0ne00000001"}),
            "wire": lambda _clock, _ca, _tls: self.world.wire,
            "tokens": lambda _target: lambda: adr.local_token(GROUP_KEY),
        }
        self.means: Means = make_means(**{**fields, **changes})
        plan(self.means, "run-a", spec)
        for batch in range(3):
            deliver(self.means, "run-a", batch, **(outcome or {}))

    def keep(self, *indexes: int, first: int = 0, count: int = 10, name: str = "0-blob") -> None:
        """Devices that have state, in one blob."""
        kept = [Bundle(f"device-{index}", "hub", b"key", (b"leaf",)) for index in indexes]
        DeviceState(self.means.store, "data", "device-", self.means.wrapping_key).add(Span(first, count), name, kept)

    def known(self) -> list[int]:
        """The devices that have state."""
        spans = DeviceState(self.means.store, "data", "device-", self.means.wrapping_key).known([Span(0, 100)])
        return [span.first + n for span in spans for n in range(span.count)]

    def clean(self) -> dict[str, Any]:
        """All activities of a clean-up, in their order; what the last one was told."""
        found = plan_cleaning(ORDER, self.means)
        receipts = [clean_part({**ORDER, **part}, self.means) for part in found["parts"]]
        told = {
            "deleted": sum(one["deleted"] for one in receipts),
            "left": found["left"] + sum(one["left"] for one in receipts),
            "why": next((one["why"] for one in receipts if one["why"]), found["refused"]),
        }
        end_cleaning({**ORDER, **told}, self.means)
        return told

    @property
    def run(self) -> state.RunState:
        return state.read_state(self.means.store, "run-a")

    def held(self) -> list[tuple[int, int]]:
        """What the run holds of the pool."""
        return [(one.first, one.count) for one in pool.holdings(self.means.store, KEY, "run-a")]

    def enlist(self, *indexes: int) -> None:
        """The registry holds these devices."""
        for index in indexes:
            request = adr.create(NAMESPACE, f"device-{index}", adr.local_token(GROUP_KEY))
            assert self.world.service.call((), request, self.world.wire.wall()).status == 201

    def enlisted(self) -> list[int]:
        """The devices that the registry holds."""
        asks = (adr.get(NAMESPACE, f"device-{index}", adr.local_token(GROUP_KEY)) for index in range(6))
        answers = [self.world.service.call((), ask, self.world.wire.wall()) for ask in asks]
        return [index for index, answer in enumerate(answers) if answer.status == 200]


def test_closing_begins_the_clean_up_that_the_spec_asks_for() -> None:
    """The receipt says so, the state too, and the names stay the run's meanwhile."""
    ground = Ground()
    assert close_run(ORDER, ground.means) == {"verdict": "passed", "exitCode": 0, "cleans": True}
    assert close_run(ORDER, ground.means)["cleans"]
    assert ground.run.cleaning == state.Cleaning(1, ground.means.clock.wall() + state.CLEANS_FOR_S)
    assert ground.held() == [(0, 6)]
    shown = figures(ground.run, ground.means)
    assert shown is not None
    assert (shown["isOver"], shown["endedAt"]) == (False, None)


@pytest.mark.parametrize(
    ("word", "mismatch", "cleans"),
    [
        ("keep", "", False),
        ("delete", "", True),
        ("delete", "the sums do not agree", True),
        ("delete-on-pass", "", True),
        ("delete-on-pass", "the sums do not agree", False),
    ],
)
def test_verdict_decides_only_where_the_spec_says_so(word: str, mismatch: str, cleans: bool) -> None:
    """What is not cleaned up is let go at once."""
    ground = Ground({**SPEC, "cleanup": word}, outcome={"mismatch": mismatch})
    assert ("cleans" in close_run(ORDER, ground.means)) is cleans
    assert (ground.run.cleaning is not None) is cleans
    assert (ground.held() == []) is not cleans


def test_nothing_is_left_of_the_devices_and_the_names_are_used_up() -> None:
    """No blob of state, nothing in the registry, a free pool without state; and it is written down."""
    ground = Ground()
    ground.keep(0, 1, 5)
    ground.keep(2, name="1-blob")
    ground.enlist(0, 3)
    close_run(ORDER, ground.means)
    assert ground.clean() == {"deleted": 6, "left": 0, "why": ""}
    assert [key for key in contents(ground.means.store) if key.startswith("data/")] == []
    assert (ground.enlisted(), ground.held()) == ([], [])
    found = pool.allot(ground.means.store, KEY, "run-b", 6, pool.Source.REUSE_OR_CREATE, until=9e9, now=0.0)
    assert [(one.first, one.count, one.stored) for one in found] == [(6, 6, False)]
    assert ground.run.cleaning is not None
    assert (ground.run.cleaning.deleted, ground.run.cleaning.left, ground.run.warnings) == (6, 0, ())
    shown = figures(ground.run, ground.means)
    assert shown is not None
    assert shown["isOver"]
    assert shown["operations"]["state.delete"]["ok"] == 2
    assert shown["operations"]["adr.delete"]["ok"] == 6
    assert shown["operations"]["adr.delete"]["p95"] > 0


def test_state_of_other_devices_stays() -> None:
    """One blob may hold the run's devices and others': it loses only the former."""
    ground = Ground()
    ground.keep(0, 5, 6, 50, count=100)
    ground.keep(70, first=70, count=5)
    close_run(ORDER, ground.means)
    ground.clean()
    assert ground.known() == [6, 50, 70]


def test_clean_up_again_is_harmless() -> None:
    """Any activity that is called again after it did its work, also after the end."""
    ground = Ground()
    ground.keep(0, 1)
    close_run(ORDER, ground.means)
    (part,) = plan_cleaning(ORDER, ground.means)["parts"]
    assert part == plan_cleaning(ORDER, ground.means)["parts"][0]
    receipt = clean_part({**ORDER, **part}, ground.means)
    assert clean_part({**ORDER, **part}, ground.means) == receipt == {"deleted": 6, "left": 0, "why": ""}
    end_cleaning({**ORDER, "deleted": 6, "left": 0, "why": ""}, ground.means)
    before = contents(ground.means.store) | contents(ground.means.results)
    assert clean_part({**ORDER, **part}, ground.means) == {"deleted": 0, "left": 0, "why": ""}
    assert end_cleaning({**ORDER, "deleted": 0, "left": 6, "why": "x"}, ground.means) == {"cleaned": False}
    assert plan_cleaning(ORDER, ground.means)["parts"] == []
    assert contents(ground.means.store) | contents(ground.means.results) == before


@pytest.mark.parametrize("after", range(1, 30))
def test_clean_up_that_failed_half_way_is_finished_by_the_next_try(after: int) -> None:
    """Wherever the store went away, all of it again comes to the same end."""
    ground = Ground()
    ground.keep(0, 1)
    ground.keep(4, 50, count=100)
    close_run(ORDER, ground.means)
    means, ground.means = ground.means, replace(ground.means, store=FailingStore(ground.means.store, after=after))
    with suppress(StoreUnavailable):
        ground.clean()
    ground.means = means
    if ground.run.is_cleaning(means.clock.wall()):
        ground.clean()
    assert ground.known() == [50]
    assert ground.held() == []
    assert ground.run.cleaning is not None
    assert ground.run.cleaning.deleted == 6


def test_devices_that_another_run_has_by_now_are_not_touched() -> None:
    """They are counted as left, the state says why, and the verdict is what it was."""
    ground = Ground()
    ground.keep(0, 1)
    close_run(ORDER, ground.means)
    pool.release(ground.means.store, KEY, "run-a", [pool.Range(0, 2)])
    pool.allot(ground.means.store, KEY, "run-b", 1, pool.Source.STORED_ONLY, until=9e9, now=0.0)
    assert ground.clean() == {"deleted": 0, "left": 6, "why": "devices 0 to 0 are held by run run-b"}
    assert ground.known() == [0, 1]
    assert ground.run.verdict == "passed"
    assert ground.run.warnings[-1].startswith("clean-up: 6 devices may have left something: devices 0 to 0 are held")
    assert [one.holder for one in pool.holdings(ground.means.store, KEY, "run-b")] == ["run-b"]


def test_part_whose_names_were_lost_since_the_plan_is_not_touched() -> None:
    """Every part takes its names itself: the plan may be hours old."""
    ground = Ground()
    ground.keep(0, 1)
    close_run(ORDER, ground.means)
    (part,) = plan_cleaning(ORDER, ground.means)["parts"]
    pool.release(ground.means.store, KEY, "run-a", [pool.Range(0, 2)])
    pool.allot(ground.means.store, KEY, "run-b", 1, pool.Source.STORED_ONLY, until=9e9, now=0.0)
    assert clean_part({**ORDER, **part}, ground.means)["left"] == 6
    assert ground.known() == [0, 1]


REGISTRY = {**SPEC, "scenario": "adr-patch", "devices": {"count": 6, "prefix": "device-"}}


@pytest.mark.parametrize(
    ("outcome", "left"),
    [({}, [0, 5]), ({"uncleaned": 1}, []), ({"stop": "store-unavailable"}, [])],
)
def test_what_the_batches_deleted_is_not_asked_for_again(outcome: dict[str, Any], left: list[int]) -> None:
    """Only of batches that say they did all of it: here none did, and the devices show who was believed."""
    ground = Ground(REGISTRY, outcome=outcome)
    ground.enlist(0, 5)
    close_run(ORDER, ground.means)
    ground.clean()
    assert ground.enlisted() == left


def test_registry_devices_that_are_left_stay_known() -> None:
    """The next run may reuse them: only the registry knows which."""
    ground = Ground(REGISTRY, outcome={"uncleaned": 6}, tokens=lambda _target: lambda: "nobody's")
    close_run(ORDER, ground.means)
    told = ground.clean()
    assert (told["left"], told["why"]) == (6, "the services did not do it: unauthorized InvalidAuthenticationToken")
    found = pool.allot(ground.means.store, KEY, "run-b", 6, pool.Source.STORED_ONLY, until=9e9, now=0.0)
    assert [(one.first, one.count) for one in found] == [(0, 6)]


def test_missing_token_leaves_the_devices_but_not_their_state() -> None:
    """The setting is named, and nothing of what it holds."""

    def no_token(_target: Any) -> Any:
        raise SettingsError({"AZURE_CLIENT_ID": "a text that may hold a secret"})

    ground = Ground(tokens=no_token)
    ground.keep(0)
    close_run(ORDER, ground.means)
    assert ground.clean() == {"deleted": 0, "left": 6, "why": "settings are missing or wrong: AZURE_CLIENT_ID"}
    assert ground.known() == []


def test_target_that_is_gone_leaves_everything() -> None:
    """Nobody knows where the devices were."""
    ground = Ground()
    close_run(ORDER, ground.means)
    ground.means = replace(ground.means, targets=replace(ground.means.targets, by_name={}))
    told = ground.clean()
    assert (told["left"], "no target profile" in told["why"]) == (6, True)
    assert ground.held() == []


def staging() -> Targets:
    """A target that is not the emulator."""
    dps = {"host": "dps.example", "idScope": "0ne1", "secret": "staging-group-key"}
    profiles = {"staging": {"dps": [dps], "hubs": ["hub.example"]}}
    return parse_targets(json.dumps(profiles), allowed_hosts=("*.example",))


def test_notes_say_what_stays_at_the_services() -> None:
    """A target without a service API: its registrations are left to their owner."""
    ground = Ground({**SPEC, "target": "staging"}, targets=staging())
    close_run(ORDER, ground.means)
    ground.clean()
    assert ground.run.cleaning is not None
    assert ground.run.cleaning.notes == (
        "registrations at dps.example stay: the profile names no serviceHost there",
        "device identities in the hubs stay: they are left to the hubs' owner",
    )
    assert ground.run.warnings == ()


def test_parts_are_a_partition_of_the_batches() -> None:
    """None is larger than it may be, unless it is one batch."""
    ground = Ground()
    batches = read_plan(ground.means.store, "run-a").plan.batches * 90
    parts = list(cleanup._parts(batches))
    found = [(one["first"], one["count"], one["devices"]) for one in parts]
    assert found == [(0, 100, 200), (100, 100, 200), (200, 70, 140)]
    large = [batch.model_copy(update={"devices": 12_000}) for batch in batches[:3]]
    assert [(one["first"], one["count"]) for one in cleanup._parts(large)] == [(0, 1), (1, 1), (2, 1)]
    assert list(cleanup._parts([])) == []
