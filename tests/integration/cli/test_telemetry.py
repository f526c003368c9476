"""The end of a run's telemetry, awaited in a file that grows."""

import json
from collections.abc import Iterable

import pytest

from doubles.clock import VirtualClock
from doubles.envelopes import event, line
from engine.cli.follow import Ended
from engine.cli.telemetry import LOOK_EVERY_S, NAME, QUIET_S, WITHIN_S, settle, with_telemetry

FINISHED = event("loadtest.run", status="finished")


def texts(*items):
    """Items as lines of the file."""
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


class Writing(VirtualClock):
    """A clock on which every wait lets one more piece come into the file."""

    def __init__(self, file, pieces: Iterable[bytes]) -> None:
        super().__init__()
        self.file, self.pieces = file, iter(pieces)

    def sleep(self, for_s: float) -> None:
        """Let time pass, and the next piece arrive."""
        super().sleep(for_s)
        with self.file.open("ab") as file:
            file.write(next(self.pieces, b""))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "items.jsonl"


def test_last_items_are_waited_for(file):
    """What comes in pieces is whole in the end, and nothing is waited for after the run's end but one more look."""
    last = texts(FINISHED, event("loadtest.interval"))
    clock = Writing(file, [texts(event("loadtest.interval")), b"", last[:100], last[100:]])
    assert b"\n".join([*settle(file, "r-1", clock), b""]) == texts(event("loadtest.interval")) + last
    assert clock.now() == pytest.approx(5 * LOOK_EVERY_S)


def test_run_that_does_not_tell_its_end_is_waited_for_until_it_is_quiet(file):
    """Its last event was lost on the way."""
    clock = Writing(file, [texts(event("loadtest.interval"))])
    assert len(settle(file, "r-1", clock)) == 1
    assert QUIET_S <= clock.now() <= QUIET_S + 3 * LOOK_EVERY_S


def test_file_that_is_never_quiet_is_left_after_a_while(file):
    """Another run goes on beside this one."""
    clock = Writing(file, iter(lambda: texts(event("loadtest.interval", "r-2")), None))
    assert settle(file, "r-1", clock) == []
    assert WITHIN_S <= clock.now() <= WITHIN_S + 2 * LOOK_EVERY_S


def test_items_are_a_document_of_the_run(file):
    """Those of this run, as they were sent."""
    file.write_bytes(texts(event("a"), event("b", "r-2"), line("c"), FINISHED))
    ended = Ended({"runId": "r-1"}, {"summary.json": b"{}"})
    found = with_telemetry(ended, file, VirtualClock())
    assert found.documents == {"summary.json": b"{}", NAME: texts(event("a"), FINISHED)}


@pytest.mark.parametrize("is_kept", [True, False])
def test_run_without_results_or_elsewhere_has_no_such_document(file, is_kept):
    """Nothing is waited for then."""
    ended = Ended({"runId": "r-1"}, {} if is_kept else {"summary.json": b"{}"})
    clock = VirtualClock()
    assert with_telemetry(ended, file if is_kept else None, clock) == ended
    assert clock.now() == 0


def test_file_that_cannot_be_read_has_no_items(file):
    """A run is not lost because of that."""
    assert settle(file, "r-1", VirtualClock()) == []
