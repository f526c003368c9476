"""Target profiles: which services a run may talk to, how fast, and how large.

Profiles live on the server, never in a spec. They name secrets, they do not hold them. Every host of a profile
must be on the allow-list; only `local`, the embedded emulator, is exempt with the hosts that its facts name, and it
alone may misbehave on purpose.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, ValidationError

from engine.errors import Problem, SpecError
from engine.plan.document import Json, parse_document, pointer, problems_of
from engine.plan.field import Choice, Duration, Figures, Number, Section, Text, Whole
from engine.plan.hosts import is_allowed, is_this_machine
from engine.plan.limits import LIMITS
from engine.protocol.adr import ENDPOINT

LOCAL: Final = "local"
ENV: Final = "env"
LOCAL_SECRET: Final = "local-group-key"
LOCAL_ONBOARDING: Final = "local-onboarding-ca"
ENV_SECRET: Final = "PROVISIONING_SAS_KEY"
LIMIT_BYTES: Final = 256 * 1024

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST: Final = Text(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*", "a host name or address, without port")
_WORD: Final = Text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}", "1 … 127 letters, digits, ., _ and -")
_SECRET_NAME: Final = Text(_WORD.pattern, "the name of a secret, not the secret", may_be_secret=True)
_PORT = "(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_ORIGIN: Final = Text(rf"https://{_LABEL}(?:\.{_LABEL})*(?::{_PORT})?", "https:// and a host")
_LINE: Final = Text(r"[^\x00-\x1f\ud800-\udfff]{1,1024}", "one line of text")


class Attestation(StrEnum):
    """How devices prove to DPS who they are."""

    SYMMETRIC_KEY_GROUP = "symmetric-key-group"
    X509 = "x509"


class DpsTransport(StrEnum):
    """How devices talk to DPS."""

    MQTT = "mqtt"
    MQTT_WS = "mqtt-ws"
    HTTPS = "https"


class Tls(StrEnum):
    """The latest TLS that devices offer. DPS has 1.2 only, hubs 1.3 under some names only.

    Source: azure-iot-sdk-csharp, iothub/device/samples, Tls13Sample; article "TLS support in IoT Hub".
    """

    V1_2 = "1.2"
    V1_3 = "1.3"


class Dps(Section):
    """One Device Provisioning Service; `secret` names the enrollment group's key, or its CA with the CA's key.

    service_host is the instance's own name, where its service API is: named, a clean-up deletes registrations there.
    """

    host: Annotated[str, _HOST]
    id_scope: Annotated[str, _WORD]
    transport: Annotated[DpsTransport, Choice(DpsTransport)] = DpsTransport.MQTT
    attestation: Annotated[Attestation, Choice(Attestation)] = Attestation.SYMMETRIC_KEY_GROUP
    secret: Annotated[str, _SECRET_NAME]
    service_host: Annotated[str, _HOST] | None = None


class Http(Section):
    """What http-probe asks for."""

    url: Annotated[str, Text(rf"https?://{_LABEL}(?:\.{_LABEL})*(?::{_PORT})?(?:/[!-~]{{0,1024}})?", "a URL")]

    @property
    def host(self) -> str:
        """The URL's host, without port."""
        return _host_of(self.url)


class Registry(Section):
    """One device-registry namespace; endpoint is that of the cloud's resource manager."""

    subscription: Annotated[str, _WORD]
    resource_group: Annotated[str, Text(r"[A-Za-z0-9._()-]{1,90}", "the name of a resource group")]
    namespace: Annotated[str, _WORD]
    location: Annotated[str, _WORD]
    endpoint: Annotated[str, _ORIGIN] = ENDPOINT

    @property
    def host(self) -> str:
        """The endpoint's host, without port."""
        return _host_of(self.endpoint)


class Ceilings(Section):
    """What no run against the target may exceed; None is no ceiling."""

    devices: Annotated[int, Whole(1, 10_000_000)] | None = None
    rate_per_second: Annotated[float, Number(0, 100_000, above=True)] | None = None
    duration_s: Annotated[float, Duration(1, 30 * 86_400)] | None = None
    cost_usd: Annotated[float, Number(0, 1_000_000)] | None = None


