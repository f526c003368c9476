"""The Bicep compiler itself, where there is one."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from infra.findings import Finding, of_line

_WITHIN_S: Final = 300.0
_SAID: Final = re.compile(
    r"(?P<path>.+?)\((?P<line>\d+),(?P<column>\d+)\) : (?P<level>Error|Warning|Info) (?P<code>[\w-]+): (?P<message>.*)"
)
_QUIET: Final = {"AZURE_BICEP_CHECK_VERSION": "false", "AZURE_CORE_COLLECT_TELEMETRY": "false"}


def command(path: str | None = None) -> tuple[str, ...] | None:
    """How the compiler is called: `bicep`, or `az bicep` where that has one; None where there is neither.

    path is a PATH to look at instead of the environment's. `az bicep version` installs nothing.
    """
    if found := shutil.which("bicep", path=path):
        return (found,)
    az = shutil.which("az", path=path)
    if az and _call((az, "bicep", "version")).returncode == 0:
        return (az, "bicep")
    return None


def check(compiler: Sequence[str], templates: Sequence[Path]) -> Iterator[Finding]:
    """What `build` and `lint` have against each template and its modules."""
    for template in templates:
        for verb, *options in (("build", "--stdout"), ("lint",)):
            file = ["--file", str(template)] if len(compiler) > 1 else [str(template)]
            done = _call([*compiler, verb, *file, *options])
            told = [_finding(found) for found in map(_SAID.search, done.stderr.splitlines()) if found]
            yield from told
            if done.returncode and not told:
                yield of_line(
                    template, 1, f"bicep-{verb}", done.stderr.strip()[-500:] or f"ended with {done.returncode}"
                )


def _call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **_QUIET}
    return subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN_S, check=False, env=environment)


def _finding(found: re.Match[str]) -> Finding:
    path = Path(found["path"].removeprefix("WARNING: ").removeprefix("ERROR: ").strip())
    return Finding(path, int(found["line"]), int(found["column"]), found["code"], found["message"])
