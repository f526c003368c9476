"""What a session leaves to be counted, and what it has under way."""

from dataclasses import dataclass, field

from engine.measure.sample import Sample, Series


@dataclass(slots=True)
class Log:
    """What is to be counted: due and started operations by series and time, finished ones, retries, unmatched.

    overdue are finished ones that were past their deadline for a while: from when until when.
    """

    started: list[tuple[Series, float]] = field(default_factory=list)
    dropped: list[tuple[Series, float]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    retries: list[tuple[Series, float]] = field(default_factory=list)
    unmatched: list[tuple[Series, float]] = field(default_factory=list)
    overdue: list[tuple[Series, float, float]] = field(default_factory=list)


@dataclass(slots=True)
class Open:
    """An operation under way."""

    series: Series
    due: float
    began: float
    deadline: float
