"""Which runs a listing shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.errors import Problem, SpecError
from engine.measure.verdict import Verdict
from engine.run.state import RunState, Stage


@dataclass(frozen=True, slots=True)
class Filter:
    """What a listed run has; None asks for nothing. label is a name, or a name and a value; since is unix seconds."""

    name: str | None = None
    stage: Stage | None = None
    verdict: Verdict | None = None
    label: tuple[str, ...] | None = None
    since: float | None = None

    def matches(self, found: RunState) -> bool:
        """Whether a run is to be shown."""
        return (
            self.name in (None, found.name)
            and self.stage in (None, found.stage)
            and self.verdict in (None, found.verdict)
            and (self.since is None or found.created >= self.since)
            and (self.label is None or self._labels(found.labels))
        )

    def _labels(self, labels: Mapping[str, str]) -> bool:
        name, *value = self.label or ()
        return name in labels and value in ([], [labels[name]])


def parse_filter(query: Mapping[str, str]) -> Filter:
    """The filter in a query: name, state, verdict, label=team or label=team=iot, since. Raises SpecError."""
    problems: list[Problem] = []
    since = query.get("since")
    parsed = Filter(
        name=query.get("name"),
        stage=_word(query, "state", Stage, problems),
        verdict=_word(query, "verdict", Verdict, problems),
        label=tuple(query["label"].split("=", 1)) if "label" in query else None,
        since=None if since is None else _instant(since, problems),
    )
    if problems:
        raise SpecError(problems)
    return parsed


def _word[Word: (Stage, Verdict)](
    query: Mapping[str, str], name: str, words: type[Word], problems: list[Problem]
) -> Word | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        return words(text)
    except ValueError:
        problems.append(Problem("", f"the query's {name} is {text[:80]!r}", " | ".join(words)))
        return None


def _instant(text: str, problems: list[Problem]) -> float | None:
    """A moment, in UTC where the text names no zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        problems.append(Problem("", f"the query's since is {text[:80]!r}", "RFC 3339, such as 2026-11-23T02:00:00Z"))
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
