"""The predecessor's environment variables: each fills one field, where the spec left it out and the scenario uses it.

Order matters here: the executor comes first, because it decides which of the other fields there are.
Source: product reference, section 2.4.
"""

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from engine.cli.specs import executor_of, put
from engine.errors import SettingsError
from engine.plan.document import Json, take
from engine.plan.field import format_duration
from engine.plan.spec.scenario import Scenario, unused_fields

_ADR: Final = frozenset({Scenario.ADR_GET_PATCH, Scenario.ADR_PATCH})
_EVERY: Final = frozenset(Scenario)


class _Unfit(ValueError):
    """A value that the variable cannot have; says what would do."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, the field it fills (a JSON pointer), what its text becomes (None: nothing), and where it counts."""

    name: str
    path: str
    read: Callable[[str], Any]
    scenarios: frozenset[Scenario] = _EVERY


def _text(text: str) -> str:
    return text


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise _Unfit("a whole number")
    return int(text)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _Unfit("a number")
    return int(number) if number.is_integer() else number


def _seconds(text: str) -> str:
    number = _number(text)
    if number < 0:
        raise _Unfit("a number of seconds")
    return format_duration(number)


def _when_true(value: str) -> Callable[[str], str | None]:
    def read(text: str) -> str | None:
        if text.lower() not in ("true", "1", "yes", "false", "0", "no"):
            raise _Unfit("true or false")
        return value if text.lower() in ("true", "1", "yes") else None

    return read


VARIABLES: Final = (
    Variable("SEND_MAX_RATE", "/load/executor", _when_true("max-rate")),
    Variable("DEVICE_NAME_PREFIX", "/devices/prefix", _text, _EVERY - _ADR),
    Variable("ADR_DEVICE_PREFIX", "/devices/prefix", _text, _ADR),
    Variable("USE_STORED_DEVICES_ONLY", "/devices/source", _when_true("stored-only")),
    Variable("DEVICES_PER_USER", "/execution/batchSize", _whole),
    Variable("CERT_REQUEST_INTERVAL", "/load/pacing/interval", _seconds, frozenset({Scenario.CERT_RENEWAL})),
    Variable("CONNECT_REQUEST_INTERVAL", "/load/pacing/interval", _seconds, frozenset({Scenario.CONNECT_CHURN})),
    Variable("ADR_REQUEST_INTERVAL", "/load/pacing/interval", _seconds, frozenset({Scenario.ADR_GET_PATCH})),
    Variable("ADR_PATCH_INTERVAL", "/load/pacing/interval", _seconds, frozenset({Scenario.ADR_PATCH})),
    Variable("CERT_REPLACE_ENABLED", "/certificate/onPending", _when_true("replace-any")),
    Variable("CREDENTIAL_RESPONSE_TIMEOUT", "/timeouts/certificate", _seconds),
    Variable("HUB_MESSAGE_SIZE", "/telemetry/size", _whole),
    Variable("CERT_REQUESTS_PER_MINUTE", "/load/rate", _number),
)

RUN_IDS: Final = ("LOAD_TEST_RUN_ID", "RUN_ID")
"""The run id, in the order of preference; it is sent as the Idempotency-Key."""


def fill_in(spec: Json, environ: Mapping[str, str]) -> tuple[Json, list[str]]:
    """The spec with the variables' values in the fields it leaves out, and a line for each variable that was read.

    Raises SettingsError with every variable whose value cannot be read.
    """
    filled, told, problems = deepcopy(spec), [], {}
    for variable in VARIABLES:
        text = environ.get(variable.name, "").strip()
        if not text:
            continue
        try:
            value = variable.read(text)
        except _Unfit as unfit:
            problems[variable.name] = f"expected {unfit}, found {text!r}"
            continue
        if value is not None:
            told.append(f"{variable.name}: {_fill(filled, variable, value)}")
    if problems:
        raise SettingsError(problems)
    return filled, told


def run_id_of(environ: Mapping[str, str]) -> str | None:
    """The id the run is to have, None when nobody asked for one."""
    return next((environ[name].strip() for name in RUN_IDS if environ.get(name, "").strip()), None)


def _fill(spec: Json, variable: Variable, value: Any) -> str:
    """Fill the field if it may be; what was done, in words."""
    name = spec.get("scenario")
    scenario = Scenario(name) if name in tuple(Scenario) else None
    if scenario is None:
        return "not used, the spec names no scenario"
    executor = executor_of(spec, scenario)
    unused = next((by for path, by in unused_fields(scenario, executor).items() if _holds(path, variable.path)), None)
    if scenario not in variable.scenarios:
        return f"not used by {scenario}"
    if unused is not None:
        return f"not used by {unused}"
    if take(spec, variable.path) is not None:
        return f"not used, the spec says {variable.path}"
    if variable.path == "/load/rate":
        if take(spec, "/load/timeUnit") not in (None, "1m"):
            return "not used, it counts per minute and the spec's load/timeUnit is another"
        put(spec, "/load/timeUnit", "1m")
    put(spec, variable.path, value)
    return f"{variable.path} is {value}"


def _holds(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(f"{outer}/")
