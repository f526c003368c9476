"""The provisioning service has an enrollment group whose devices get certificates.

A service that was linked knows of it only when its own record changes, so its tags are changed first; until that has
arrived, writes are refused with 400004, and until roles have, with 403000.
Source: infra reference, section 4, steps 5 and 6.
"""

from collections.abc import Mapping
from typing import Final

from engine.cli.target.script import Ask, Say, Script, SetupFailed, accepted, carried_out, failure_of, patiently, told
from engine.cli.target.wanted import CertificateModel, Wanted
from engine.protocol import adr, arm, dps_service, enrollment
from engine.protocol.body import Fields
from engine.protocol.namespace import STILL_REPLICATING

PUSHED_TAG: Final = "certfleet-linked"
_PASSING: Final = frozenset({enrollment.NOT_ALLOWED, enrollment.NOT_PUSHED})


def enroll(wanted: Wanted, service: Fields, origin: str, *, is_fresh: bool) -> Script[str]:
    """The group's key, in base64. service is the provisioning service as it was read, origin the URL of its API;
    is_fresh: it was linked just now. Raises SetupFailed."""
    what = f"enrollment group {wanted.group}"
    found = yield from _issuer(wanted, origin, what)
    if wanted.model is CertificateModel.CERTIFICATE_AUTHORITY and (is_fresh or found is None):
        yield from _push(wanted, service)
    if found is None:
        yield Say(f"{what}: asked for")
        request = enrollment.put(origin, wanted.group, wanted.versions.enrollment, wanted.issuer)
        yield from accepted(Ask(request, dps_service.TOKEN_SCOPE, what), passing=_PASSING)
        found = yield from _issuer(wanted, origin, what)
    else:
        yield Say(f"{what}: there, left alone")
    if found != dict(wanted.issuer):
        raise SetupFailed(
            f"{what} is there, and is another one: {_shown(found or {})}; wanted is {_shown(wanted.issuer)}. "
            "Name another group, or delete this one"
        )
    request = enrollment.get_key(origin, wanted.group, wanted.versions.enrollment)
    ask = Ask(request, dps_service.TOKEN_SCOPE, f"key of {what}", is_secret=True)
    return enrollment.read_key((yield from accepted(ask, passing={enrollment.NOT_ALLOWED})))


def _issuer(wanted: Wanted, origin: str, what: str) -> Script[dict[str, str] | None]:
    """Who issues certificates to the group's devices, None where there is no group."""
    ask = Ask(enrollment.get(origin, wanted.group, wanted.versions.enrollment), dps_service.TOKEN_SCOPE, what)
    response = yield from patiently(ask, passing={enrollment.NOT_ALLOWED})
    if response.status == 404:
        return None
    if failure_of(response) is not None:
        raise SetupFailed(told(ask, response))
    return enrollment.read_issuer(response)


def _push(wanted: Wanted, service: Fields) -> Script[None]:
    what = f"provisioning service {wanted.provisioning.name}"
    yield Say(f"{what}: its tags are changed, so that it learns of its link")
    tags = {**arm.tags_of(service), PUSHED_TAG: wanted.registry.name}
    request = arm.patch(wanted.provisioning_address, {"tags": tags})
    yield from carried_out(Ask(request, adr.token_scope(wanted.endpoint), what), passing=STILL_REPLICATING)


def _shown(issuer: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in issuer.items()) or "without certificates"
