"""The allow-list: which hosts anybody here may talk to, whoever names them.

A host is compared as the name it is, not as it was written: case and a dot at the end make no difference. What is no
plain name or address is nobody's: a name in other letters must be written as it is asked for (`xn--…`), and whatever
two readers could take for two different hosts (a user's name, a port, a slash, a blank, a NUL) is refused as a whole.
"""

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

REMEMBERED: Final = 256
"""Answers kept: every dial asks, and always about the same few hosts."""

_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)
"""Source: RFC 1035, section 2.3.4 (lengths); underscores are no host's by RFC 952, and are seen."""
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
"""A last label like this makes an address of all that is before it. Source: WHATWG URL, section 3.5, "ends in a number
checker"; inet_aton(3), which resolvers ask first."""
_LOCALHOST: Final = "localhost"


@lru_cache(maxsize=REMEMBERED)
def is_allowed(host: str, allowed_hosts: tuple[str, ...]) -> bool:
    """Whether an entry names host exactly, or by a leading `*.` that stands for one label or more of a name.

    An address is allowed as it is written in the list and in no other form.
    """
    name = _plain(host)
    if name is None:
        return False
    is_number = _ends_in_a_number(name)
    for entry in allowed_hosts:
        wanted = _plain(entry.removeprefix("*."))
        if wanted is None:
            continue
        if not entry.startswith("*."):
            if name == wanted:
                return True
        elif not is_number and name.endswith(f".{wanted}"):
            return True
    return False


@lru_cache(maxsize=REMEMBERED)
def is_this_machine(host: str) -> bool:
    """Whether host is this machine by its own name or address.

    Source: RFC 6761, section 6.3 (localhost and every name under it); RFC 1122, section 3.2.1.3, and RFC 4291, section
    2.5.3 (addresses).
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        name = _plain(host)
        return name is not None and (name == _LOCALHOST or name.endswith(f".{_LOCALHOST}"))


def _plain(host: str) -> str | None:
    """The name in lower case and without the dot at its end, None for what is no name. Order matters here: only ASCII
    is put into lower case, as the Kelvin sign's would be a k."""
    name = host.lower().removesuffix(".") if host.isascii() else ""
    return name if _NAME.fullmatch(name) else None


def _ends_in_a_number(name: str) -> bool:
    return bool(_NUMBER.fullmatch(name.rpartition(".")[2]))
