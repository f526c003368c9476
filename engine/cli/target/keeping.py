"""Secrets are put into a Key Vault, and into nothing else.

What the vault answers is never told but for status and code.
"""

from collections.abc import Callable
from typing import Final

from engine.cli.target.script import Ask, Pause, Say, Script, SetupFailed, failure_of, patiently, told
from engine.protocol import key_vault
from engine.protocol.http import Request, Response

STATE_KEY_NAME: Final = "state-key"
STATE_KEY_CONTENT: Final = "base64 of 64 random bytes: wraps device keys at rest"
GROUP_KEY_CONTENT: Final = "base64: primary key of a DPS enrollment group"

ROLE_EVERY_S: Final = 15.0
ROLE_WITHIN_S: Final = 600.0


def keep(vault: str, name: str, version: str, *, value: str, content: str) -> Script[bool]:
    """The vault has this value; whether it had to be written. vault is a URL without path. Raises SetupFailed."""
    what = f"secret {name}"
    found = yield from _asked(key_vault.get_secret(vault, name, version), what)
    if found.status != 404 and key_vault.read_value(found) == value:
        yield Say(f"{what}: there, left alone")
        return False
    yield from _asked(key_vault.set_secret(vault, name, version, value=value, content=content), what)
    yield Say(f"{what}: {'written' if found.status == 404 else 'written, it was another one'}")
    return True


def keep_first(vault: str, name: str, version: str, *, make: Callable[[], str], content: str) -> Script[bool]:
    """The vault has a value, made only where it had none; whether it was made. Raises SetupFailed."""
    what = f"secret {name}"
    found = yield from _asked(key_vault.get_versions(vault, name, version), what)
    if found.status != 404 and key_vault.has_versions(found):
        yield Say(f"{what}: there, left alone")
        return False
    yield from _asked(key_vault.set_secret(vault, name, version, value=make(), content=content), what)
    yield Say(f"{what}: written")
    return True


def _asked(request: Request, what: str) -> Script[Response]:
    """The answer, a success or a 404 to a GET. A role that has not arrived is waited for."""
    ask = Ask(request, key_vault.TOKEN_SCOPE, what, is_secret=True)
    began: float | None = None
    while True:
        response = yield from patiently(ask)
        if failure_of(response) is None or (response.status == 404 and request.method == "GET"):
            return response
        inner = key_vault.inner_code(response)
        said = f"{told(ask, response)} {inner}".rstrip()
        if response.status == 409:
            raise SetupFailed(f"{said}: it was deleted and can be recovered; do that, or purge it")
        if inner != key_vault.NO_ROLE:
            raise SetupFailed(said)
        yield Say(f"{what}: the role Key Vault Secrets Officer is missing or has not arrived; asked again soon")
        now: float = yield Pause(ROLE_EVERY_S)
        began = now if began is None else began
        if now > began + ROLE_WITHIN_S:
            raise SetupFailed(f"{what}: this identity needs the role Key Vault Secrets Officer on the vault")
