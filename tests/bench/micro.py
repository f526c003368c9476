"""What single pieces cost, with no socket near: python -m bench.micro CORE prints one JSON line."""

import json
import os
import sys
import time
from collections.abc import Mapping

from bench.bench_histogram import measure
from bench.echo import EchoWire
from bench.orders import Figures, Order, Server
from bench.ride import ride

from engine.adapters.clock import SystemClock
from engine.device.bundle import Bundle
from engine.device.identity import Device
from engine.device.scenarios.scenario import Scenario
from engine.device.session import Session
from engine.device.setup import Dps, Messages, Setup
from engine.device.start import Start
from engine.device.steps.publish import publish
from engine.measure.operation import Operation, Phase
from engine.protocol import mqtt, x509

MESSAGES = 2000
RECORDS = 100_000
DEVICES = 400
REPEATS = 5


def echo(load: str, devices: int) -> Figures:
    """What a load costs over an `EchoWire`, every device REPEATS times and all at once."""
    server = Server("localhost", 8883, "", "0ne00000000", "AA==", os.getpid())
    order = Order(load, server, devices, at_once=devices, repeats=REPEATS)
    key = x509.key_to_der(x509.generate_key(x509.KeyType.EC_P256))
    identity = Bundle("dev", server.host, key, (b"leaf", b"issuer"))
    return ride(order, wire=EchoWire(SystemClock()), identities=[identity])


def step_us() -> float:
    """Microseconds that one event costs a session: here a PUBACK, and with it the next message."""
    setup = Setup(
        dps=(Dps("dps", 8883, "scope", "symmetric-key-group", b""),),
        hub_port=8883,
        allows=lambda _: True,
        wall_at_zero=0.0,
        seed=1,
        request_tag="bench",
        messages=Messages(MESSAGES, 250, 0.0),
    )
    device = Device(setup, "dev0", index=0, ordinal=0, bundle=Bundle("dev0", "hub", b"", ()))
    device.connected = True
    session = Session(device, time.monotonic)
    scenario = Scenario(Operation.TELEMETRY_PUBLISH, (), (publish,))
    begun = time.process_time()
    session.begin(Start(scenario.steps, 0.0, Phase.STEADY, scenario.main), 0.0)
    while session.is_busy:
        session.feed(mqtt.Published(0.0, device.requests))
        if session.is_busy:
            session.expire(0.0)
    return 1e6 * (time.process_time() - begun) / (2 * MESSAGES)


def loop_us(load: str) -> float:
    """Microseconds of CPU an operation costs without its wire."""
    figures = echo(load, DEVICES)
    return 1e6 * figures.cpu_s / figures.count


def pieces() -> Mapping[str, float]:
    """One round of everything."""
    return {
        "histogram_ns": measure(RECORDS)["record_ns"],
        "step_us": step_us(),
        "renewal_us": loop_us("echo-renewals"),
        "connect_us": loop_us("churn"),
    }


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    print(json.dumps(pieces()))
