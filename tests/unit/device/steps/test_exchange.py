"""One exchange: answered, unanswered, too late, or left open by an earlier story."""

import pytest

from doubles.drive import Puppet
from engine.device.script import Begin, End
from engine.device.steps.exchange import exchange
from engine.errors import Failure, Outcome
from engine.measure.operation import Operation, Phase
from engine.protocol import http, mqtt

REQUEST = http.Request("GET", "https://web.example/")


def ask(device):
    """A story of one request, given up after five seconds."""
    began = yield Begin(Operation.HTTP_GET, 5.0)
    answer = yield from exchange(device, REQUEST, began + 5.0)
    yield End(Operation.HTTP_GET, parts=(("status", float(answer.response.status)),))


@pytest.fixture
def made():
    """A puppet that has asked."""
    puppet = Puppet(ask, main=Operation.HTTP_GET)
    puppet.start()
    assert puppet.take() == [REQUEST]
    return puppet


def ended(made):
    """The one sample, once the puppet is idle."""
    assert not made.session.is_busy
    return next(s for s in made.session.drain_log().samples if s.series.operation is Operation.HTTP_GET)


def test_answer_is_given_whatever_it_says(made):
    """A refusal too: what it means is for others to say. A message on the way is not lost."""
    made.receive("a/topic", b"")
    made.hear(lambda at: mqtt.Disconnected(at, True))
    made.respond(503)
    assert ended(made).parts == (("status", 503.0),)
    assert not made.device.asking


def test_no_answer_is_the_wires_failure(made):
    """With its outcome and code; nothing is left to give up."""
    made.hear(lambda at: http.Unanswered(at, Failure(Outcome.NETWORK, "ECONNREFUSED")))
    sample = ended(made)
    assert (sample.outcome, sample.code) == (Outcome.NETWORK, "ECONNREFUSED")
    assert made.take() == []
    assert not made.device.asking


def test_overdue_answer_is_given_up(made):
    """The request is abandoned, and that is a time-out."""
    made.expire()
    assert ended(made).outcome is Outcome.TIMEOUT
    assert made.now == 5.0
    assert made.take() == [http.Abandon()]
    assert not made.device.asking


def test_request_that_was_left_open_is_given_up_first(made):
    """A story that was stopped leaves its request: the next one begins by abandoning it."""
    made.session.stop(made.now)
    made.start(phase=Phase.DRAIN)
    assert made.take() == [http.Abandon(), REQUEST]
