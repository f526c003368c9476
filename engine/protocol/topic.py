"""Topics of the form `prefix/{…}/?$rid=…&k=v`: the query part and the status part, read strictly."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import unquote

from engine.errors import LocalProtocolError, RemoteProtocolError

_RESPONSE = re.compile(r"(?P<status>[2-5][0-9]{2})/\?(?P<query>.+)", re.ASCII | re.DOTALL)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_RID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Response:
    """The topic of an answer: its status, the request it answers, and every other key of the query."""

    status: int
    rid: str
    extra: Mapping[str, str]


def parse_response(topic: str, prefix: str) -> Response:
    """An answer's topic, with `$rid` anywhere in the query and keys we do not know tolerated.

    Raises RemoteProtocolError on another prefix, a status that is none, a missing `$rid` or a key that comes twice.
    Source: azure-sdk-for-c, sdk/src/azure/iot (both orders of the keys are accepted there).
    """
    found = _RESPONSE.fullmatch(topic, len(prefix)) if topic.startswith(prefix) else None
    if found is None:
        raise RemoteProtocolError(f"topic {topic[:200]!r} is not {prefix}{{status}}/?$rid=...")
    query = dict(parse_query(found["query"]))
    return Response(int(found["status"]), take_rid(query), MappingProxyType(query))


def parse_query(text: str) -> Mapping[str, str]:
    """The keys and values of `k=v&k2=v2`, percent-decoded; a key without `=` has the value "".

    Raises RemoteProtocolError on an empty key or one that comes twice (PY raises there too).
    """
    query: dict[str, str] = {}
    for pair in text.split("&"):
        key, _, value = pair.partition("=")
        key = unquote(key)
        if not key or key in query:
            raise RemoteProtocolError(f"key {key[:50]!r} is empty or comes twice in a topic's query")
        query[key] = unquote(value)
    return query


def take_rid(query: dict[str, str]) -> str:
    """The request id, removed from the query. Raises RemoteProtocolError when it is missing or not a plain word."""
    rid = query.pop("$rid", "")
    if not _RID.fullmatch(rid):
        raise RemoteProtocolError(f"request id {rid[:50]!r} is missing or not 1 to 128 letters, digits and ._:-")
    return rid


def check_rid(rid: str) -> str:
    """The request id itself. Raises LocalProtocolError when it would need escaping in a topic."""
    if not _RID.fullmatch(rid):
        raise LocalProtocolError(f"request id {rid[:50]!r} is not 1 to 128 letters, digits and ._:-")
    return rid


def parse_seconds(text: str | None) -> float | None:
    """A delay in seconds, None for None. Raises RemoteProtocolError on anything but a plain decimal number."""
    if text is None:
        return None
    if not _SECONDS.fullmatch(text):
        raise RemoteProtocolError(f"a delay is {text[:50]!r}, expected seconds")
    return float(text)
