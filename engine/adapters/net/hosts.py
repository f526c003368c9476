"""Addresses of host names, looked up once and remembered for a minute."""

import socket
from collections.abc import Callable
from typing import Any

from engine.errors import Failure, Outcome
from engine.ports import Clock

type Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]

REMEMBERED_S = 60.0
"""Long enough that a ramp of thousands of dials asks once, short enough to follow a service that moves."""

FAILED_REMEMBERED_S = 5.0
"""Failures are remembered too: a dead resolver takes seconds to say so, and the loop stands still meanwhile."""

_CODES = {value: name for name, value in vars(socket).items() if name.startswith("EAI_")}


class Hosts:
    """A look-up that blocks the loop only the first time a name is seen; numeric and local names never leave us."""

    def __init__(self, clock: Clock, look_up: Callable[..., Any] = socket.getaddrinfo) -> None:
        """look_up is called like socket.getaddrinfo."""
        self._clock, self._look_up = clock, look_up
        self._known: dict[tuple[str, int], tuple[float, tuple[Address, ...] | Failure]] = {}

    def addresses(self, host: str, port: int) -> tuple[Address, ...] | Failure:
        """Where to dial, IPv4 first; a `network` failure with the resolver's code when the name leads nowhere."""
        now = self._clock.now()
        known = self._known.get((host, port))
        if known is None or now >= known[0]:
            found = self._ask(host, port)
            lasts_s = FAILED_REMEMBERED_S if isinstance(found, Failure) else REMEMBERED_S
            self._known[(host, port)] = known = (now + lasts_s, found)
        return known[1]

    def _ask(self, host: str, port: int) -> tuple[Address, ...] | Failure:
        try:
            found = self._look_up(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            code = _CODES.get(error.errno or 0, "EAI_FAIL") if isinstance(error, OSError) else "EAI_NONAME"
            return Failure(Outcome.NETWORK, code, f"{host} does not resolve")
        return tuple((family, address) for family, _, _, _, address in sorted(found, key=_ipv4_first))


def _ipv4_first(found: tuple[socket.AddressFamily, object, object, object, object]) -> bool:
    return found[0] is not socket.AF_INET
