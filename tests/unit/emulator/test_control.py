"""The control interface, without its port."""

import json
from threading import Lock

import pytest

from engine.emulator.control import Control
from engine.emulator.faults import Fault
from unit.emulator.rig import Rig


@pytest.fixture
def kept() -> list[dict[str, int]]:
    return []


@pytest.fixture
def control(rig: Rig, kept: list[dict[str, int]]) -> Control:
    return Control(rig.service, Lock(), lambda revocations: kept.append(dict(revocations)))


def test_health_and_numbers_are_told(control: Control, rig: Rig) -> None:
    """Every counter, as the service has it."""
    rig.hub_device()
    assert control.answer("GET", "/healthz", b"") == (200, {"status": "ok"})
    status, body = control.answer("GET", "/stats", b"")
    assert (status, body["connects"], body["pending"]) == (200, 1, 0)


def test_what_devices_were_issued_is_told(control: Control, rig: Rig) -> None:
    """By device: how many certificates, and which one was the last."""
    assert control.answer("GET", "/issued", b"") == (200, {})
    rig.request(rig.hub_device(), "r-01")
    rig.tick(60.0)
    status, body = control.answer("GET", "/issued", b"")
    assert (status, body["d-1"]["count"], len(body["d-1"]["last"])) == (200, 1, 64)


def test_faults_are_changed_and_told(control: Control, rig: Rig) -> None:
    """What is put is what counts from now on."""
    status, body = control.answer("PUT", "/faults", b'{"lost": 0.5, "issueDelay": "1s"}')
    assert (status, body["lost"], body["issueDelay"]) == (200, 0.5, "1000ms")
    assert rig.service.faults.shares == {Fault.LOST: 0.5}
    assert control.answer("GET", "/faults", b"") == (200, body)


def test_wrong_faults_change_nothing(control: Control, rig: Rig) -> None:
    """Each problem is told with its path."""
    before = rig.service.faults
    for body in (b"\xff", b'{"lost": 7}'):
        status, answer = control.answer("PUT", "/faults", body)
        assert (status, answer["code"]) == (400, "spec-invalid")
    assert json.loads(json.dumps(answer))["errors"][0]["path"] == "/lost"
    assert rig.service.faults is before


def test_revocations_are_counted_and_kept(control: Control, rig: Rig, kept: list[dict[str, int]]) -> None:
    """A revoked device's certificates stop working, and a restart will know."""
    mark = rig.service.registry.mark_of("d-1")
    assert control.answer("POST", "/revoke", b'{"deviceId": "d-1"}') == (200, {"deviceId": "d-1", "revocations": 1})
    assert rig.service.registry.mark_of("d-1") != mark
    assert kept == [{"d-1": 1}]
    assert control.answer("POST", "/revoke", b"{}")[0] == 400


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/stats"), ("DELETE", "/faults")])
def test_other_requests_are_not_found(control: Control, method: str, path: str) -> None:
    """There is nothing else."""
    assert control.answer(method, path, b"")[0] == 404
