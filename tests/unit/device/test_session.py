"""One session by hand: every ending of a script, and what it leaves behind."""

import math

import pytest

from doubles.drive import Puppet, assert_conserved, make_bundle, outcomes, settled
from engine.device.backoff import Backoff
from engine.device.log import Log
from engine.device.scenarios.renewal import CERT_RENEWAL
from engine.device.script import Begin, End, Lap, Mark, Pause, Retry, StepFailed, Unmatched, Wait
from engine.device.steps.connect import connect
from engine.device.steps.pause import hold
from engine.device.steps.publish import publish
from engine.errors import Failure, Outcome
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Series
from engine.protocol import credentials, http, mqtt

OP = Operation.CERT_ISSUED


def endless(device):
    """Wait for something that never comes."""
    yield Begin(OP, 10.0)
    yield Begin(Operation.STATE_SAVE, 10.0)
    while True:
        yield Wait(math.inf)


def puppet(*steps, **setup):
    """A puppet that has begun."""
    made = Puppet(*steps, bundle=make_bundle("d-0"), **setup)
    made.start()
    return made


def test_script_that_ends_leaves_nothing_open():
    """What it forgot to end is lost, and the device is idle."""
    made = puppet(forgetful)
    log = made.session.drain_log()
    assert outcomes(log) == {"cert.issued": ["lost"], "iteration": ["ok"]}
    assert not made.session.is_busy
    assert made.session.open_operations == ()
    assert_conserved(log)


def forgetful(device):
    """Begin and never end."""
    yield Begin(OP, 1.0)


def test_stop_cancels_what_is_in_time():
    """Neither the operation nor its iteration was lost."""
    made = puppet(endless)
    made.session.stop(5.0)
    assert outcomes(made.session.drain_log()) == {
        name: ["cancelled"] for name in ("iteration", "cert.issued", "state.save")
    }


def test_stop_loses_what_is_overdue():
    """Only what can be answered late is lost; everything else that was in flight is cancelled."""
    made = puppet(endless)
    made.session.stop(10.5)
    log = made.session.drain_log()
    assert outcomes(log) == {"iteration": ["lost"], "cert.issued": ["lost"], "state.save": ["cancelled"]}
    assert_conserved(log)


def test_script_that_gives_way_is_broken_off_by_the_next_start():
    """All that was open was lost, overdue or not, and the next script begins at once."""

    def yields(device):
        yield from ()
        yield Begin(OP, 10.0)
        yield Begin(Operation.STATE_SAVE, 100.0)
        yield Wait(20.0, gives_way=True)

    made = puppet(yields)
    assert made.session.gives_way
    made.now = 12.0
    made.start(due=11.0)
    log = made.session.drain_log()
    assert outcomes(log) == {name: ["lost"] for name in ("iteration", "cert.issued", "state.save")}
    assert {sample.ended for sample in log.samples} == {12.0}
    assert made.session.is_busy
    assert [held.began for held in made.session.open_operations] == [12.0] * 3
    made.session.stop(13.0)
    log.started += made.session.log.started
    log.samples += made.session.drain_log().samples
    assert_conserved(log)


def test_script_gives_way_only_while_it_waits_to():
    """Once something happened it is its next wait that counts, and an idle device gives way to nobody."""

    def yields(device):
        yield Wait(20.0, gives_way=True)
        yield Wait(20.0)
        yield Wait(20.0, gives_way=True)

    made = puppet(yields)
    seen = [made.session.gives_way]
    for _ in range(3):
        made.hear(lambda at: mqtt.Published(at, 1))
        seen.append(made.session.gives_way)
    assert seen == [True, False, True, False]
    assert not made.session.is_busy


def test_rest_is_that_of_the_script_which_ended_last():
    """One that gives way has not ended, and leaves no rest of an earlier one."""

    def scripted(device):
        if left.pop(0):
            raise StepFailed(Failure(Outcome.SERVER))
        yield Wait(20.0, gives_way=True)

    left = [True, False]
    made = puppet(scripted, backoff=Backoff(base_s=2.0, jitter=0.0))
    assert made.session.rest_s == 2.0
    made.start()
    assert (made.session.gives_way, made.session.rest_s) == (True, 0.0)


def test_rest_is_what_the_service_asked_where_the_spec_says_so():
    """Neither longer, whatever the back-off is, nor shorter."""

    def scripted(device):
        yield from ()
        raise StepFailed(left.pop(0))

    left = [Failure(Outcome.THROTTLED, retry_after_s=7.0), Failure(Outcome.SERVER), Failure(Outcome.SERVER)]
    made = Puppet(scripted, rests_as_told=True, backoff=Backoff(base_s=50.0))
    rests = []
    while left:
        made.start()
        rests.append(made.session.rest_s)
    assert rests == [7.0, 0.0, 0.0]


