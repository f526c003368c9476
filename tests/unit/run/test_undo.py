"""What devices left at the services, undone over the emulator's service in virtual time."""

import json
from typing import Any

import pytest

from doubles.drive import GROUP_KEY, World
from doubles.loopback import WEB_HOST
from doubles.means import FixedSecrets, make_means
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.errors import SettingsError
from engine.measure.operation import Operation
from engine.measure.tally import Tally
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.runspec import RunSpec
from engine.plan.target import Target, Targets, parse_targets
from engine.protocol import adr, http
from engine.run.means import Means
from engine.run.undo import steps_of, undo, what_stays

SERVICE = "contoso.dps.example"
DPS = {"host": "dps.example", "idScope": "0ne1", "secret": "staging-group-key"}
LOCAL = {"host": WEB_HOST, "port": 443, "idScope": "0ne00000001"}
ADR = {"subscription": "s", "resourceGroup": "g", "namespace": "n", "location": "l", "endpoint": f"https://{WEB_HOST}"}


def targets(**staging: Any) -> Targets:
    """The emulator, and a profile `staging` with these entries besides one DPS."""
    profile = {"dps": [DPS], "hubs": ["hub.example"], **staging}
    hosts = ("*.example",)
    return parse_targets(json.dumps({"staging": profile}), allowed_hosts=hosts, local=json.dumps(LOCAL))


def spec_of(known: Targets, scenario: str = "provision", target: str = "local") -> RunSpec:
    """A run of some devices."""
    body = json.dumps({"scenario": scenario, "target": target, "devices": {"count": 10}}).encode()
    return parse_spec(body, profiles=known, max_devices=1000, seed=1, now=0.0)


class Ground:
    """A world, and means whose wire ends in it."""

    def __init__(self, options: Options | None = None, known: Targets | None = None, **means: Any) -> None:
        self.world, self.known = World(options), known or targets()
        self.world.wire.hosts.add(SERVICE)
        fields = {"tokens": lambda _target: lambda: adr.local_token(GROUP_KEY), **means}
        self.means: Means = make_means(
            clock=self.world.clock, targets=self.known, wire=lambda _clock, _ca, _tls: self.world.wire, **fields
        )

    def undo(self, *indexes: int, scenario: str = "provision", target: str = "local") -> Tally:
        """What undoing it for these devices measured."""
        spec = spec_of(self.known, scenario, target)
        steps = steps_of(spec, self.target(target))
        return undo(spec, self.target(target), indexes, steps=steps, means=self.means)

    def target(self, name: str) -> Target:
        return self.known.by_name[name]

    def enlist(self, *indexes: int) -> None:
        """The registry holds these devices."""
        for index in indexes:
            answer = self._call(adr.create(NAMESPACE, f"device-{index}", adr.local_token(GROUP_KEY)))
            assert answer.status in (200, 201)

    def holds(self, index: int) -> bool:
        """Whether the registry does."""
        return self._call(adr.get(NAMESPACE, f"device-{index}", adr.local_token(GROUP_KEY))).status == 200

    def _call(self, request: http.Request) -> http.Response:
        return self.world.service.call((), request, self.world.wire.wall())


NAMESPACE = adr.Namespace("local", "local", "local", "local", f"https://{WEB_HOST}")


def test_registry_devices_are_gone_and_others_stay() -> None:
    """Also one that was never there counts as done; the numbers are those of the operation."""
    ground = Ground()
    ground.enlist(0, 1, 2)
    tally = ground.undo(0, 1, 7)
    assert [ground.holds(index) for index in range(3)] == [False, False, True]
    assert tally.select(Operation.ITERATION).ok == tally.select(Operation.ADR_DELETE).ok == 3


def test_no_more_are_under_way_than_the_wire_greets_at_a_time() -> None:
    """A thousand devices do not dial at once, and all of them are done."""
    ground = Ground()
    dials: list[int] = []
    send = ground.world.wire.send

    def counted(channel: int, command: Any) -> None:
        if isinstance(command, http.Request):
            dials.append(len(ground.world.wire._exchanges._open))
        send(channel, command)

    ground.world.wire.send = counted  # type: ignore[method-assign]
    assert ground.undo(*range(300)).select(Operation.ITERATION).ok == 300
    assert max(dials) < 64


