"""The packages whose private names this host uses, and the versions that have them."""

import importlib.metadata
from collections.abc import Mapping

from engine.localhost.errors import HostError

PINS: Mapping[str, str] = {
    "azure-functions-durable": "2.0.0rc3",
    "azure-functions-runtime": "1.3.0",
    "durabletask": "1.12.0",
}
"""Another version may rename what we lean on; the unit test of this module touches every such name."""


def check_pins(pins: Mapping[str, str]) -> None:
    """Return if exactly these versions are installed. Raises HostError naming every package that differs."""
    found = {package: _installed(package) for package in pins}
    wrong = [
        f"{package} {found[package]} (want {pins[package]})" for package in pins if found[package] != pins[package]
    ]
    if wrong:
        raise HostError(f"the local host needs exact versions, found {', '.join(wrong)}")


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