def test_stop_and_expire_and_feed_leave_an_idle_session_alone():
    """There is nothing to stop, and nothing to wake."""
    made = Puppet(connect)
    made.session.stop(1.0)
    assert made.session.expire(2.0) == ()
    assert made.session.feed(mqtt.Published(3.0, 1)) == ()
    assert made.session.drain_log() == Log()


def test_fail_ends_the_script_and_the_connection():
    """A failure from outside settles all that is open, owes the main operation, and hangs up."""
    made = puppet(connect, hold)
    made.take()
    orders = made.session.fail(Failure(Outcome.INTERNAL))
    log = made.session.drain_log()
    assert outcomes(log) == {"hub.connect": ["internal"], "iteration": ["internal"], "cert.issued": ["dropped"]}
    assert orders == [mqtt.Disconnect(), http.Abandon()]
    assert not made.device.connected
    assert_conserved(log)


def test_fail_hands_out_the_orders_that_a_bug_kept_back():
    """A dial that was wanted right before the bug is made and unmade, so that the wire and the device agree."""

    def stumble(device):
        yield device.dial_hub()
        raise RuntimeError("a bug")

    made = Puppet(stumble, bundle=make_bundle("d-0"))
    with pytest.raises(RuntimeError):
        made.start()
    dial, *undone = made.session.fail(Failure(Outcome.INTERNAL))
    assert isinstance(dial, mqtt.Connect)
    assert undone == [mqtt.Disconnect(), http.Abandon()]
    assert made.session.fail(Failure(Outcome.INTERNAL)) == undone


def test_rest_grows_with_failures_in_a_row_and_ends_with_a_success():
    """It is the back-off, no shorter than the service asked unless the spec says not to heed it."""
    failures = [*(Failure(Outcome.SERVER),) * 3, Failure(Outcome.THROTTLED, retry_after_s=100.0)]

    def rests(*, honor: bool) -> list[float]:
        made = Puppet(scripted, backoff=Backoff(base_s=2.0, max_s=30.0, jitter=0.0, honor_retry_after=honor))
        left.extend([*failures, None, failures[0]])
        found = [made.session.rest_s]
        while left:
            made.start()
            found.append(made.session.rest_s)
        return found

    def scripted(device):
        yield from ()
        if (failure := left.pop(0)) is not None:
            raise StepFailed(failure)

    left = []
    assert rests(honor=True) == [0.0, 2.0, 4.0, 8.0, 100.0, 0.0, 2.0]
    assert rests(honor=False) == [0.0, 2.0, 4.0, 8.0, 16.0, 0.0, 2.0]


def test_busy_session_is_not_started_again():
    """Starting it is a bug of whoever does."""
    made = puppet(endless)
    with pytest.raises(AssertionError):
        made.start()


def test_script_that_asks_for_nonsense_is_a_bug():
    """Nothing but the asks of the table is answered."""

    def nonsense(device):
        yield "what"

    with pytest.raises(AssertionError, match="what"):
        puppet(nonsense)


def test_retries_and_unmatched_are_logged_with_their_time():
    """Both go under the phase and hub of the script that told of them."""

    def tell(device):
        yield Retry(OP)
        yield Unmatched(OP)

    made = Puppet(tell, bundle=make_bundle("d-0"))
    made.now = 4.0
    made.start()
    log = made.session.drain_log()
    series = Series(OP, Phase.STEADY, "hub-1.example")
    assert (log.retries, log.unmatched) == ([(series, 4.0)], [(series, 4.0)])


def test_mark_is_a_part_of_the_iteration_from_when_it_was_due():
    """A late start counts; the next iteration has marks of its own."""

    def come_far(device):
        yield Wait(math.inf)
        yield Mark("connected")

    made = Puppet(come_far)
    for due in (-2.0, 1.0):
        made.start(due=due)
        made.hear(lambda at: mqtt.Published(at, 1), after_s=1.0)
        (iteration,) = settled(made.session.drain_log(), Operation.ITERATION)
        assert iteration.parts == (("connected", made.now - due),)


def test_lap_sees_our_own_work():
    """The clock is read again, and never backwards."""
    times = []

    def work(device):
        yield Wait(math.inf)
        made.now += 3.0
        times.append((yield Lap()))
        made.now -= 10.0
        times.append((yield Lap()))

    made = puppet(work)
    made.hear(lambda at: mqtt.Published(at, 1), after_s=1.0)
    assert times == [4.0, 4.0]


def test_pause_is_not_disturbed():
    """Only time ends it; what comes meanwhile is overheard."""
    made = puppet(hold)
    made.receive("$iothub/credentials/res/200/?$rid=aaaa-9", b"{}", after_s=1.0)
    made.hear(lambda at: mqtt.Published(at, 4))
    assert made.session.is_busy
    made.expire()
    log = made.session.drain_log()
    assert outcomes(log) == {"iteration": ["ok"]}
    assert [at for _, at in log.unmatched] == [1.0]


