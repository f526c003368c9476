"""No host off the allow-list is ever dialled, whoever names it: every scenario, over a wire that notes its dials."""

import json
from dataclasses import replace

import pytest

from doubles.dials import NotedLoopback, note_dials
from doubles.drive import HUB, NAMESPACE, World, make_setup
from doubles.loopback import DPS_HOST, WEB_HOST
from engine.device.catalog import SCENARIOS
from engine.device.setup import Dps, DpsTransport, Setup
from engine.errors import Outcome
from engine.measure.operation import Operation
from engine.plan.spec.scenario import CASES
from engine.plan.target import parse_targets
from engine.protocol import http
from unit.batch.rig import assert_sound, counted, make_stage

EVIL = "evil.example"
LISTED = (DPS_HOST, WEB_HOST, HUB, "*.listed.example")
REGISTRY = ("adr-get-patch", "adr-patch")
OVER_MQTT = [name for name in SCENARIOS if name not in (*REGISTRY, "http-probe")]
FRESH = [name for name in OVER_MQTT if SCENARIOS[name].fresh]


def allowing(*hosts: str, transport: DpsTransport = DpsTransport.MQTT, **changes: object) -> Setup:
    """What devices of a real profile have in common, whose allow-list names these hosts."""
    profile = {"dps": [{"host": DPS_HOST, "idScope": "0ne1", "secret": "key"}]}
    targets = parse_targets(json.dumps({"staging": profile}), allowed_hosts=hosts)
    setup = make_setup(allows=targets.by_name["staging"].allows, cases=CASES, **changes)
    return replace(setup, dps=(replace(setup.dps[0], transport=transport),))


def world_of(hub: str) -> tuple[World, NotedLoopback]:
    """Services that assign this hub to everybody."""
    world = World(hubs=(hub,))
    return world, note_dials(world)


@pytest.mark.parametrize("transport", DpsTransport)
@pytest.mark.parametrize("scenario", OVER_MQTT)
def test_hub_that_dps_assigns_is_not_dialled(scenario: str, transport: DpsTransport) -> None:
    """Registering ends as blocked, and the story with it."""
    world, wire = world_of(EVIL)
    stage = make_stage(
        scenario, "once", size=2, stored=False, setup=allowing(*LISTED, transport=transport), world=world
    )
    done = stage.run()
    assert_sound(done)
    assert set(wire.dialled) == {DPS_HOST}
    assert counted(done, Operation.DPS_REGISTER) == {"blocked": 2}
    assert stage.home.saves == []


@pytest.mark.parametrize("scenario", [name for name in OVER_MQTT if name not in FRESH])
def test_stored_hub_is_not_dialled(scenario: str) -> None:
    """The list may be newer than what is stored, and what is stored may have been changed."""
    world, wire = world_of(EVIL)
    done = make_stage(scenario, "once", size=2, setup=allowing(*LISTED), world=world).run()
    assert_sound(done)
    assert wire.dialled == []
    assert set(counted(done, Operation.HUB_CONNECT)) == {"blocked"}


@pytest.mark.parametrize("transport", DpsTransport)
def test_hub_that_a_renewal_assigns_is_not_dialled(transport: DpsTransport) -> None:
    """A device that renews by DPS may be sent elsewhere any time."""
    world, wire = world_of(HUB)
    setup = allowing(*LISTED, transport=transport, renewal_path="dps")
    stage = make_stage("cert-renewal", "once", size=2, setup=setup, world=world)
    stage.at(0.2, lambda: setattr(world.service.registry, "hubs", (EVIL,)))
    done = stage.run()
    assert_sound(done)
    assert set(wire.dialled) == {DPS_HOST, HUB}
    assert counted(done, Operation.CERT_ISSUED) == {"blocked": 2}


@pytest.mark.parametrize(
    "hub",
    [
        *("evil.example.", "EVIL.example", "127.0.0.1", "::1", "localhost", "metadata.listed.example.evil.example"),
        *("hub-1.example:443", "listed.example", "0x7f.1", "evil-listed.example", "hub-1.example.."),
    ],
)  # fmt: skip
def test_hub_written_in_another_way_is_blocked(hub: str) -> None:
    """This machine by any name, and names that end or begin like one that is listed."""
    world, wire = world_of(hub)
    done = make_stage("cert-lifecycle", "once", size=1, setup=allowing(*LISTED), world=world).run()
    assert wire.dialled == [DPS_HOST]
    assert counted(done, Operation.DPS_REGISTER) == {"blocked": 1}