_Share = Annotated[float, Number(0, 1)]


class Faults(Section):
    """How the emulator misbehaves: the delay of every 200, what a 429 asks for, and shares of what it does to requests.

    The delays are the emulator's own where nothing is said.
    """

    issue_delay_s: Annotated[float, Duration(0, 43_200)] = 0.15
    retry_after_s: Annotated[float, Duration(0, 3_600)] = 1.0
    throttled: _Share = 0.0
    conflict: _Share = 0.0
    server: _Share = 0.0
    lost: _Share = 0.0
    dropped: _Share = 0.0
    unusable: _Share = 0.0
    dps_throttled: _Share = Field(0.0, alias="dps.throttled")
    adr_throttled: _Share = Field(0.0, alias="adr.throttled")
    adr_server: _Share = Field(0.0, alias="adr.server")
    adr_failed: _Share = Field(0.0, alias="adr.failed")

    def to_json(self) -> Json:
        """The faults as the emulator reads them."""
        return self.model_dump(mode="json", by_alias=True)


class Profile(Section):
    """One target as the server's settings describe it; control is where the emulator takes orders.

    tls is the latest version offered. port is where DPS and hubs speak MQTT, web_port where they speak HTTPS and
    WebSocket.
    """

    dps: tuple[Dps, ...] = ()
    hubs: tuple[Annotated[str, _HOST], ...] = ()
    port: Annotated[int, Whole(1, 65_535)] = 8883
    web_port: Annotated[int, Whole(1, 65_535)] = 443
    ca_file: Annotated[str, _LINE] | None = None
    tls: Annotated[Tls, Choice(Tls)] = Tls.V1_2
    http: Http | None = None
    adr: Registry | None = None
    quotas: Annotated[Mapping[str, float], Figures(frozenset(LIMITS))] = Field(default_factory=dict)
    ceilings: Ceilings = Ceilings()
    faults: Faults | None = None
    control: Annotated[str, _LINE] | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A named profile together with the hosts that anybody here may talk to."""

    name: str
    profile: Profile
    allowed_hosts: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether the target is the embedded emulator, which has no service's limits."""
        return self.name == LOCAL

    def allows(self, host: str) -> bool:
        """Whether devices may be sent to host: by the allow-list, and on `local` to its own hosts and this machine."""
        if is_allowed(host, self.allowed_hosts):
            return True
        if not self.is_local:
            return False
        return is_this_machine(host) or is_allowed(host, tuple(own for _, own in _hosts(self.profile)))

    def quota(self, name: str) -> float | None:
        """What all services of the target take together, in the unit of the table of limits; None is unknown."""
        limit = None if self.is_local else LIMITS[name].value
        each = self.profile.quotas.get(name, limit)
        return None if each is None else each * self.services(name)

    def services(self, name: str) -> int:
        """How many services of the target the limit of that name is for: it is one of each."""
        match name.partition(".")[0]:
            case "dps":
                return max(1, len(self.profile.dps))
            case "hub":
                return max(1, len(self.profile.hubs))
            case _:
                return 1

    def public(self) -> Json:
        """The profile as anybody may see it: hosts, quotas and ceilings; no secret, nor the name of one."""
        document = self.profile.model_dump(mode="json", by_alias=True, exclude={"ca_file", "control", "adr"})
        shown = {name: value for name, value in document.items() if value is not None}
        shown["dps"] = [
            {name: value for name, value in dps.items() if name != "secret" and value is not None}
            for dps in document["dps"]
        ]
        if self.profile.http is not None:
            shown["http"] = {"url": self.profile.http.url.partition("?")[0]}
        return {"name": self.name, **shown}


@dataclass(frozen=True, slots=True)
class Targets:
    """Every target by name, and the one that a spec means when it names none."""

    by_name: Mapping[str, Target]
    default: str = LOCAL

    def get(self, name: str) -> Target | None:
        """The target of that name, None if there is none."""
        return self.by_name.get(name)


