"""What an emulator keeps in its directory."""

import stat
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
    assert [issuer.der for issuer in (first.root, first.issuer, first.server_root)] == [
        issuer.der for issuer in (second.root, second.issuer, second.server_root)
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


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"groupKey": "-"}'])
def test_a_broken_vault_says_so(tmp_path: Path, body: str) -> None:
    """It is never replaced in silence: every device's certificate hangs on it."""
    (tmp_path / "secrets.json").write_text(body)
    with pytest.raises(LocalProtocolError, match=r"secrets\.json"):
        open_vault(tmp_path, NOW)
