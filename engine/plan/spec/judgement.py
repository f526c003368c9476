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

_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Phrase:
    """A string in the language of thresholds, kept as it was written; `allowed` is its form in words."""

    understand: Callable[[str], object]
    allowed: str

    def parse(self, found: object) -> str:
        """The string, or the refusal of the parser that does not understand it."""
        if not isinstance(found, str) or len(found) > _LONGEST or looks_secret(found):
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


METRIC: Final = Phrase(parse_metric, "operation | operation.part | operation:outcome | operation@actual")
EXPR: Final = Phrase(parse_expr, "<aggregate> <comparison> <value>")


class ThresholdSpec(Section):
    """One threshold as it was written; window_s None is the whole run."""

    metric: Annotated[str, METRIC]
    expr: Annotated[str, EXPR]
    window_s: Annotated[float, Duration(10, 3_600)] | None = None
    delay_s: Annotated[float, Duration(0, 3_600)] = 0.0
    abort_on_fail: Annotated[bool, Flag()] = False

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
    time_window_s: Annotated[float, Duration(10, 600)] = 60.0
