"""A smoke size of what the benches measure: proportions that hold on any machine, and no times."""

import os
from collections.abc import Callable

from bench.micro import REPEATS, echo
from bench.orders import Order, Server
from bench.ride import ride

from doubles.emulator import Emulator

HANDSHAKES = 3
"""A renewal on an open connection costs less CPU than so many connects; about half of one, in truth."""


def least(times: int, measure: Callable[[], float]) -> float:
    """The smallest of so many: what else the machine does only ever adds."""
    return min(measure() for _ in range(times))


def test_cost_of_a_session_does_not_grow_with_their_number() -> None:
    """Four times the sessions cost four times the CPU, or thereabouts: nothing looks at all of them every turn."""

    def cost_of(devices: int) -> float:
        figures = echo("echo-renewals", devices)
        assert figures.count == devices * REPEATS
        return figures.cpu_s / devices

    echo("echo-renewals", 10)  # what is only done once in a process
    few, many = least(2, lambda: cost_of(100)), least(2, lambda: cost_of(400))
    assert many <= 2.5 * few


def test_renewal_costs_less_than_the_handshakes_it_saves(emulator: Emulator) -> None:
    """A real wire to a real emulator: renewing on the connection that is open beats connecting anew."""
    ready = emulator.ready
    facts = {"host": ready["host"], "ca_file": ready["caFile"], "id_scope": ready["idScope"]}
    server = Server(port=ready["port"], group_key=ready["groupKey"], pid=os.getpid(), **facts)
    connects = ride(Order("churn", server, 20, repeats=5))
    renewals = ride(Order("renewals", server, 20, per_s=20.0, for_s=5.0))
    assert connects.count == 100
    assert renewals.count > 0
    assert renewals.dropped == 0
    assert renewals.cpu_s / renewals.count < HANDSHAKES * connects.cpu_s / connects.count
