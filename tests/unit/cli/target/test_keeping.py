"""Secrets are written where they are missing or others, and told to nobody."""

import json

import pytest

from engine.cli.target.keeping import keep, keep_first
from engine.cli.target.script import SetupFailed
from engine.protocol.http import Response
from tests.unit.cli.target.playing import answer, error, play

VAULT = "https://kv.example"
NO_ROLE = answer(403, {"error": {"code": "Forbidden", "message": "canary", "innererror": {"code": "ForbiddenByRbac"}}})


@pytest.mark.parametrize(
    ("held", "is_written"),
    [
        (answer(200, {"value": "canary"}), False),
        (answer(200, {"value": "old"}), True),
        (error(404, "SecretNotFound"), True),
    ],
)
def test_secret_is_written_unless_it_is_that_one(held: Response, is_written: bool):
    """A new version is made of another value only."""
    found, stage = play(
        keep(VAULT, "key", "7.4", value="canary", content="x"), [held, answer(200, {"value": "canary"})]
    )
    assert found is is_written
    assert [request.method for request in stage.asked] == (["GET", "PUT"] if is_written else ["GET"])
    assert not any("canary" in line for line in stage.said)


@pytest.mark.parametrize(("held", "is_made"), [([], True), ([{"id": "1"}], False)])
def test_first_value_is_made_only_where_there_is_none(held: list[object], is_made: bool):
    """And what is there is not even read."""
    made: list[str] = []

    def make() -> str:
        made.append("canary")
        return made[-1]

    found, stage = play(
        keep_first(VAULT, "key", "7.4", make=make, content="x"), [answer(200, {"value": held}), answer()]
    )
    assert (found, bool(made)) == (is_made, is_made)
    assert "/versions?" in stage.asked[0].url
    assert [json.loads(request.body)["value"] for request in stage.asked[1:]] == made


def test_missing_role_is_waited_for_within_a_bound():
    """And then it is named, without the service's words."""
    _, stage = play(keep(VAULT, "key", "7.4", value="x", content="x"), [NO_ROLE, NO_ROLE, answer(200, {"value": "x"})])
    assert stage.clock.now() == 30
    with pytest.raises(SetupFailed, match="needs the role Key Vault Secrets Officer") as refused:
        play(keep(VAULT, "key", "7.4", value="x", content="x"), [NO_ROLE])
    assert "canary" not in str(refused.value)


def test_deleted_secret_is_to_be_recovered():
    """It is not written over by a detour."""
    with pytest.raises(SetupFailed, match="409 Conflict: it was deleted and can be recovered"):
        play(keep(VAULT, "key", "7.4", value="x", content="x"), [error(404, "SecretNotFound"), error(409, "Conflict")])