@pytest.mark.parametrize(
    "hub",
    [
        "hub-1.example@evil.example",
        "evil.example/.listed.example",
        "evil.example\0.listed.example",
        "müller.listed.example",
    ],
)
def test_hub_that_is_no_name_is_not_dialled(hub: str) -> None:
    """An answer with such a hub is none that the contract allows."""
    world, wire = world_of(hub)
    done = make_stage("cert-lifecycle", "once", size=1, setup=allowing(*LISTED), world=world).run()
    assert wire.dialled == [DPS_HOST]
    assert counted(done, Operation.DPS_REGISTER) == {"protocol": 1}


@pytest.mark.parametrize("hub", ["hub-1.example", "a.b.listed.example", "HUB-1.example."])
def test_hub_on_the_list_is_dialled(hub: str) -> None:
    """Else the tests above would prove nothing."""
    world, wire = world_of(hub)
    done = make_stage("cert-lifecycle", "once", size=1, setup=allowing(*LISTED), world=world).run()
    assert len(wire.dialled) == 3
    assert counted(done, Operation.CERT_VERIFIED) == {"ok": 1}


@pytest.mark.parametrize(
    ("location", "outcome"),
    [
        (f"https://{EVIL}/", Outcome.BLOCKED),
        (f"//{EVIL}/", Outcome.BLOCKED),
        (f"https://{WEB_HOST}.{EVIL}/", Outcome.BLOCKED),
        (f"https://{EVIL}:443/", Outcome.BLOCKED),
        ("https://127.0.0.1/", Outcome.BLOCKED),
        ("https://2130706433/", Outcome.BLOCKED),
        ("https://[::1]/", Outcome.BLOCKED),
        (f"https://{WEB_HOST}@{EVIL}/", Outcome.PROTOCOL),
        (f"https://{EVIL}\\@{WEB_HOST}/", Outcome.PROTOCOL),
        (f"https://{EVIL}%00.{WEB_HOST}/", Outcome.PROTOCOL),
    ],
)
def test_redirect_of_a_page_is_not_followed(location: str, outcome: Outcome) -> None:
    """A page may say what it likes."""
    world, wire = world_of(HUB)
    wire.pages[f"https://{WEB_HOST}/"] = http.Response(302, (("location", location),))
    done = make_stage("http-probe", "once", size=1, setup=allowing(*LISTED), world=world).run()
    assert wire.dialled == [WEB_HOST]
    assert counted(done, Operation.HTTP_GET) == {outcome.value: 1}


@pytest.mark.parametrize("header", ["location", "azure-asyncoperation"])
@pytest.mark.parametrize("scenario", REGISTRY)
def test_place_where_a_registry_call_goes_on_is_not_asked(scenario: str, header: str) -> None:
    """The token would go there too."""
    world, wire = world_of(HUB)
    for n in range(2):
        wire.pages[NAMESPACE.device_url(f"d-{n}")] = http.Response(202, ((header, f"https://{EVIL}/operations/1"),))
    done = make_stage(scenario, "once", size=2, setup=allowing(*LISTED), world=world).run()
    assert_sound(done)
    assert set(wire.dialled) == {WEB_HOST}
    assert counted(done, Operation.ADR_GET) == {"blocked": 2}


def test_several_services_are_each_the_profiles_own() -> None:
    """A device's provisioning service is one that the server's settings name, by its place among them."""
    world, wire = world_of(EVIL)
    setup = allowing(*LISTED)
    second = Dps("dps-2.listed.example", 8883, setup.dps[0].id_scope, setup.dps[0].attestation)
    make_stage("provision", "once", size=4, setup=replace(setup, dps=(setup.dps[0], second)), world=world).run()
    assert sorted(wire.dialled) == ["dps-2.listed.example"] * 2 + [DPS_HOST] * 2
