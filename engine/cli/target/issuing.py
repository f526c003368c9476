"""The namespace has a root and an issuing certificate authority, and a policy under the latter.

Source: infra reference, section 4, step 4; a policy under the root is refused (409 PolicyRequiresIssuingCa).
"""

from collections.abc import Mapping
from typing import Any, Final

from engine.cli.target.script import Ask, Pause, Say, Script, SetupFailed, carried_out, read
from engine.cli.target.wanted import Wanted
from engine.protocol import adr, arm
from engine.protocol.arm import Address
from engine.protocol.body import Fields
from engine.protocol.namespace import STILL_REPLICATING, issuing_body, policy_body, root_body

LOOK_EVERY_S: Final = 10.0
MADE_WITHIN_S: Final = 900.0

_READY, _FAILED = ("succeeded", ""), ("failed", "canceled")


def make_issuer(wanted: Wanted, location: str) -> Script[None]:
    """Devices can be issued certificates; whatever is there already is left alone. Raises SetupFailed."""
    authorities = wanted.namespace_address.under("certificateAuthorities")
    root, issuing = authorities.under(f"{wanted.authority}-root"), authorities.under(wanted.authority)
    policy = issuing.under(f"certificatePolicies/{wanted.policy}")
    yield from _ensure(root, root_body(location), f"root certificate authority {wanted.authority}-root")
    body = issuing_body(location, root.path)
    yield from _ensure(issuing, body, f"issuing certificate authority {wanted.authority}")
    yield from _ensure(policy, policy_body(location, wanted.validity_days), f"certificate policy {wanted.policy}")


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Where what was found says something else than what is wanted. Letter case means nothing, nor does a field that
    the service does not tell."""
    wrong: list[str] = []
    for name, value in wanted.items():
        held = found.get(name)
        if isinstance(value, Mapping):
            inner = differences(held if isinstance(held, Mapping) else {}, value)
            wrong += [f"{name}.{each}" for each in inner]
        elif held is not None and str(held).lower() != str(value).lower():
            wrong.append(f"{name} is {held!r}, wanted is {value!r}")
    return wrong


def _ensure(address: Address, body: Mapping[str, Any], what: str) -> Script[None]:
    """The resource is there and is as wanted. One that failed is asked for again; one that differs is not changed."""
    found = yield from read(address, what)
    if found is not None and _state(found) not in _FAILED:
        yield Say(f"{what}: there, left alone")
    else:
        yield Say(f"{what}: asked for")
        ask = Ask(arm.put(address, body), adr.token_scope(address.endpoint), what)
        yield from carried_out(ask, passing=STILL_REPLICATING)
    found = yield from _ready(address, what)
    if wrong := differences(found.optional_object("properties").values, body["properties"]):
        raise SetupFailed(f"{what} is there, and is another one: {'; '.join(wrong)}; it is left as it is")


def _ready(address: Address, what: str) -> Script[Fields]:
    """The resource when it is no longer being made. Raises SetupFailed."""
    began: float | None = None
    while True:
        found = yield from read(address, what)
        if found is not None and _state(found) in _READY:
            return found
        if found is not None and _state(found) in _FAILED:
            raise SetupFailed(f"{what} ended as {_state(found)}")
        now: float = yield Pause(LOOK_EVERY_S)
        began = now if began is None else began
        if now > began + MADE_WITHIN_S:
            raise SetupFailed(f"{what} is not there after {MADE_WITHIN_S:.0f} s")


def _state(found: Fields) -> str:
    return found.optional_object("properties").optional_text("provisioningState").lower()
