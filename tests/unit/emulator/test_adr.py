"""The device registry, through the whole service, asked by the calls that devices make."""

import json
from collections.abc import Callable

import pytest

from engine.emulator import adr as module
from engine.emulator.adr import KEPT_S
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.emulator.throttle import Quotas
from engine.protocol import adr
from engine.protocol.adr import Namespace, Running
from engine.protocol.http import Request, Response
from unit.emulator.rig import GROUP_KEY, Rig, make_rig

TOKEN = adr.local_token(GROUP_KEY)
NAMESPACE = Namespace("sub-1", "group-1", "ns-1", "East US", "https://localhost:8883")
URL = NAMESPACE.device_url("d-1")


def send(rig: Rig, method: str, url: str = URL, body: object = None, **headers: str) -> Response:
    """The answer to a request with the good token."""
    named = [(name.replace("_", "-"), value) for name, value in {"authorization": f"Bearer {TOKEN}", **headers}.items()]
    return rig.call(Request(method, url, tuple(named), b"" if body is None else json.dumps(body).encode()))


def create(rig: Rig, device: str = "d-1") -> Response:
    return rig.call(adr.create(NAMESPACE, device, TOKEN))


def document(answer: Response) -> dict[str, object]:
    read: dict[str, object] = json.loads(answer.body)
    return read


def error(answer: Response) -> tuple[int, str]:
    """The status and the code of an error."""
    return answer.status, json.loads(answer.body)["error"]["code"]


def properties(answer: Response) -> dict[str, object]:
    read: dict[str, object] = json.loads(answer.body)["properties"]
    return read


def counts(rig: Rig) -> object:
    return rig.service.report()["adr"]


def test_a_device_is_created_read_patched_and_deleted(rig: Rig) -> None:
    """What the client's own calls ask for is answered so that the client understands it."""
    created = create(rig)
    assert created.status == 201
    running = adr.read_answer(created, URL)
    assert isinstance(running, Running)
    assert (running.url.partition("/subscriptions/")[0], running.retry_after_s) == ("https://localhost:8883", 1.0)
    assert adr.read_poll(rig.call(adr.poll(running.url, TOKEN)), running) is not None
    assert properties(rig.call(adr.get(NAMESPACE, "d-1", TOKEN)))["provisioningState"] == "Accepted"
    rig.now += 0.2
    assert adr.read_poll(rig.call(adr.poll(running.url, TOKEN)), running) is None
    patched = rig.call(adr.patch(NAMESPACE, "d-1", TOKEN, version="1.2.3"))
    assert isinstance(adr.read_answer(patched, URL), Running)
    rig.now += 0.2
    read = properties(rig.call(adr.get(NAMESPACE, "d-1", TOKEN)))
    assert (read["operatingSystem"], read["operatingSystemVersion"]) == ("Linux", "1.2.3")
    assert (read["version"], read["provisioningState"]) == (2, "Succeeded")
    deleted = rig.call(adr.delete(NAMESPACE, "d-1", TOKEN))
    assert isinstance(adr.read_answer(deleted, URL), Running)
    assert properties(rig.call(adr.get(NAMESPACE, "d-1", TOKEN)))["provisioningState"] == "Deleting"
    rig.now += 0.2
    assert error(rig.call(adr.get(NAMESPACE, "d-1", TOKEN))) == (404, "ResourceNotFound")
    assert counts(rig) == {
        "create.201": 1,
        "patch.202": 1,
        "delete.202": 1,
        "get.200": 3,
        "get.404": 1,
        "poll.200": 2,
    }


def test_a_resource_tells_who_it_is(rig: Rig) -> None:
    """The body that ARM has for a device, and an id for support in a header."""
    answer = create(rig)
    read = document(answer)
    assert (read["id"], read["name"], read["location"]) == (
        URL.partition("?")[0].partition("8883")[2],
        "d-1",
        "East US",
    )
    assert read["type"] == "Microsoft.DeviceRegistry/namespaces/devices"
    assert answer.header("content-type").startswith("application/json")
    assert answer.header("x-ms-correlation-request-id") != create(rig).header("x-ms-correlation-request-id")


def test_what_exists_is_not_created_again(rig: Rig) -> None:
    """412 with If-None-Match, and without it a replacement that is a new version."""
    create(rig)
    assert error(create(rig)) == (412, "PreconditionFailed")
    replaced = send(rig, "PUT", body={"location": "westus", "properties": {"a": 1}})
    assert replaced.status == 200
    assert properties(replaced)["version"] == 2
    assert "operatingSystem" not in properties(replaced)