def test_throttled_registry_is_waited_for() -> None:
    """It refuses half of what it is asked: every device is done all the same, by retries."""
    ground = Ground(Options(faults=Faults({Fault("adr.throttled"): 0.5})))
    tally = ground.undo(*range(20))
    assert tally.select(Operation.ITERATION).ok == 20
    assert tally.select(Operation.ADR_DELETE).retries > 0


def test_device_that_is_refused_for_good_is_not_done() -> None:
    """With a token that nobody takes; the failure has its kind."""
    ground = Ground(tokens=lambda _target: lambda: "nobody's")
    refused = ground.undo(0).select(Operation.ITERATION)
    assert (refused.ok, [str(outcome) for outcome, _ in refused.failures]) == (0, ["unauthorized"])


def registration(index: int) -> str:
    """Where a device's registration is."""
    return f"https://{SERVICE}/registrations/device-{index}?api-version=2021-10-01"


def test_registrations_are_deleted_where_the_profile_names_the_service() -> None:
    """At nine tenths of its quota, so that who else administers it is still served."""
    ground = Ground(known=targets(dps=[{**DPS, "serviceHost": SERVICE}], quotas={"dps.operations": 60}))
    wire = ground.world.wire
    wire.pages |= {registration(index): http.Response(204) for index in range(10)}
    began = ground.world.clock.now()
    assert ground.undo(*range(10), target="staging").select(Operation.ITERATION).ok == 10
    assert 9 / 0.9 <= ground.world.clock.now() - began < 9 / 0.9 + 3


def test_device_that_one_service_refuses_is_not_done() -> None:
    """The registry did its part, the provisioning service did not: somebody has to come again."""
    ground = Ground(known=targets(dps=[{**DPS, "serviceHost": SERVICE}], adr=ADR))
    ground.world.wire.pages |= {registration(0): http.Response(204), registration(1): http.Response(403)}
    tally = ground.undo(0, 1, target="staging")
    assert (tally.select(Operation.ITERATION).ok, tally.select(Operation.ADR_DELETE).ok) == (1, 2)


def test_missing_secret_is_said_before_anything_is_asked() -> None:
    """By the name of the setting."""
    ground = Ground(secrets=FixedSecrets())
    with pytest.raises(SettingsError, match="local-group-key"):
        ground.undo(0)


@pytest.mark.parametrize(
    ("scenario", "staging", "expected"),
    [
        ("provision", {}, []),
        ("provision", {"adr": ADR}, ["delete"]),
        ("provision", {"dps": [{**DPS, "serviceHost": SERVICE}], "adr": ADR}, ["delete", "deregister"]),
        ("adr-patch", {"dps": [{**DPS, "serviceHost": SERVICE}], "adr": ADR}, ["delete"]),
        ("http-probe", {"adr": ADR, "http": {"url": "https://web.example/"}}, []),
    ],
)
def test_what_is_undone_is_what_the_target_has(scenario: str, staging: Any, expected: list[str]) -> None:
    """Scenarios of the registry register nowhere, a probe leaves nothing."""
    known = targets(**staging)
    spec = spec_of(known, scenario, "staging")
    assert [step.__name__ for step in steps_of(spec, known.by_name["staging"])] == expected


def test_what_stays_is_said_plainly() -> None:
    """Identities always, registrations where nobody may ask; of the emulator nothing stays."""
    known = targets(dps=[DPS, {**DPS, "host": "other.example", "serviceHost": SERVICE}])
    assert what_stays(spec_of(known, target="staging"), known.by_name["staging"]) == (
        "registrations at dps.example stay: the profile names no serviceHost there",
        "device identities in the hubs stay: they are left to the hubs' owner",
    )
    assert what_stays(spec_of(known), known.by_name["local"]) == ()
