"""Which host a command asks, and what it shows to be let in."""

from collections.abc import Mapping
from typing import Final

from engine.cli.client import Api
from engine.cli.transport import KEY_VARIABLE, TOKEN_VARIABLE

URL_VARIABLE: Final = "CERTFLEET_URL"
LOCAL_URL: Final = "http://127.0.0.1:7071"
LOCAL: Final = "local"
"""What --url says to mean this machine, whatever the variable says."""


def named_url(given: str, environ: Mapping[str, str]) -> str | None:
    """The URL of the host that the option or else the variable names, None where neither does."""
    url = given or environ.get(URL_VARIABLE, "").strip()
    return None if url in ("", LOCAL) else url


def open_api(given: str, environ: Mapping[str, str]) -> Api:
    """The API of the host that is named, else of the one that `up` starts on this machine. Raises CommandFailed."""
    key, token = (environ.get(name, "").strip() for name in (KEY_VARIABLE, TOKEN_VARIABLE))
    return Api(named_url(given, environ) or LOCAL_URL, key=key, token=token)
