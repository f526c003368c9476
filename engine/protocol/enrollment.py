"""Enrollment groups of a provisioning service, by its service API. Whoever sends a request adds the token, which is
good for `dps_service.TOKEN_SCOPE`.

Source: IoT DPS REST API, "Enrollment Group - Get", "- Create Or Update", "- Get Attestation Mechanism"; who issues:
infra reference, section 4.
"""

from collections.abc import Mapping
from urllib.parse import quote

from engine.errors import RemoteProtocolError
from engine.protocol.body import from_base64, read_object, write_json
from engine.protocol.http import Request, Response

NOT_PUSHED = "400004"
"""The provisioning service does not know of its link yet."""

NOT_ALLOWED = "403000"
"""A role has not arrived."""

ISSUERS = ("credentialPolicyName", "namespaceName", "certificateAuthorityName", "certificatePolicyName")
"""The fields of a group that say who issues certificates to its devices; none of them: nobody does."""


def get(origin: str, group: str, version: str) -> Request:
    """Read the group; 404 when there is none. Its key is not among what is answered."""
    return Request("GET", _url(origin, group, version), (("Accept", "application/json"),))


def put(origin: str, group: str, version: str, issuer: Mapping[str, str]) -> Request:
    """Make a group whose devices prove themselves by keys derived from the group's, which the service chooses."""
    body = {
        "enrollmentGroupId": group,
        "attestation": {"type": "symmetricKey"},
        "provisioningStatus": "enabled",
        **issuer,
    }
    headers = (("Content-Type", "application/json"), ("Accept", "application/json"))
    return Request("PUT", _url(origin, group, version), headers, write_json(body))


def get_key(origin: str, group: str, version: str) -> Request:
    """Ask for the group's keys."""
    url = _url(origin, group, version, "/attestationmechanism")
    return Request("POST", url, (("Accept", "application/json"),))


def read_issuer(response: Response) -> dict[str, str]:
    """Who issues certificates to the group's devices. Raises RemoteProtocolError on another attestation than keys."""
    fields = read_object(response.body)
    kind = fields.optional_object("attestation").optional_text("type")
    if kind != "symmetricKey":
        raise RemoteProtocolError(f"the group's devices prove themselves by {kind[:40] or 'nothing'!r}, not by keys")
    found = {name: fields.optional_text(name) for name in ISSUERS}
    return {name: value for name, value in found.items() if value}


def read_key(response: Response) -> str:
    """The group's primary key in base64. Raises RemoteProtocolError, without what was found, where there is none."""
    key = read_object(response.body).optional_object("symmetricKey").optional_text("primaryKey")
    try:
        from_base64(key)
    except RemoteProtocolError:
        raise RemoteProtocolError("the answer has no symmetricKey.primaryKey in base64") from None
    return key


def _url(origin: str, group: str, version: str, rest: str = "") -> str:
    return f"{origin}/enrollmentGroups/{quote(group, safe='')}{rest}?api-version={version}"
