"""Which form of a document a request asks for: by `format` in its query, else by its header Accept.

Source: RFC 9110, section 12.5.1, of which parameters other than q are left out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import Problem, SpecError
from engine.run.answers import Request


@dataclass(frozen=True, slots=True)
class Form:
    """A document's name among the run's, and what is said of its content."""

    document: str
    content_type: str


def choose(request: Request, forms: Mapping[str, Form]) -> Form:
    """The form that is asked for, by its name in `forms` or the one liked best; the first where all are liked the
    same, or none at all. Raises SpecError for a name that is none."""
    asked = request.query.get("format")
    if asked is None:
        liked = _liked(request.headers.get("accept", ""))
        return max(forms.values(), key=lambda form: _quality(form.content_type, liked))
    if asked not in forms:
        raise SpecError([Problem("", f"the query's format is {asked[:80]!r}", " | ".join(forms))])
    return forms[asked]


def _liked(accept: str) -> dict[str, float]:
    """Media ranges, and how much each is liked, 0 … 1."""
    found = {}
    for part in accept.lower().split(","):
        media, *parameters = (word.strip() for word in part.split(";"))
        weights = [word.removeprefix("q=") for word in parameters if word.startswith("q=")]
        found[media] = _weight(weights[0]) if weights else 1.0
    return found


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if math.isfinite(weight) else 0.0


def _quality(content_type: str, liked: Mapping[str, float]) -> float:
    """The narrowest range that holds the type has the say."""
    kind = content_type.partition("/")[0]
    return next((liked[media] for media in (content_type, f"{kind}/*", "*/*") if media in liked), 0.0)
