"""What an emulator keeps in its directory."""

import fcntl
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.emulator.vault import open_vault
from engine.errors import LocalProtocolError
from engine.protocol import issuing

NOW = 1767225600.0


def test_a_vault_is_made_once(tmp_path: Path) -> None:
    """A second start finds the same keys and certificates."""
    first, second = open_vault(tmp_path / "a" / "b", NOW), open_vault(tmp_path / "a" / "b", NOW + 1000)
    assert first.group_key == second.group_key
    assert [issuer.der for issuer in (first.root, first.issuer, first.server_root, first.onboarding)] == [
        issuer.der for issuer in (second.root, second.issuer, second.server_root, second.onboarding)
    ]
    assert issuing.is_issued_by(first.issuer.der, first.root)


def test_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    """Files 0600 in a directory 0700, and nothing half written stays behind."""
    vault = open_vault(tmp_path / "v", NOW)
    vault.keep_revocations({"d": 1})
    files = sorted(path.name for path in vault.folder.iterdir())
    assert files == ["ca.pem", "revoked.json", "secrets.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in vault.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(vault.folder.stat().st_mode) == 0o700


def test_the_ca_file_is_what_clients_trust(tmp_path: Path) -> None:
    """The server's root, as PEM."""
    vault = open_vault(tmp_path, NOW)
    assert vault.ca_file.read_bytes() == issuing.to_pem(vault.server_root.der)


def test_revocations_are_kept(tmp_path: Path) -> None:
    """None at first, then those that were written."""
    vault = open_vault(tmp_path, NOW)
    assert vault.revocations() == {}
    vault.keep_revocations({"d": 2})
    assert open_vault(tmp_path, NOW).revocations() == {"d": 2}


def test_a_vault_of_an_older_version_gets_what_it_lacks(tmp_path: Path) -> None:
    """The onboarding CA is added once, for its owner's eyes only, and everything else stays as it was."""
    first, path = open_vault(tmp_path, NOW), tmp_path / "secrets.json"
    held = json.loads(path.read_bytes())
    old = {name: value for name, value in held.items() if not name.startswith("onboarding")}
    path.write_text(json.dumps(old))
    second, third = open_vault(tmp_path, NOW), open_vault(tmp_path, NOW)
    assert second.onboarding.der == third.onboarding.der != first.onboarding.der
    assert old.items() < json.loads(path.read_bytes()).items()
    assert (second.group_key, second.issuer.der) == (first.group_key, first.issuer.der)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ca.pem", "secrets.json"]


def test_several_starts_at_once_agree_on_what_was_lacking(tmp_path: Path) -> None:
    """Whoever comes second waits, and takes what the first put there."""
    first, path = open_vault(tmp_path, NOW), tmp_path / "secrets.json"
    whole = path.read_bytes()
    held = json.loads(whole)
    path.write_text(json.dumps({name: held[name] for name in held if not name.startswith("onboarding")}))
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(open_vault, tmp_path, NOW)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.05)
        path.write_bytes(whole)
        os.close(folder)
        assert second.result().onboarding.der == first.onboarding.der
    assert path.read_bytes() == whole


def test_half_an_onboarding_ca_is_a_broken_vault(tmp_path: Path) -> None:
    """A key without its certificate is not replaced."""
    open_vault(tmp_path, NOW)
    path = tmp_path / "secrets.json"
    held = json.loads(path.read_bytes())
    path.write_text(json.dumps({name: held[name] for name in held if name != "onboardingCertificate"}))
    with pytest.raises(LocalProtocolError, match=r"secrets\.json"):
        open_vault(tmp_path, NOW)


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"groupKey": "-"}'])
def test_a_broken_vault_says_so(tmp_path: Path, body: str) -> None:
    """It is never replaced in silence: every device's certificate hangs on it."""
    (tmp_path / "secrets.json").write_text(body)
    with pytest.raises(LocalProtocolError, match=r"secrets\.json"):
        open_vault(tmp_path, NOW)