def test_names_are_the_same_in_any_case(rig: Rig) -> None:
    """As everywhere in ARM; another namespace, group or subscription is another device."""
    create(rig)
    assert send(rig, "GET", URL.replace("resourceGroups", "resourcegroups").replace("ns-1", "NS-1")).status == 200
    for old, new in (("ns-1", "ns-2"), ("group-1", "group-2"), ("sub-1", "sub-2")):
        assert send(rig, "GET", URL.replace(old, new)).status == 404


def test_patches_merge(rig: Rig) -> None:
    """Objects inwards, null removes, and everything else stays."""
    send(rig, "PUT", body={"location": "e", "properties": {"a": {"b": 1, "c": 2}, "d": 3}})
    read = properties(send(rig, "PATCH", body={"properties": {"a": {"b": None, "e": 4}, "f": {"g": None}}}))
    assert (read["a"], read["d"], read["f"]) == ({"c": 2, "e": 4}, 3, {})


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "AuthenticationFailed"),
        (f"Basic {TOKEN}", "AuthenticationFailed"),
        ("Bearer ", "InvalidAuthenticationToken"),
        (f"Bearer {adr.local_token(b'other')}", "InvalidAuthenticationToken"),
        ("Bearer \xe9", "InvalidAuthenticationToken"),
    ],
)
def test_only_the_token_opens(rig: Rig, authorization: str, code: str) -> None:
    """Anything else is 401, also for a path that leads nowhere, and before any throttling."""
    rig.set_faults(Faults({Fault.ADR_THROTTLED: 1.0}))
    for url in (URL, "https://localhost/subscriptions/x"):
        answer = send(rig, "GET", url, authorization=authorization)
        assert error(answer) == (401, code)
        assert answer.header("www-authenticate").startswith("Bearer")
    assert counts(rig) == {"get.401": 1, "other.401": 1}


def test_the_scheme_has_no_case(rig: Rig) -> None:
    """Source: RFC 9110 section 11.1."""
    assert send(rig, "DELETE", authorization=f"bearer {TOKEN}").status == 204


def test_unknown_places_and_methods_are_refused(rig: Rig) -> None:
    """404 for a path, a device and an operation that is not there, 405 with what is allowed."""
    poll = "https://localhost/subscriptions/s/providers/Microsoft.DeviceRegistry/locations/e/operationStatuses/"
    assert error(send(rig, "GET", URL.replace("/devices/", "/assets/"))) == (404, "ResourceNotFound")
    assert error(send(rig, "PATCH", body={})) == (404, "ResourceNotFound")
    assert error(send(rig, "GET", poll + 36 * "0")) == (404, "OperationNotFound")
    refused = send(rig, "POST")
    assert (error(refused), refused.header("allow")) == ((405, "MethodNotAllowed"), "PUT, GET, PATCH, DELETE")
    assert send(rig, "PUT", poll + 36 * "0").header("allow") == "GET"
    assert send(rig, "DELETE").status == 204
    assert counts(rig) == {
        "other.404": 1,
        "patch.404": 1,
        "poll.404": 1,
        "other.405": 1,
        "poll.405": 1,
        "delete.204": 1,
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (None, "InvalidRequestContent"),
        ([], "InvalidRequestContent"),
        ({}, "LocationRequired"),
        ({"location": 1}, "LocationRequired"),
        ({"location": "a/b"}, "LocationRequired"),
        ({"location": "e", "properties": []}, "InvalidRequestContent"),
    ],
)
def test_bad_bodies_are_refused(rig: Rig, body: object, code: str) -> None:
    """400, and no device."""
    assert error(send(rig, "PUT", body=body)) == (400, code)
    assert send(rig, "GET").status == 404


def test_a_request_names_its_api_version(rig: Rig) -> None:
    """Any version, as at the other services, and not none."""
    base = URL.partition("?")[0]
    assert error(send(rig, "GET", base)) == (400, "MissingApiVersionParameter")
    assert error(send(rig, "GET", f"{base}?api-version=1&api-version=2")) == (400, "MissingApiVersionParameter")
    assert error(send(rig, "GET", f"{base}?api-version=latest")) == (400, "InvalidApiVersionParameter")
    assert send(rig, "GET", f"{base}?api-version=2027-01-01").status == 404


