"""Secrets from environment variables, into which Azure puts what lies in Key Vault."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.errors import SettingsError


@dataclass(frozen=True, slots=True)
class EnvironmentSecrets:
    """A `Secrets` that reads variables of `environ`; each mapping is from a secret's name to its variable.

    A variable of `base64` holds bytes in that form, one of `text` is taken as it is. Blanks around a value are not
    part of it, and an empty variable is a missing one.
    """

    environ: Mapping[str, str] = field(repr=False)
    base64: Mapping[str, str]
    text: Mapping[str, str] = field(default_factory=dict)

    def read(self, name: str) -> bytes:
        """The secret's value. Raises SettingsError naming the variable that is missing or not base64."""
        variable = self.base64.get(name) or self.text.get(name)
        if variable is None:
            raise SettingsError({name: "no variable is known for this secret"})
        value = self.environ.get(variable, "").strip()
        if not value:
            raise SettingsError({variable: f"missing, it should hold the secret {name}"})
        return _decode(variable, value) if name in self.base64 else value.encode()


def _decode(variable: str, value: str) -> bytes:
    try:
        return b64decode(value, validate=True)
    except ValueError:
        # The cause is left out: nothing of a secret may end in a traceback.
        raise SettingsError({variable: "expected base64, found something else"}) from None
