"""The device registry's side of a device: with the emulator's service where it can, by hand where it does not."""

import json

import pytest

from doubles.drive import GROUP_KEY, NAMESPACE, Puppet, World, assert_conserved, make_setup, outcomes, settled
from doubles.loopback import WEB_HOST
from engine.device.setup import Attempts, Timeouts
from engine.device.steps.adr import (
    FINISH_WITHIN_S,
    MOST_POLLS,
    POLL_AFTER_S,
    delete,
    enlist,
    get,
    get_or_patch,
    is_enlisted,
    patch,
)
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.errors import Outcome
from engine.measure.operation import Operation, Phase
from engine.protocol import adr, http

OPERATION = f"https://{WEB_HOST}/operations/1"
RUNNING = b'{"status": "InProgress"}'
ONCE = Attempts(register=1)


def prepared(world, session):
    """What preparing measured."""
    log = world.drive(session, enlist, phase=Phase.PREPARE)
    assert_conserved(log)
    return log


def iterated(world, session, step, main=Operation.ADR_PATCH):
    """What one iteration measured."""
    log = world.drive(session, step, main=main)
    assert_conserved(log)
    return log


def held(world, session):
    """The device as the registry shows it, None where it holds none."""
    request = adr.get(NAMESPACE, session.device.device_id, adr.local_token(GROUP_KEY))
    response = world.service.call((), request, world.wire.wall())
    return json.loads(response.body) if response.status == 200 else None


def faulty(**shares):
    """A world whose registry misbehaves."""
    return World(Options(faults=Faults({Fault(f"adr.{name}"): share for name, share in shares.items()})))


# Preparing.


def test_enlisting_creates_what_is_absent():
    """Looked up, created, polled; the answer of the look-up is counted as what it was."""
    world = World()
    session = world.session()
    log = prepared(world, session)
    assert outcomes(log) == {"adr.get": ["not-found"], "adr.create": ["ok"], "adr.poll": ["ok"]}
    assert is_enlisted(session.device)
    assert session.failure is None
    properties = held(world, session)["properties"]
    assert (properties["externalDeviceId"], properties["operatingSystem"], properties["enabled"]) == (
        "d-0",
        "Linux",
        True,
    )


def test_create_includes_its_polls():
    """The operation ends when the service has finished; each poll is its own sample within it."""
    world = World()
    log = prepared(world, world.session())
    (create,), (poll,) = settled(log, Operation.ADR_CREATE), settled(log, Operation.ADR_POLL)
    assert create.began < poll.began < poll.ended == create.ended
    assert poll.began - create.began > 1.0  # the emulator's Retry-After


def test_enlisting_leaves_alone_what_is_there():
    """One look, whatever the spec's source is."""
    world = World()
    prepared(world, world.session())
    for may_provision in (True, False):
        session = world.session(make_setup(may_provision=may_provision))
        assert outcomes(prepared(world, session)) == {"adr.get": ["ok"]}
        assert is_enlisted(session.device)


def test_stored_only_creates_nothing():
    """A device that is absent stays so, and is not ready."""
    world = World()
    session = world.session(make_setup(may_provision=False))
    assert outcomes(prepared(world, session)) == {"adr.get": ["not-found"]}
    assert not is_enlisted(session.device)
    assert session.failure.outcome is Outcome.NOT_FOUND
    assert held(world, session) is None


@pytest.mark.parametrize(("status", "outcome"), [(412, "precondition"), (409, "conflict")])
def test_device_that_somebody_made_meanwhile_is_there(status, outcome):
    """The refusal is counted, and the device is ready all the same."""
    made = Puppet(enlist)
    made.start(phase=Phase.PREPARE, iteration=False)
    made.respond(404)
    made.respond(status)
    assert not made.session.is_busy
    log = made.session.drain_log()
    assert_conserved(log)
    assert outcomes(log) == {"adr.get": ["not-found"], "adr.create": [outcome]}
    assert is_enlisted(made.device)


def test_throttled_preparing_waits_as_it_is_told_and_tries_again():
    """Retry-After is a floor under the back-off, and the code is ARM's."""
    made = Puppet(enlist)
    made.start(phase=Phase.PREPARE, iteration=False)
    made.respond(429, b'{"error":{"code":"TooManyRequests"}}', retry_after="100")
    assert made.session.wake_at == made.now + 100.0
    made.expire()
    made.respond(404)
    made.respond(429, retry_after="50")
    made.expire()
    made.respond(201)
    log = made.session.drain_log()
    assert_conserved(log)
    assert outcomes(log) == {"adr.get": ["throttled", "not-found"], "adr.create": ["throttled", "ok"]}
    assert [s.code for s in settled(log, Operation.ADR_GET)] == ["TooManyRequests", "404"]
    assert [series.operation for series, _ in log.retries] == [Operation.ADR_GET, Operation.ADR_CREATE]
    assert is_enlisted(made.device)


