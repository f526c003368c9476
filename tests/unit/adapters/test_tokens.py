"""The resource manager's token: got before it is needed, renewed before it is too old."""

import threading

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from engine.adapters.tokens import RENEW_BEFORE_S, TRY_EVERY_S, TokenKeeper
from engine.errors import SettingsError

SCOPE = "https://management.azure.com/.default"
START = 1_700_000_000.0


class Clock:
    """A wall clock that stands; who sleeps is noted, and sleeps for ever once the naps are used up."""

    def __init__(self, naps: int = 0) -> None:
        self.slept: list[float] = []
        self.is_asleep = threading.Event()
        self._naps = naps

    def now(self) -> float:
        """Not used."""
        raise AssertionError

    def wall(self) -> float:
        """Always the same."""
        return START

    def sleep(self, for_s: float) -> None:
        """Return at once, as often as there are naps."""
        self.slept.append(for_s)
        if len(self.slept) > self._naps:
            self.is_asleep.set()
            threading.Event().wait()


class Credential:
    """Gives these one after the other: a lifetime in seconds, or an error."""

    def __init__(self, *answers: float | Exception) -> None:
        self.scopes: list[str] = []
        self._answers = list(answers)

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        """The next token, named after its place."""
        self.scopes += scopes
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return AccessToken(f"token-{len(self.scopes)}", int(START + answer))


def keeper(credential: Credential, clock: Clock) -> TokenKeeper:
    """A keeper of the credential's tokens."""
    return TokenKeeper(credential, SCOPE, clock)


def test_first_token_is_there_when_open_returns() -> None:
    """It is asked for once, however often it is opened and read."""
    credential, clock = Credential(3600.0), Clock()
    kept = keeper(credential, clock)
    kept.open()
    kept.open()
    assert kept.read() == kept.read() == "token-1"
    assert credential.scopes == [SCOPE]


def test_token_is_renewed_before_it_expires() -> None:
    """Five minutes before, in the background; the one that was renewed is shown from then on."""
    clock = Clock(naps=1)
    kept = keeper(Credential(3600.0, 7200.0), clock)
    kept.open()
    assert clock.is_asleep.wait(10)
    assert kept.read() == "token-2"
    assert clock.slept == [3600.0 - RENEW_BEFORE_S, 7200.0 - RENEW_BEFORE_S]


def test_token_that_cannot_be_renewed_is_kept() -> None:
    """Another try follows soon, until one succeeds."""
    clock = Clock(naps=2)
    kept = keeper(Credential(3600.0, ServiceRequestError("away"), 600.0), clock)
    kept.open()
    assert clock.is_asleep.wait(10)
    assert kept.read() == "token-3"
    assert clock.slept == [3600.0 - RENEW_BEFORE_S, TRY_EVERY_S, 300.0]


def test_short_token_is_not_asked_for_without_end() -> None:
    """One that is as good as expired is renewed soon, not at once."""
    assert keeper(Credential(10.0), Clock()).renew() == TRY_EVERY_S


def test_identity_without_a_token_is_a_wrong_setting() -> None:
    """It names the variable, and nothing of what the credential had to say; later it may go better."""
    kept = keeper(Credential(ClientAuthenticationError("secret=canary"), 3600.0), Clock())
    with pytest.raises(SettingsError) as caught:
        kept.open()
    assert caught.value.problems == {
        "AZURE_CLIENT_ID": f"this identity gets no token for {SCOPE}: ClientAuthenticationError"
    }
    assert caught.value.__cause__ is None
    kept.open()
    assert kept.read() == "token-2"


def test_keeper_does_not_show_its_token() -> None:
    """Not in a repr."""
    kept = keeper(Credential(3600.0), Clock())
    kept.open()
    assert "token-1" not in repr(kept)
