"""A case of the renewal contract as data: the moves of the device, in order, and what each must lead to."""

from dataclasses import dataclass
from enum import StrEnum


class Body(StrEnum):
    """What a request carries."""

    VALID = "valid"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    ARRAY = "array"
    EMPTY_CSR = "empty-csr"
    LONG_CSR = "long-csr"
    NO_BASE64 = "no-base64"
    OTHER_ID = "other-id"
    EMPTY_ID = "empty-id"
    UNKNOWN_FIELD = "unknown-field"
    NO_CSR = "no-csr"
    """Base64 as it should be, of something that is no PKCS#10."""


class Replace(StrEnum):
    """What a request says that it is to take the place of."""

    NOTHING = "nothing"
    BEFORE = "before"
    """The request before this one, by its id."""

    ANY = "any"
    ILL_FORMED = "ill-formed"
    UNKNOWN = "unknown"
    """An id that no request has."""


@dataclass(frozen=True, slots=True)
class Send:
    """Publish a request and go on at once; without an id nothing stands behind the topic's last slash."""

    body: Body = Body.VALID
    replace: Replace = Replace.NOTHING
    has_id: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """The request sent last is answered with this status."""

    status: int


@dataclass(frozen=True, slots=True)
class Rivals:
    """Of the two requests sent last one is served, 202 and 200, and the other refused with 409, whichever it is."""


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer comes."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Subscribe to the answers."""


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Give the subscription up."""


@dataclass(frozen=True, slots=True)
class Return:
    """Disconnect, stay away for a while, and connect again; subscribed only if the session lives on."""

    clean_session: bool


type Move = Send | Answer | Rivals | Silence | Subscribe | Unsubscribe | Return


@dataclass(frozen=True, slots=True)
class Case:
    """A case begins on a new connection, subscribed or not. may_drop: the service may close it, and has answered so."""

    number: str
    title: str
    moves: tuple[Move, ...]
    is_subscribed: bool = True
    clean_session: bool = True
    may_drop: bool = False