def test_service_that_is_down_is_given_up_after_all_attempts():
    """Every attempt is a sample; the device is not ready."""
    world = faulty(server=1.0)
    session = world.session(make_setup(attempts=Attempts(register=3)))
    assert outcomes(prepared(world, session)) == {"adr.get": ["server"] * 3}
    assert not is_enlisted(session.device)


def test_create_that_fails_after_it_was_accepted_is_tried_again():
    """The polls were answered well; it is the operation that failed."""
    world = faulty(failed=1.0)
    session = world.session(make_setup(attempts=Attempts(register=2)))
    log = prepared(world, session)
    assert outcomes(log) == {"adr.get": ["not-found"], "adr.create": ["server"] * 2, "adr.poll": ["ok"] * 2}
    assert {s.code for s in settled(log, Operation.ADR_CREATE)} == {"InternalServerError"}
    assert not is_enlisted(session.device)


def test_refused_token_is_final():
    """No second try, no device, and no token in what is told of it."""
    world = World()
    session = world.session(make_setup(token=lambda: "a-token-nobody-may-see"))
    log = prepared(world, session)
    assert outcomes(log) == {"adr.get": ["unauthorized"]}
    (sample,) = settled(log, Operation.ADR_GET)
    assert sample.code == "InvalidAuthenticationToken"
    assert "a-token-nobody-may-see" not in repr(log)


# The load.


def test_get_reads_the_device():
    """One request and its answer."""
    world = World()
    session = world.session()
    prepared(world, session)
    assert outcomes(iterated(world, session, get)) == {"adr.get": ["ok"], "iteration": ["ok"]}


def test_patch_changes_the_version_every_time():
    """Three numbers by chance; the same device of another run with that seed has the same ones."""
    seen = []
    for _ in range(2):
        world = World()
        session = world.session()
        prepared(world, session)
        for _ in range(5):
            log = iterated(world, session, patch)
            assert outcomes(log) == {"adr.patch": ["ok"], "adr.poll": ["ok"], "iteration": ["ok"]}
            seen.append(held(world, session)["properties"]["operatingSystemVersion"])
    assert seen[:5] == seen[5:]
    assert len(set(seen)) == 5
    assert all(len(version.split(".")) == 3 for version in seen)


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.7, 115, 165), (1.0, 200, 200)])
def test_mix_follows_the_weights(share, least, most):
    """Two hundred iterations, the same for the same seed; a device with another place has another series."""

    def series(ordinal):
        made = Puppet(get_or_patch, main=Operation.ITERATION, get_share=share)
        made.device.ordinal = ordinal
        for _ in range(200):
            made.start()
            made.respond(200)
        return [request.method for request in made.requests()]

    one = series(0)
    assert one == series(0)
    assert least <= one.count("GET") <= most
    assert (one == series(1)) is (least == most)


def test_load_tries_nothing_again():
    """Whatever the service says; the device rests as long as it was told to."""
    world = faulty(throttled=1.0)
    session = world.session()
    session.device.enlisted = True
    for step, operation in ((get, Operation.ADR_GET), (patch, Operation.ADR_PATCH)):
        log = iterated(world, session, step, main=operation)
        assert outcomes(log) == {operation: ["throttled"], "iteration": ["throttled"]}
        assert not log.retries
    assert session.rest_s >= 1.0


def test_iteration_of_the_mix_is_its_own_main_operation():
    """A failed one owes nothing: it was reached when it began."""
    world = World()
    session = world.session()
    log = iterated(world, session, get, main=Operation.ITERATION)
    assert outcomes(log) == {"adr.get": ["not-found"], "iteration": ["not-found"]}
    assert not log.dropped


# Operations that go on.


def patching(**setup):
    """A puppet whose patch was accepted and goes on, at the endpoint: that needs no allow-list."""
    made = Puppet(patch, main=Operation.ADR_PATCH, allows=lambda host: False, **setup)
    made.start()
    made.respond(202, azure_asyncoperation=OPERATION, retry_after="3")
    return made


def patched(made):
    """How the patch and its polls ended."""
    assert not made.session.is_busy
    log = made.session.drain_log()
    assert_conserved(log)
    (sample,) = settled(log, Operation.ADR_PATCH)
    return sample, [poll.outcome.value for poll in settled(log, Operation.ADR_POLL)]


def test_polls_come_when_the_service_says():
    """After its Retry-After, and after two seconds where it names none; with the token, at the place it named."""
    made = patching()
    accepted_at = made.now
    made.expire()
    assert made.now == accepted_at + 3.0
    made.respond(200, RUNNING)
    asked_at = made.now
    made.expire()
    assert made.now == asked_at + POLL_AFTER_S
    made.respond(200, b'{"status": "Succeeded"}')
    sample, polls = patched(made)
    assert (sample.outcome, polls) == (Outcome.OK, ["ok", "ok"])
    polled = made.requests()[1:]
    assert [(request.method, request.url) for request in polled] == [("GET", OPERATION)] * 2
    assert all(request.header("authorization").startswith("Bearer ") for request in polled)


