"""No value shows a secret of its own: whatever is logged, asserted or raised with it."""

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import engine
from doubles.drive import GROUP_KEY, make_bundle, make_setup
from doubles.means import make_means
from engine.device.attestations.symmetric import GroupKey
from engine.device.attestations.x509 import parse_authority
from engine.device.bundle import WrappingKey
from engine.device.proof import Proof
from engine.emulator import packet
from engine.emulator.server import Settings as EmulatorSettings
from engine.emulator.vault import open_vault
from engine.protocol import http, issuing, mqtt, x509

NAMED_LIKE_SECRETS = re.compile(r"(?:^|_)(?:keys?|secrets?|tokens?|password|pem|conn_str|proof)(?:_old)?$")
HARMLESS = {
    ("engine.adapters.jobs.launcher", "_Turn", "key"),  # where its note lies in the store
    ("engine.localhost.backend", "Turn", "token"),  # which turn of an orchestration it is
    ("engine.plan.field", "Words", "key"),  # the pattern of a label's name
}
KEY = b"a key that nobody must ever see"


def shown_fields() -> Iterator[tuple[str, str, str]]:
    """Module, class and name of every field that a repr shows and whose name and type could be a secret's."""
    for found in pkgutil.walk_packages(engine.__path__, "engine."):
        if found.name.endswith("__main__"):
            continue
        for name, kind in vars(importlib.import_module(found.name)).items():
            if not (isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == found.name):
                continue
            if not hasattr(kind.__repr__, "__wrapped__"):  # it has one of its own, which is tested by itself
                continue
            for field in dataclasses.fields(kind):
                is_text = re.search(r"\b(?:bytes|str)\b", str(field.type)) and "Callable" not in str(field.type)
                if field.repr and is_text and NAMED_LIKE_SECRETS.search(field.name):
                    yield found.name, name, field.name


def test_fields_that_hold_secrets_are_not_shown() -> None:
    """A field that is called like a secret, and is text or bytes, is left out of its repr, or is known to be none."""
    assert set(shown_fields()) == HARMLESS


@pytest.mark.parametrize(
    "value",
    [
        WrappingKey(KEY, KEY),
        GroupKey(KEY),
        Proof(KEY.decode()),
        mqtt.Identity(KEY, (b"leaf",)),
        mqtt.Connect("hub.example", 8883, "d-0", "user", password=KEY.decode(), identity=mqtt.Identity(KEY, ())),
        http.Request("GET", "https://web.example/", (("Authorization", KEY.decode()),), body=KEY),
        packet.Connect("d-0", "user", KEY),
        EmulatorSettings(Path(), group_key=KEY),
        make_means(wrapping_key=WrappingKey(KEY, KEY)),
        make_setup(token=lambda: KEY.decode()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_value_does_not_show_its_secret(value: object) -> None:
    """Neither as it is nor as bytes are written."""
    assert KEY.decode() not in repr(value)
    assert KEY.hex() not in repr(value)


def test_values_that_hold_keys_do_not_show_them(tmp_path: Path) -> None:
    """A device's bundle, a batch's setup, an enrollment group's CA and the emulator's vault."""
    bundle, vault = make_bundle("d-0"), open_vault(tmp_path / "vault", 0.0)
    authority = parse_authority(issuing.authority_pem(vault.onboarding))
    text = repr((bundle, make_setup(), authority, vault, vault.onboarding))
    secrets = (bundle.key, GROUP_KEY, vault.group_key, x509.key_to_der(vault.onboarding.key))
    assert not any(repr(secret)[2:-1] in text or secret.hex() in text for secret in secrets)


def test_nobody_asks_for_locals_in_a_traceback() -> None:
    """They would hold keys and tokens."""
    for file in Path(engine.__path__[0]).rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"show_locals|capture_locals|tracebacks_show|set_keylog|keylog_filename|cgitb", text), file
