"""What the words of the command line may say: each a value, or a sentence on what was expected."""

import argparse
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from engine.cli.errors import WrongUsage
from engine.errors import Problem, SpecError
from engine.plan.document import problems_of
from engine.plan.field import parse_duration
from engine.plan.target import Faults
from engine.report.units import instant

MAX_HUBS: Final = 50
"""As many as a provisioning service may be linked to. Source: article "Azure DPS limits", linked hubs."""

MAX_PROCESSES: Final = 64
"""More than any machine that this is for has cores to give."""

MAX_DAYS: Final = 90
"""Source: articles "Certificate renewal" and "Certificate management overview": validity of a policy."""

_RUN_ID: Final = re.compile(r"[a-z0-9-]{4,64}")
_NAME: Final = re.compile(r"[a-z0-9-]{1,40}")
_WORD: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{1,58}[A-Za-z0-9])")


def run_id(text: str) -> str:
    """The id of a run."""
    if not _RUN_ID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected a run id, 4 to 64 of a-z, 0-9 and -, found {text!r}")
    return text


def schedule_name(text: str) -> str:
    """The name of a schedule."""
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected a schedule's name, 1 to 40 of a-z, 0-9 and -, found {text!r}")
    return text


def ordinal(text: str) -> int:
    """The number of a batch."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a batch's number from 0, found {text!r}")
    return int(text)


def processes(text: str) -> int:
    """How many processes."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_PROCESSES:
        raise argparse.ArgumentTypeError(f"expected 1 to {MAX_PROCESSES} processes, found {text!r}")
    return int(text)


def hubs(text: str) -> int:
    """How many hubs."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_HUBS:
        raise argparse.ArgumentTypeError(f"expected 1 to {MAX_HUBS} hubs, found {text!r}")
    return int(text)


def word(text: str) -> str:
    """The name of a thing in Azure."""
    if not _WORD.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected a name, 3 to 60 letters, digits and -, found {text!r}")
    return text


def days(text: str) -> int:
    """How many days certificates are valid."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_DAYS:
        raise argparse.ArgumentTypeError(f"expected 1 to {MAX_DAYS} days, found {text!r}")
    return int(text)


def faults(text: str) -> dict[str, Any]:
    """The faults as given; the profile's own rules judge them."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError("expected a JSON object")
    try:
        Faults.model_validate(found)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(_told(problems_of(error, Faults))) from error
    return found


def quotas(text: str) -> str:
    """The quotas as given; the emulator's own rules judge them."""
    from engine.emulator.throttle import parse_quotas  # the emulator is not deployed, so nothing else may need it

    try:
        parse_quotas(text)
    except SpecError as error:
        raise argparse.ArgumentTypeError(_told(error.problems)) from error
    return text


def since(text: str, now: float) -> str:
    """A moment as the API reads it; "2h" is that long before now, wall seconds. Raises WrongUsage."""
    back_s = parse_duration(text)
    try:
        if back_s is not None:
            return str(instant(now - back_s))
        at = datetime.fromisoformat(text)
    except ValueError:  # of a text that is no moment, and of a time further back than there are dates
        expected = "a time such as 2h or 7d, or a moment such as 2026-11-23T02:00:00Z"
        raise WrongUsage(f"--since: expected {expected}, found {text!r}") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()


def _told(problems: Sequence[Problem]) -> str:
    return "; ".join(f"{p.path}: {p.message}" + (f" ({p.allowed})" if p.allowed else "") for p in problems)