def test_throttled_calls_say_how_long_to_wait(rig: Rig) -> None:
    """A fault answers 429 with its delay, and nothing happens."""
    rig.set_faults(Faults({Fault.ADR_THROTTLED: 1.0}, retry_after_s=7))
    answer = create(rig)
    assert (error(answer), answer.header("retry-after")) == ((429, "TooManyRequests"), "7")
    rig.set_faults(Faults())
    assert send(rig, "GET").status == 404


def test_a_quota_throttles_what_is_above_it(new_rig: Callable[[Options], Rig]) -> None:
    """One a second: the second call is refused, whatever it is, and one a second later is not."""
    rig = new_rig(Options(quotas=Quotas(adr_requests_per_s=1.0)))
    assert [create(rig).status, send(rig, "GET").status] == [201, 429]
    rig.now += 1
    assert send(rig, "GET").status == 200
    assert counts(rig) == {"create.201": 1, "get.200": 1, "get.429": 1}


def test_an_outage_is_503_and_504_in_turn(rig: Rig) -> None:
    """Both have the form of ARM."""
    rig.set_faults(Faults({Fault.ADR_SERVER: 1.0}))
    answers = [error(create(rig)) for _ in range(3)]
    assert answers == [(503, "ServiceUnavailable"), (504, "GatewayTimeout"), (503, "ServiceUnavailable")]


def test_a_failing_operation_changes_nothing(rig: Rig) -> None:
    """It is accepted, and says that it failed when it ends."""
    rig.set_faults(Faults({Fault.ADR_FAILED: 1.0}))
    running = adr.read_answer(create(rig), URL)
    assert isinstance(running, Running)
    rig.now += 0.2
    poll = rig.call(adr.poll(running.url, TOKEN))
    assert (document(poll)["status"], error(poll)) == ("Failed", (200, "InternalServerError"))
    assert send(rig, "GET").status == 404
    rig.set_faults(Faults())
    create(rig)
    rig.set_faults(Faults({Fault.ADR_FAILED: 1.0}))
    assert [send(rig, "PATCH", body={"properties": {"a": 1}}).status, send(rig, "DELETE").status] == [202, 202]
    rig.now += 1
    read = properties(send(rig, "GET"))
    assert (read["version"], "a" in read) == (1, False)


def test_polls_do_not_shift_what_a_device_meets() -> None:
    """How often an operation is asked for leaves the draws of the device's own calls as they are."""
    faults = Faults({Fault.ADR_THROTTLED: 0.5})

    def statuses(polls: int) -> list[int]:
        other = make_rig(Options())
        running = adr.read_answer(create(other), URL)
        assert isinstance(running, Running)
        other.set_faults(faults)
        for _ in range(polls):
            other.call(adr.poll(running.url, TOKEN))
        return [send(other, "GET").status for _ in range(20)]

    assert statuses(0) == statuses(3)
    assert len(set(statuses(0))) == 2


def test_what_is_being_deleted_is_not_patched(rig: Rig) -> None:
    """A new PUT takes its place, and outlives the deletion."""
    create(rig)
    assert send(rig, "DELETE").status == 202
    assert error(send(rig, "PATCH", body={"properties": {}})) == (409, "Conflict")
    assert send(rig, "PUT", body={"location": "e"}).status == 200
    rig.now += 1
    assert send(rig, "GET").status == 200


def test_deleting_again_defers_nothing(rig: Rig) -> None:
    """The device is gone when the first deletion ends, and the second is one of nothing."""
    create(rig)
    assert send(rig, "DELETE").status == 202
    rig.now += 0.15
    assert send(rig, "DELETE").status == 202
    rig.now += 0.1
    assert send(rig, "GET").status == 404
    assert send(rig, "DELETE").status == 204


def test_operations_are_forgotten_in_time(rig: Rig) -> None:
    """The device stays."""
    running = adr.read_answer(create(rig), URL)
    assert isinstance(running, Running)
    rig.now += KEPT_S - 1
    assert rig.call(adr.poll(running.url, TOKEN)).status == 200
    rig.now += 1
    assert rig.call(adr.poll(running.url, TOKEN)).status == 404
    assert send(rig, "GET").status == 200


def test_devices_have_a_bound(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it none is created, until one is deleted; what is there can still be changed."""
    monkeypatch.setattr(module, "MAX_DEVICES", 1)
    create(rig)
    assert error(create(rig, "d-2")) == (409, "QuotaExceeded")
    assert send(rig, "PUT", body={"location": "e"}).status == 200
    send(rig, "DELETE")
    rig.now += 1
    assert create(rig, "d-2").status == 201
