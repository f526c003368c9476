"""What every call of Azure Resource Manager has."""

import json

import pytest

from engine.emulator import arm
from engine.emulator.arm import MAX_DEPTH, MAX_PROPERTIES_BYTES, Answer, Refused
from engine.protocol.http import Request


def nested(depth: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def refusal(value: object) -> str:
    with pytest.raises(Refused) as caught:
        arm.check_properties(value)
    assert caught.value.answer.status == 400
    return str(caught.value)


def test_properties_have_a_depth_and_a_size() -> None:
    """Within both they come back as they are, beyond either they are refused."""
    assert arm.check_properties(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    assert "nested" in refusal(nested(MAX_DEPTH + 1))
    assert "nested" in refusal({"a": json.loads("[" * MAX_DEPTH + "[]" + "]" * MAX_DEPTH)})
    room = MAX_PROPERTIES_BYTES - len('{"a":""}')
    assert arm.check_properties({"a": "x" * room})
    assert "bytes" in refusal({"a": "x" * (room + 1)})


def test_properties_are_an_object_of_numbers_that_json_has() -> None:
    """A number that overflows can be written in JSON and read by nobody."""
    assert "object" in refusal([])
    assert "range" in refusal(json.loads('{"a": 1e999}'))


def test_a_good_request_passes() -> None:
    """The token, any version, and an object."""
    request = Request(
        "PUT", "https://h/x?api-version=2020-01-01-preview", (("Authorization", "BEARER t"),), b'{"a": 1}'
    )
    arm.check_token(request, "t")
    arm.check_version(request)
    assert arm.read_body(request) == {"a": 1}


@pytest.mark.parametrize("header", [(), (("authorization", "t"),), (("authorization", "Bearer u"),)])
def test_other_tokens_are_refused(header: tuple[tuple[str, str], ...]) -> None:
    """401, with the scheme that is wanted."""
    with pytest.raises(Refused) as caught:
        arm.check_token(Request("GET", "https://h/", header), "t")
    assert caught.value.answer.status == 401
    assert caught.value.answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("query", ["", "?", "?api-version=", "?a=1&a=2", "?api-version=x"])
def test_other_versions_are_refused(query: str) -> None:
    """400."""
    with pytest.raises(Refused) as caught:
        arm.check_version(Request("GET", f"https://h/{query}"))
    assert caught.value.answer.status == 400


def test_other_bodies_are_refused() -> None:
    """400."""
    for body in (b"", b"{", b"[]", b"\xff"):
        with pytest.raises(Refused) as caught:
            arm.read_body(Request("PUT", "https://h/", (), body))
        assert caught.value.answer.status == 400


def test_refusals_say_what_to_do() -> None:
    """How long to wait, and which methods there are."""
    assert arm.throttled(3).answer.headers == {"retry-after": "3"}
    assert arm.not_allowed("POST", "GET").answer.headers == {"allow": "GET"}


def test_merging_changes_neither_side() -> None:
    """Null removes, objects merge inwards, an object takes the place of anything else."""
    held, changes = {"a": {"b": 1}, "c": 2, "d": 3}, {"a": {"e": 4}, "c": {"f": None}, "d": None, "g": [None]}
    assert arm.merge(held, changes) == {"a": {"b": 1, "e": 4}, "c": {}, "g": [None]}
    assert held == {"a": {"b": 1}, "c": 2, "d": 3}


def test_an_answer_has_its_id_and_its_type() -> None:
    """One without a document has no body, and no type."""
    answer = arm.respond(Answer(200, {"a": 1}, {"retry-after": "1"}), "id-1")
    assert (answer.status, answer.body, answer.header("retry-after")) == (200, b'{"a":1}', "1")
    assert (answer.header("x-ms-correlation-request-id"), answer.header("content-type")) == (
        "id-1",
        "application/json; charset=utf-8",
    )
    empty = arm.respond(Answer(204), "id-2")
    assert (empty.body, empty.header("content-type")) == (b"", "")
