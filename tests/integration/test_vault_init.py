"""What `certfleet vault init` leaves in a Key Vault."""

import base64
import json

import pytest

from doubles.target_cloud import Trick
from engine.cli.target.script import SetupFailed
from engine.settings import STATE_KEY_BYTES
from tests.integration.target_scene import scene_of


def test_init_makes_a_key_where_there_is_none(capsys: pytest.CaptureFixture[str]):
    """It is base64 of 64 bytes, another one each time, and shown to nobody."""
    keys = []
    for _ in range(2):
        with scene_of("none") as scene:
            scene.init("--json")
            keys += scene.services.secrets["state-key"]
    assert {len(base64.b64decode(key, validate=True)) for key in keys} == {STATE_KEY_BYTES}
    assert len(set(keys)) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out.partition("}")[0] + "}") == {"secret": "state-key", "made": True}
    assert not any(key in shown.out + shown.err for key in keys)


def test_init_again_changes_nothing(capsys: pytest.CaptureFixture[str]):
    """A key that is there is neither written nor read: with another one, all state would be lost."""
    with scene_of("none") as scene:
        scene.services.secrets["state-key"] = ["the first one"]
        scene.init()
        assert scene.services.secrets == {"state-key": ["the first one"]}
        assert scene.cloud.asked == ["GET kv-one/secrets/state-key/versions"]
    assert "left alone" in capsys.readouterr().out


def test_init_waits_for_its_role():
    """A role that was given a moment ago arrives."""
    with scene_of("none", no_vault_role=5) as scene:
        scene.init()
        assert len(scene.services.secrets["state-key"]) == 1


@pytest.mark.parametrize("is_done", [True, False])
def test_answer_that_is_lost_makes_no_second_key(is_done: bool):
    """What is sent again is the same key."""
    with scene_of("none") as scene:
        scene.cloud.trick("PUT", "state-key", Trick(is_done=is_done))
        scene.init()
        assert len(set(scene.services.secrets["state-key"])) == 1


def test_key_that_was_deleted_is_not_replaced():
    """It can be recovered, and what it wraps with it."""
    with scene_of("none") as scene:
        scene.cloud.trick("PUT", "state-key", Trick(409, "Conflict"))
        with pytest.raises(SetupFailed, match="recover"):
            scene.init()


def test_vault_behind_a_firewall_is_not_waited_for():
    """A 403 that is not about roles does not pass."""
    with scene_of("none") as scene:
        scene.cloud.trick("GET", "versions", Trick(403, "Forbidden"))
        with pytest.raises(SetupFailed, match="403 Forbidden"):
            scene.init()
        assert scene.clock.now() == 0
