"""What the embedded emulator counted, asked at its control address."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

WITHIN_S = 5.0


def read_counters(control: str) -> Mapping[str, Any] | None:
    """The counts by name, None when the emulator cannot be asked: the run's own numbers do not depend on it."""
    try:
        with urlopen(f"{control}/stats", timeout=WITHIN_S) as answer:
            found = json.load(answer)
    except (URLError, OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