def test_operation_is_asked_about_sixty_times():
    """Then it timed out: it may yet end, but nobody waits."""
    made = patching()
    for _ in range(MOST_POLLS):
        made.expire()
        made.respond(200, RUNNING)
    sample, polls = patched(made)
    assert (sample.outcome, sample.code, len(polls)) == (Outcome.TIMEOUT, "unfinished", MOST_POLLS)


def test_operation_is_given_up_after_its_time():
    """However long the service asks to wait."""
    made = patching()
    made.expire()
    made.respond(200, RUNNING, retry_after="100000")
    made.expire()
    sample, _ = patched(made)
    assert (sample.outcome, sample.ended - sample.began) == (Outcome.TIMEOUT, pytest.approx(FINISH_WITHIN_S))


@pytest.mark.parametrize(
    ("status", "body", "outcome", "poll"),
    [
        (429, b"", Outcome.THROTTLED, "throttled"),
        (401, b"", Outcome.UNAUTHORIZED, "unauthorized"),
        (200, b"<html>", Outcome.PROTOCOL, "protocol"),
        (200, b"{}", Outcome.PROTOCOL, "protocol"),
        (200, b'{"status": "Failed"}', Outcome.SERVER, "ok"),
        (200, b'{"status": "Canceled"}', Outcome.SERVER, "ok"),
    ],
)
def test_poll_that_fails_ends_the_operation(status, body, outcome, poll):
    """With the poll's failure; one that was answered well says itself how the operation ended."""
    made = patching()
    made.expire()
    made.respond(status, body)
    sample, polls = patched(made)
    assert (sample.outcome, polls) == (outcome, [poll])


def test_unanswered_poll_ends_the_operation():
    """It has the time of any request."""
    made = patching(timeouts=Timeouts(http=7.0))
    made.expire()
    asked_at = made.now
    made.expire()
    assert made.now == asked_at + 7.0
    sample, polls = patched(made)
    assert (sample.outcome, polls) == (Outcome.TIMEOUT, ["timeout"])
    assert isinstance(made.take()[-1], http.Abandon)


@pytest.mark.parametrize(
    ("place", "outcome", "code"),
    [
        ("https://evil.example/operations/1", Outcome.BLOCKED, "evil.example"),
        (f"http://{WEB_HOST}/operations/1", Outcome.BLOCKED, "downgrade"),
        (f"https://{WEB_HOST}@evil.example/", Outcome.PROTOCOL, ""),
        ("nonsense://", Outcome.PROTOCOL, ""),
    ],
)
def test_token_goes_nowhere_else(place, outcome, code):
    """A place outside the allow-list, without TLS, or that is none: the operation ends, and nothing is asked there."""
    made = Puppet(patch, main=Operation.ADR_PATCH, allows=lambda host: False)
    made.start()
    made.respond(202, azure_asyncoperation=place)
    sample, polls = patched(made)
    assert (sample.outcome, sample.code, polls) == (outcome, code, [])
    assert len(made.requests()) == 1


def test_allowed_host_is_asked():
    """Another host than the endpoint's needs the allow-list, and the endpoint itself none."""
    made = Puppet(patch, main=Operation.ADR_PATCH, allows=lambda host: host == "west.web.example")
    made.start()
    made.respond(202, location="https://west.web.example/l")
    made.expire()
    made.respond(202, location=f"https://{WEB_HOST}/ignored")
    made.expire()
    made.respond(204)
    sample, polls = patched(made)
    assert (sample.outcome, polls) == (Outcome.OK, ["ok", "ok"])
    assert [request.host for request in made.requests()] == [WEB_HOST, "west.web.example", "west.web.example"]


# The end.


def test_delete_leaves_nothing():
    """Polled like a create, and the device is not there any more."""
    world = World()
    session = world.session()
    prepared(world, session)
    log = world.drive(session, delete, phase=Phase.DRAIN)
    assert_conserved(log)
    assert outcomes(log)["adr.delete"] == outcomes(log)["adr.poll"] == ["ok"]
    assert not is_enlisted(session.device)
    assert held(world, session) is None


def test_device_that_is_gone_is_no_failure():
    """404 is what was wanted, and counted as what it was."""
    made = Puppet(delete)
    made.start(phase=Phase.DRAIN, iteration=False)
    made.respond(404)
    assert made.session.failure is None
    assert outcomes(made.session.drain_log()) == {"adr.delete": ["not-found"]}


def test_delete_is_tried_again():
    """What is left over costs somebody else their place."""
    made = Puppet(delete, attempts=Attempts(register=2))
    made.start(phase=Phase.DRAIN, iteration=False)
    made.respond(503)
    made.expire()
    made.respond(403)
    log = made.session.drain_log()
    assert_conserved(log)
    assert outcomes(log) == {"adr.delete": ["server", "unauthorized"]}
    assert made.session.failure.outcome is Outcome.UNAUTHORIZED
