"""A run followed, from a host that answers by a script."""

import pytest

from doubles.clock import VirtualClock
from engine.cli.errors import ChildDied, CommandFailed, Refused, Unreachable
from engine.cli.follow import PATIENCE_S, Watch, clear, collect, follow, post, write_out

AWAY = Unreachable("http://127.0.0.1:1 does not answer: refused")
RUNNING, FINISHED = {"state": "running"}, {"state": "finished", "verdict": "passed"}


class Screen:
    """Remembers what it was shown and told."""

    def __init__(self):
        self.views, self.said = [], []

    def show(self, view):
        """See Screen of engine.cli.screen."""
        self.views.append(view)

    def say(self, text):
        """See Screen of engine.cli.screen."""
        self.said.append(text)


class Script:
    """An API that answers what it is given, in that order, the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.calls = list(answers), []

    def answer(self, *call):
        """The next answer; an error is raised."""
        self.calls.append(call)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        return found

    def look(self, run_id):
        """See Api."""
        return self.answer("look", run_id)

    def cancel(self, run_id):
        """See Api."""
        return self.answer("cancel", run_id)

    def post_run(self, spec, run_id):
        """See Api."""
        return self.answer("post", run_id)

    def document(self, run_id, name):
        """See Api."""
        return self.answer("document", name)

    def live_runs(self):
        """See Api."""
        return self.answer("live")


def watching(api, **more):
    """A watch whose clock costs no time."""
    return Watch(api, VirtualClock(), Screen(), **more)


def test_follow_shows_every_view_until_the_run_is_finished():
    """The last view is what it gives."""
    watch = watching(Script(RUNNING, RUNNING, FINISHED))
    assert follow(watch, "run-1") == FINISHED
    assert watch.screen.views == [RUNNING, RUNNING, FINISHED]


def test_follow_waits_until_the_devices_are_cleaned_up():
    """Whoever follows may be about to end the services; a wish to stop ends that wait, too."""
    cleaning = {**FINISHED, "cleanup": {"isOver": False}}
    cleaned = {**FINISHED, "cleanup": {"isOver": True}}
    assert follow(watching(Script(RUNNING, cleaning, cleaning, cleaned)), "run-1") == cleaned
    assert follow(watching(Script({**FINISHED, "cleanup": None})), "run-1") == {**FINISHED, "cleanup": None}
    assert follow(watching(Script(cleaning), asked=lambda: 1), "run-1") == cleaning


def test_wish_to_stop_cancels_once_and_waits_for_the_end():
    """The run drains, and is followed until it has."""
    api = Script(RUNNING, RUNNING, RUNNING, RUNNING, FINISHED)
    assert follow(watching(api, asked=lambda: 1), "run-1") == FINISHED
    assert [call[0] for call in api.calls] == ["look", "cancel", "look", "look", "look"]


def test_cancel_that_comes_too_late_is_no_error():
    """A run that merges already is left alone."""
    api = Script(RUNNING, Refused(409, "illegal-move", "a run that is merging cannot take cancel-asked"), FINISHED)
    assert follow(watching(api, asked=lambda: 1), "run-1") == FINISHED


def test_host_that_is_away_for_a_while_is_waited_for():
    """The people at the screen are told once."""
    watch = watching(Script(RUNNING, AWAY, AWAY, AWAY, FINISHED))
    assert follow(watch, "run-1") == FINISHED
    assert len(watch.screen.said) == 1


def test_host_that_stays_away_is_given_up():
    """After PATIENCE_S it is one clear error."""
    watch = watching(Script(RUNNING, AWAY))
    with pytest.raises(Unreachable, match="gave up after 30 s"):
        follow(watch, "run-1")
    assert PATIENCE_S <= watch.clock.now() <= PATIENCE_S + 3


def test_host_that_died_is_not_waited_for():
    """Its own end is the better message."""

    def check():
        raise ChildDied("the host ended by itself with code 1")

    with pytest.raises(ChildDied):
        follow(watching(Script(AWAY), check=check), "run-1")


def test_spec_without_an_id_is_posted_once():
    """It might have arrived, and then a second one would be a second run."""
    api = Script(AWAY)
    with pytest.raises(Unreachable):
        post(watching(api), b"{}", None)
    assert api.calls == [("post", None)]


def test_spec_with_an_id_may_be_posted_again():
    """The same id is the same run."""
    assert post(watching(Script(AWAY, {"runId": "run-1"})), b"{}", "run-1") == {"runId": "run-1"}


def test_leftover_runs_are_cancelled_and_waited_for():
    """A run of a command that was killed does not disturb the next one."""
    api = Script(["old-1"], {}, ["old-1"], [])
    watch = watching(api)
    clear(watch)
    assert [call[0] for call in api.calls] == ["live", "cancel", "live", "live"]
    assert "old-1 was left unfinished" in watch.screen.said[0]


def test_leftover_run_that_does_not_end_is_told():
    """The wait is bounded."""
    watch = watching(Script(["old-1"], {}, ["old-1"]))
    clear(watch)
    assert "still drains" in watch.screen.said[-1]


def test_nothing_left_over_takes_no_time():
    """A clean start is quick."""
    watch = watching(Script([]))
    clear(watch)
    assert watch.clock.now() == 0


def test_documents_are_collected_by_name():
    """All four of them."""
    documents = collect(watching(Script(b"a", b"b", b"c", b"d")), "run-1")
    assert documents == {"summary.json": b"a", "timeline.csv": b"b", "report.md": b"c", "report.html": b"d"}


def test_run_without_results_has_no_documents():
    """A run that never was planned leaves none."""
    assert collect(watching(Script(Refused(404, "not-found", "no results yet"))), "run-1") == {}


def test_documents_are_written_into_a_folder_of_their_own(tmp_path):
    """Folders are made as needed."""
    write_out(tmp_path / "out" / "run-1", {"report.md": b"# x"})
    assert (tmp_path / "out" / "run-1" / "report.md").read_bytes() == b"# x"


def test_folder_that_cannot_be_written_is_named(tmp_path):
    """The message says where."""
    (tmp_path / "out").write_text("a file")
    with pytest.raises(CommandFailed, match="cannot be written"):
        write_out(tmp_path / "out" / "run-1", {"report.md": b"# x"})
