"""Secrets from the environment."""

import pytest

from engine.adapters.secrets import EnvironmentSecrets
from engine.errors import SettingsError


def secrets(**environ: str) -> EnvironmentSecrets:
    """One secret of each kind."""
    return EnvironmentSecrets(environ, base64={"group-key": "GROUP_KEY"}, text={"token": "TOKEN"})


def test_base64_becomes_bytes() -> None:
    """Blanks around the value do not count."""
    assert secrets(GROUP_KEY=" AAH/\n").read("group-key") == b"\x00\x01\xff"


def test_text_is_taken_as_it_is() -> None:
    """In UTF-8, also when it looks like base64."""
    assert secrets(TOKEN="AAH/").read("token") == b"AAH/"
    assert secrets(TOKEN="schlüssel").read("token") == "schlüssel".encode()


@pytest.mark.parametrize("environ", [{}, {"GROUP_KEY": ""}, {"GROUP_KEY": "  "}])
def test_missing_variable_is_named(environ: dict[str, str]) -> None:
    """An empty variable is a missing one."""
    with pytest.raises(SettingsError) as caught:
        secrets(**environ).read("group-key")
    assert caught.value.problems == {"GROUP_KEY": "missing, it should hold the secret group-key"}


@pytest.mark.parametrize("value", ["not base64!", "AAH", "AA H/"])
def test_what_is_not_base64_is_named_and_not_shown(value: str) -> None:
    """The error says which variable, and holds nothing of the value, its cause neither."""
    with pytest.raises(SettingsError) as caught:
        secrets(GROUP_KEY=value).read("group-key")
    assert set(caught.value.problems) == {"GROUP_KEY"}
    assert value not in str(caught.value)
    assert caught.value.__cause__ is None


def test_unknown_secret_is_named() -> None:
    """A name without a variable is a setting that is missing."""
    with pytest.raises(SettingsError, match="other"):
        secrets().read("other")


def test_secrets_do_not_show() -> None:
    """What is printed by accident holds no value."""
    assert "AAH/" not in repr(secrets(GROUP_KEY="AAH/"))
