"""The `thresholds` and `autoStop` of a spec: what is too slow, too many, or the end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from engine.errors import SpecError
from engine.measure.threshold import Threshold, parse_expr, parse_metric, parse_threshold
from engine.plan.field import REFUSED, Duration, Flag, Number, Section, refusal
from engine.plan.secrecy import looks_secret

LONGEST_PHRASE: Final = 200


@dataclass(frozen=True, slots=True)
class Phrase:
    """A string in the language of thresholds, kept as it was written; `allowed` is its form in words."""

    understand: Callable[[str], object]
    allowed: str
    examples: tuple[str, ...] = ()

    def parse(self, found: object) -> str:
        """The string, or the refusal of the parser that does not understand it."""
        if not isinstance(found, str) or len(found) > LONGEST_PHRASE or looks_secret(found):
            raise refusal(found, "a string", self.allowed)
        try:
            self.understand(found)
        except SpecError as error:
            problem = error.problems[0]
            context = {"message": problem.message, "allowed": problem.allowed}
            raise PydanticCustomError(REFUSED, "{message}", context) from error
        return found

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)


METRIC: Final = Phrase(
    parse_metric,
    "operation | operation.part | operation:outcome | operation@actual",
    ("cert.issued", "hub.connect.tls", "cert.issued:lost", "cert.issued@actual"),
)
EXPR: Final = Phrase(
    parse_expr, "<aggregate> <comparison> <value>", ("p(95)<=250", "fail_rate<0.01", "count==0", "avg<=1.2*baseline")
)


class ThresholdSpec(Section):
    """One threshold, as it was written."""

    metric: Annotated[str, METRIC]
    """What is judged."""
    expr: Annotated[str, EXPR]
    """What must be true of it; k*baseline compares with the baseline run."""
    window_s: Annotated[float, Duration(10, 3_600)] | None = None
    """Judge every stretch of this length; null judges the run as a whole."""
    delay_s: Annotated[float, Duration(0, 3_600)] = 0.0
    """How much of the beginning is not judged."""
    abort_on_fail: Annotated[bool, Flag()] = False
    """Whether the run drains as soon as this fails."""

    def parsed(self, path: str = "") -> Threshold:
        """The threshold to judge by. Raises SpecError below path when the aggregate does not fit the metric."""
        return parse_threshold(
            self.metric,
            self.expr,
            window_s=self.window_s,
            delay_s=self.delay_s,
            abort_on_fail=self.abort_on_fail,
            path=path,
        )


class AutoStop(Section):
    """When a run stops by itself: error_percentage of the main operation over time_window_s."""

    error_percentage: Annotated[float, Number(1, 100)] = 90.0
    """The percentage of failures of the main operation that stops the run."""
    time_window_s: Annotated[float, Duration(10, 600)] = 60.0
    """The stretch over which it must hold."""
