"""Route templates of HTTP triggers: which paths they match, and which of two wins.

Literal segments, parameters with constraints (`{id:int}`), optional ones at the end (`{id?}`) and a catch-all
(`{*rest}`). Literals ignore case. Where several templates match, the more specific wins, segment by segment.
Source: ASP.NET Core documentation, "Routing", route templates, constraints and precedence.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from urllib.parse import unquote

from engine.localhost.errors import HostError

CONSTRAINTS: Mapping[str, str] = {
    "": r"[^/]+",
    "int": r"-?\d+",
    "long": r"-?\d+",
    "bool": r"true|false",
    "alpha": r"[a-z]+",
    "guid": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
}
SEGMENT = re.compile(r"\{(?P<star>\*{0,2})(?P<name>\w[\w-]*)(?::(?P<constraint>\w*))?(?P<optional>\??)\}")


class Rank(IntEnum):
    """How specific a segment is, the most first."""

    LITERAL = 0
    CONSTRAINED = 1
    PARAMETER = 2
    CATCH_ALL = 3


@dataclass(frozen=True, slots=True)
class Route:
    """A template, ready to match. Sorted by `ranks`, the more specific comes first."""

    template: str
    pattern: re.Pattern[str]
    names: tuple[str, ...]
    ranks: tuple[Rank, ...]

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters in a path that is still percent-encoded, decoded; None if it does not match.

        A parameter that is optional and absent is left out.
        """
        if (found := self.pattern.fullmatch(path.strip("/"))) is None:
            return None
        named = zip(self.names, found.groups(), strict=True)
        return {name: unquote(value) for name, value in named if value is not None}


def parse_route(template: str) -> Route:
    """The route of a template. Raises HostError on a segment that is not one of the kinds above."""
    pattern, names, ranks = "", [], []
    for segment in template.strip("/").split("/"):
        join = "/" if pattern else ""
        if "{" not in segment:
            pattern += join + re.escape(segment)
            ranks.append(Rank.LITERAL)
            continue
        name, expression, optional, rank = _parse_parameter(segment, template)
        pattern += f"(?:{join}({expression}))?" if optional else f"{join}({expression})"
        names.append(name)
        ranks.append(rank)
    return Route(template, re.compile(pattern, re.IGNORECASE), names=tuple(names), ranks=tuple(ranks))


def _parse_parameter(segment: str, template: str) -> tuple[str, str, bool, Rank]:
    """Name, expression, whether it may be absent, and rank of a segment that is one parameter."""
    found = SEGMENT.fullmatch(segment)
    constraint = (found and found["constraint"]) or ""
    if found is None or constraint not in CONSTRAINTS:
        kinds = ", ".join(kind for kind in CONSTRAINTS if kind)
        raise HostError(f"route {template!r}: {segment} is not understood, constraints known are {kinds}")
    if found["star"]:
        return found["name"], ".*", True, Rank.CATCH_ALL
    rank = Rank.CONSTRAINED if constraint else Rank.PARAMETER
    return found["name"], CONSTRAINTS[constraint], bool(found["optional"]), rank