def parse_targets(
    text: str, *, allowed_hosts: Sequence[str], default: str = LOCAL, env: Json | None = None, local: str = ""
) -> Targets:
    """The targets of a JSON text ("" is none), with `env` and `local` where their facts are given.

    env is the profile made from the predecessor's variables (see `env_profile`), local the JSON text of the
    emulator's facts: {"host", "port", "idScope", "caFile", "hubs", "faults", "control"}.
    Raises SpecError with every problem: a malformed profile, a host outside allowed_hosts, an unknown default.
    """
    profiles = _parse(text)
    problems = [
        Problem(pointer((name,)), "the name is taken by the profile that settings make", "another name")
        for name in sorted(profiles.keys() & {LOCAL, ENV})
    ]
    profiles |= {ENV: env} if env is not None else {}
    profiles |= {LOCAL: _local_profile(_parse(local))} if local else {}
    targets: dict[str, Target] = {}
    for name, document in profiles.items():
        try:
            targets[name] = Target(name, Profile.model_validate(document), tuple(allowed_hosts))
        except ValidationError as error:
            problems += problems_of(error, Profile, at=(name,))
    for target in targets.values():
        problems += [*_emulator_only(target), *_blocked_hosts(target)]
    if default != LOCAL and default not in profiles:
        problems.append(Problem("", f"the default target {default} is not a profile", " | ".join(profiles)))
    if problems:
        raise SpecError(problems)
    return Targets(targets, default)


def env_profile(host: str, id_scope: str, adr: Mapping[str, str]) -> Json | None:
    """The profile `env`: one DPS with a group key, None where no host is given.

    adr is empty or the four facts of `Registry` by JSON name.
    """
    dps = {"host": host, "idScope": id_scope, "secret": ENV_SECRET}
    return {"dps": [dps], **({"adr": dict(adr)} if adr else {})} if host else None


def _local_profile(facts: Json) -> Json:
    """The emulator does everything at one port; facts that are given go before those concluded here."""
    host, port = facts.get("host"), facts.get("port", Profile.model_fields["port"].default)
    chosen = {name: facts[name] for name in ("transport", "attestation") if name in facts}
    secret = LOCAL_ONBOARDING if chosen.get("attestation") == Attestation.X509 else LOCAL_SECRET
    origin = f"https://{host}:{port}"
    made: dict[str, object] = {
        "dps": [{"host": host, "idScope": facts.get("idScope"), **chosen, "secret": secret}],
        "hubs": [host],
        "webPort": port,
        "http": {"url": f"{origin}/"},
        "adr": {**dict.fromkeys(("subscription", "resourceGroup", "namespace", "location"), LOCAL), "endpoint": origin},
    }
    of_dps = ("host", "idScope", *chosen)
    return {**made, **{name: value for name, value in facts.items() if name not in of_dps}}


def _host_of(url: str) -> str:
    return url.split("/")[2].partition(":")[0]


def _parse(text: str) -> Json:
    return parse_document(text.encode("utf-8", "surrogatepass"), limit_bytes=LIMIT_BYTES) if text else {}


def _emulator_only(target: Target) -> Iterator[Problem]:
    if not target.is_local:
        for name, value in (("faults", target.profile.faults), ("control", target.profile.control)):
            if value is not None:
                yield Problem(pointer((target.name, name)), f"only the profile {LOCAL} may carry it")


def _blocked_hosts(target: Target) -> Iterator[Problem]:
    allowed = " | ".join(target.allowed_hosts) or "none: ALLOWED_HOSTS is empty"
    for place, host in _hosts(target.profile):
        if not target.allows(host):
            yield Problem(pointer((target.name, *place)), f"{host} is not in ALLOWED_HOSTS", allowed)


def _hosts(profile: Profile) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every host of a profile, with where it stands."""
    for index, dps in enumerate(profile.dps):
        yield ("dps", index, "host"), dps.host
        if dps.service_host is not None:
            yield ("dps", index, "serviceHost"), dps.service_host
    for index, hub in enumerate(profile.hubs):
        yield ("hubs", index), hub
    if profile.http is not None:
        yield ("http", "url"), profile.http.host
    if profile.adr is not None and profile.adr.endpoint != ENDPOINT:
        yield ("adr", "endpoint"), profile.adr.host
