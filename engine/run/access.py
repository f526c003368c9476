"""Who may call the API, and as whom: from a request's headers and what the server's settings say.

With a function key the host has looked at it before a request comes here, and nothing in the request says who has it:
headers that name a principal are no proof then, as anybody may send them. With Entra ID the platform has checked the
token and put the principal into headers, which it takes away from what comes from outside.
Source: App Service, "Work with user identities in App Service authentication" (names of the headers, claims).
"""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from engine.errors import Forbidden, Unauthorized

KEY_HOLDER: Final = "key"
"""Who asked, where a key is all that is known of them."""

_ID, _NAME, _PROVIDER, _CLAIMS = (f"x-ms-client-principal{rest}" for rest in ("-id", "-name", "-idp", ""))
_ENTRA: Final = "aad"
_APP_CLAIMS: Final = frozenset({"appid", "azp"})
_USER_CLAIMS: Final = frozenset({"scp", "http://schemas.microsoft.com/identity/claims/scope"})
"""Tokens of users say for what an app may act; an app's own do not.

Source: Microsoft identity platform, "Access token claims reference" (appid, azp, scp); "Work with user identities in
App Service authentication" (the longer name).
"""
_LONGEST_NAME: Final = 128


class Guard(StrEnum):
    """What keeps strangers out: nothing on one's own machine, the host's function keys, or Entra ID."""

    NONE = "none"
    KEY = "key"
    ENTRA = "entra"


@dataclass(frozen=True, slots=True)
class Access:
    """The rule. principals are object ids and application ids, in lower case; empty is everybody of the tenant."""

    guard: Guard = Guard.NONE
    principals: frozenset[str] = frozenset()


def admit(headers: Mapping[str, str], access: Access) -> str:
    """Who asks: a principal's name or object id, "key", or "" where nobody is told apart. Names of headers are in lower
    case.

    Raises Unauthorized where Entra ID vouches for nobody, and Forbidden where it does for somebody who is not listed.
    """
    match access.guard:
        case Guard.NONE:
            return ""
        case Guard.KEY:
            return KEY_HOLDER
    object_id = headers.get(_ID, "").strip().lower()
    if not object_id or headers.get(_PROVIDER, "").strip().lower() != _ENTRA:
        raise Unauthorized("a token of Entra ID is needed, and the platform vouches for none")
    if access.principals and not access.principals & {object_id, *_own_apps(headers.get(_CLAIMS, ""))}:
        raise Forbidden("the principal is not among ALLOWED_PRINCIPALS")
    name = "".join(char for char in headers.get(_NAME, "").strip()[:_LONGEST_NAME] if char.isprintable())
    return name or object_id[:_LONGEST_NAME]


def _own_apps(claims: str) -> frozenset[str]:
    """The application id of an app that acts for itself. An app through which a user acts is not the caller: else a
    listed app would let in whoever may use it."""
    held = _claims(claims)
    if any(kind in _USER_CLAIMS for kind, _ in held):
        return frozenset()
    return frozenset(value.lower() for kind, value in held if kind in _APP_CLAIMS)


def _claims(text: str) -> list[tuple[str, str]]:
    """Kind and value of every claim; none in what is not the platform's form."""
    try:
        found: Any = json.loads(b64decode(text, validate=True))
        return [(str(claim["typ"]), str(claim["val"])) for claim in found["claims"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
