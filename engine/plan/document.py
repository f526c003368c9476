"""JSON documents from outside: bytes to an object, and every problem at once by JSON pointer."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from engine.errors import Problem, SpecError, SpecTooLarge
from engine.plan.field import REFUSED, show

DEEPEST: Final = 32
"""Levels of nesting a document may have; the deepest real one has five."""

MOST_PROBLEMS: Final = 100
"""Problems worth telling at once: a body of nothing but unknown names must not cost seconds."""

type Json = dict[str, Any]


def parse_document(body: bytes, *, limit_bytes: int) -> Json:
    """The object that body holds.

    Raises SpecTooLarge over the limit, SpecError when body is not UTF-8, not JSON, not an object, nested too
    deeply, or gives a name twice in one object.
    """
    if len(body) > limit_bytes:
        raise SpecTooLarge(len(body), limit_bytes)
    try:
        found = json.loads(body.decode(), object_pairs_hook=_Pairs.of, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise _whole(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise _whole(f"not JSON: {error.msg.lower()} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise _whole("nested too deeply", f"at most {DEEPEST} levels") from error
    except ValueError as error:
        raise _whole("not JSON: a number that JSON cannot write or nobody can read") from error
    if not isinstance(found, dict):
        raise _whole(f"expected an object, found {show(found)}")
    if problems := list(_repeats(found)):
        raise SpecError(problems)
    return found


def pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901, section 3) from its unescaped parts."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def problems_of(error: ValidationError, model: type[BaseModel], at: Sequence[str | int] = ()) -> list[Problem]:
    """Every problem pydantic found while validating model, in our words; `at` is where the document lies.

    Of a document that is nothing but problems, the first MOST_PROBLEMS.
    """
    return [_translate(detail, model, at) for detail in error.errors(include_url=False)[:MOST_PROBLEMS]]


def section_at(model: type[BaseModel], location: Sequence[str | int]) -> type[BaseModel]:
    """The model that describes the object at a place of a document."""
    for part in location:
        fields = {field.alias: field.annotation for field in model.model_fields.values()}
        model = model if isinstance(part, int) else _models(fields[part])[0]
    return model


def take(document: Mapping[str, Any], path: str) -> Any:
    """What lies at a JSON pointer made of plain names, None if nothing does."""
    found: Any = document
    for name in path.split("/")[1:]:
        found = found.get(name) if isinstance(found, dict) else None
    return found


class _Pairs(dict[str, Any]):
    """An object as read, remembering the names it gave more than once."""

    repeated: tuple[str, ...] = ()

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, Any]]) -> "_Pairs":
        found = cls(pairs)
        if len(found) < len(pairs):
            times = Counter(name for name, _ in pairs)
            found.repeated = tuple(name for name in found if times[name] > 1)
        return found


def _repeats(found: Json) -> Iterator[Problem]:
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), found)]
    while waiting:
        location, value = waiting.pop()
        if len(location) >= DEEPEST and isinstance(value, dict | list):
            raise _whole("nested too deeply", f"at most {DEEPEST} levels")
        match value:
            case _Pairs():
                for name in value.repeated:
                    yield Problem(pointer((*location, name)), "given more than once", "each name once")
                waiting += [((*location, name), inner) for name, inner in value.items()]
            case list():
                waiting += [((*location, index), inner) for index, inner in enumerate(value)]


def _translate(detail: ErrorDetails, model: type[BaseModel], at: Sequence[str | int]) -> Problem:
    location, context = detail["loc"], detail.get("ctx", {})
    path = pointer((*at, *location))
    match detail["type"]:
        case kind if kind == REFUSED:
            return Problem(path, detail["msg"], str(context["allowed"]))
        case "missing":
            return Problem(path, "needed, but not given", _allowed(section_at(model, location[:-1]), location[-1]))
        case "extra_forbidden":
            return _unknown(path, str(location[-1]), section_at(model, location[:-1]))
        case "too_long":
            return Problem(
                path, f"expected fewer entries, found {context['actual_length']}", f"≤ {context['max_length']}"
            )
        case "tuple_type":
            return Problem(path, f"expected a list, found {show(detail['input'])}", "a list")
        case _:
            return Problem(path, f"expected an object, found {show(detail['input'])}", "an object")


def _unknown(path: str, name: str, model: type[BaseModel]) -> Problem:
    known = [str(field.alias) for field in model.model_fields.values()]
    close = get_close_matches(name, known, n=1)
    return Problem(path, f"unknown field, did you mean {close[0]}" if close else "unknown field", " | ".join(known))


def _allowed(model: type[BaseModel], name: str | int) -> str:
    field = next(field for field in model.model_fields.values() if field.alias == name)
    return next((str(rule.allowed) for rule in field.metadata if hasattr(rule, "allowed")), "")


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]


def _whole(message: str, allowed: str = "a JSON object in UTF-8") -> SpecError:
    return SpecError([Problem("", message, allowed)])


def _refuse_constant(name: str) -> float:
    raise ValueError(name)