def test_connection_that_ends_in_a_pause_is_counted():
    """hub.disconnect, outcome disconnected, no latency; the script does not notice until it looks."""
    made = puppet(connect, hold)
    made.connect()
    made.lose()
    (sample,) = settled(made.session.log, Operation.HUB_DISCONNECT)
    assert (sample.outcome, sample.began, sample.code) == (Outcome.DISCONNECTED, None, "EOF")
    assert not made.device.connected
    made.expire()
    assert outcomes(made.session.log)["iteration"] == ["ok"]
    assert_conserved(made.session.log)


@pytest.mark.parametrize(("phase", "expected"), [(Phase.PREPARE, Phase.PREPARE), (Phase.RAMP, Phase.RAMP)])
def test_connection_that_ends_while_idle_belongs_to_the_phase_it_was_made_in(phase, expected):
    """A device that waits for the load's start is still being prepared."""
    made = Puppet(connect, bundle=make_bundle("d-0"))
    made.start(phase=phase, iteration=phase is not Phase.PREPARE)
    made.connect()
    made.session.drain_log()
    made.lose()
    (sample,) = made.session.drain_log().samples
    assert sample.series.phase is expected


def test_operations_that_begin_in_the_drain_belong_to_it():
    """The iteration keeps the phase it was due in; preparing is never the drain."""
    for phase, expected in ((Phase.STEADY, Phase.DRAIN), (Phase.PREPARE, Phase.PREPARE)):
        made = Puppet(connect, bundle=make_bundle("d-0"))
        made.session.drain_from = 0.0
        made.start(phase=phase)
        made.connect()
        phases = {sample.series.operation: sample.series.phase for sample in made.session.drain_log().samples}
        assert phases == {Operation.HUB_CONNECT: expected, Operation.ITERATION: phase}


def test_message_that_nobody_took_is_unmatched_in_the_end():
    """What was kept for a renewal that never asked is counted, not forgotten."""
    made = puppet(publish, main=Operation.TELEMETRY_PUBLISH)
    made.connect()
    made.receive("$iothub/credentials/res/200/?$rid=aaaa-9", b"{}")
    made.lose()
    log = made.session.drain_log()
    assert [series.operation for series, _ in log.unmatched] == [Operation.CERT_ISSUED]
    assert made.device.inbox == []


def test_is_overdue_asks_for_all_that_is_waited_for():
    """A wait that can only fail, or that is still in time, keeps a device from being overdue."""

    def waits(device):
        yield Begin(OP, 10.0)
        yield Wait(math.inf)
        yield Begin(Operation.HUB_CONNECT, 1.0)
        yield Wait(math.inf)

    made = puppet(waits)
    assert not made.session.is_overdue(10.0)
    assert made.session.is_overdue(10.1)
    made.hear(lambda at: mqtt.Published(at, 1))
    assert not made.session.is_overdue(20.0)
    made.session.stop(20.0)
    assert not made.session.is_overdue(20.0)


def test_time_never_goes_back():
    """An event that was read before the session looked at the clock happens no earlier than that."""
    made = puppet(endless)
    made.session.expire(8.0)
    made.session.feed(mqtt.Published(3.0, 1))
    made.session.stop(5.0)
    assert {sample.ended for sample in made.session.drain_log().samples} == {8.0}


def test_failure_of_the_last_script_is_kept_until_the_next():
    """Whoever drives the session can ask why it ended."""

    def fail(device):
        yield Pause(0.0)
        raise StepFailed(Failure(Outcome.CONFLICT))

    made = puppet(fail)
    made.expire()
    assert made.session.failure == Failure(Outcome.CONFLICT)
    made.start()
    assert made.session.failure is None


def test_end_without_a_failure_after_the_deadline_is_late_only_where_an_answer_can_be():
    """A slow store is slow, a slow certificate is late."""

    def slow(device):
        for operation in (OP, Operation.STATE_SAVE):
            yield Begin(operation, 1.0)
        yield Pause(5.0)
        for operation in (OP, Operation.STATE_SAVE):
            yield End(operation)

    made = puppet(slow)
    made.expire()
    assert outcomes(made.session.drain_log()) == {"cert.issued": ["late"], "state.save": ["ok"], "iteration": ["ok"]}


def test_a_200_without_a_202_ends_all_three_waits():
    """It says as much as both that should have come before it."""
    made = puppet(*CERT_RENEWAL.steps, verify="none")
    made.connect()
    (request,) = made.publishes()
    rid = request.topic.rpartition("=")[2]
    made.receive(credentials.response_topic(200, rid), credentials.issued_payload("c", (b"x", b"y")))
    assert {sample.outcome for sample in settled(made.session.log, Operation.CERT_REQUEST)} == {Outcome.OK}
    made.acknowledge(request.tag)
    made.save()
    made.expire()
    log = made.session.drain_log()
    assert outcomes(log)["cert.accepted"] == outcomes(log)["cert.issued"] == outcomes(log)["iteration"] == ["ok"]
    assert_conserved(log)
