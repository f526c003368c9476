"""The provisioning service forgets a device."""

from dataclasses import replace

import pytest

from doubles.drive import Puppet, make_setup
from engine.device.setup import Attempts
from engine.device.steps.deregister import deregister
from engine.errors import Outcome
from engine.measure.operation import Operation
from engine.protocol import http

SERVICE = "https://contoso.example"


def asked(service=SERVICE, **changes):
    """A puppet that was told to deregister."""
    dps = replace(make_setup().dps[0], service=service)
    fields = {"dps": (dps,), "service_token": lambda: "token", "attempts": Attempts(register=2), **changes}
    made = Puppet(deregister, main=Operation.ITERATION, **fields)
    made.start()
    return made


@pytest.mark.parametrize("status", [204, 404])
def test_registration_is_gone_also_where_there_was_none(status):
    """One request, with the token for the service."""
    made = asked()
    (request,) = made.requests()
    assert (request.method, request.url) == ("DELETE", f"{SERVICE}/registrations/d-0?api-version=2021-10-01")
    assert request.header("authorization") == "Bearer token"
    made.respond(status)
    assert (made.session.is_busy, made.session.failure) == (False, None)


def test_nothing_is_asked_where_nobody_may():
    """A service without a service API is left alone, and that is no failure."""
    made = asked(service="")
    assert (made.take(), made.session.is_busy, made.session.failure) == ([], False, None)


def test_throttled_service_is_asked_again_when_it_said():
    """Not sooner, and the retry is counted."""
    made = asked()
    made.respond(429, retry_after="60")
    assert made.session.wake_at >= made.now + 60
    made.expire()
    made.respond(204)
    assert made.session.failure is None
    assert [series.operation for series, _ in made.session.drain_log().retries] == [Operation.ITERATION]


def test_refusal_fails_the_device():
    """Nobody tries again with the same token."""
    made = asked()
    made.respond(403)
    assert made.session.failure.outcome is Outcome.UNAUTHORIZED


def test_token_goes_to_no_host_that_is_not_allowed():
    """Not even a dial."""
    made = asked(allows=lambda host: host != "contoso.example")
    assert not [order for order in made.take() if isinstance(order, http.Request)]
    assert made.session.failure.outcome is Outcome.BLOCKED
