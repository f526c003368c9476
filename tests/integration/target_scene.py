"""`target setup` and `vault init` as the command line carries them out, against a cloud on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from doubles.clock import VirtualClock
from doubles.target_cloud import Cloud, Detour, SignedIn, run_cloud
from doubles.target_services import DPS_ID, HUB_IDS, NAMESPACE_ID, VAULT, Services
from engine.adapters.azure_rest import AzureRest
from engine.cli.arguments import parser
from engine.cli.commands import target


@dataclass(slots=True)
class Scene:
    """A cloud, a clock, and this identity."""

    cloud: Cloud
    clock: VirtualClock = field(default_factory=VirtualClock)

    @property
    def services(self) -> Services:
        """What the cloud is made of."""
        return self.cloud.services

    def rest(self, **credential: Any) -> AzureRest:
        """The way to the cloud, by a client that no earlier command has used."""
        return AzureRest(SignedIn(**credential), transport=Detour(self.cloud.url))

    def setup(self, *more: str, model: str = "", **credential: Any) -> None:
        """Carry out `target setup` with a vault, for the model that is deployed or another one."""
        model = model or self.services.model
        words = ["target", "setup", "--model", model, "--dps", DPS_ID, "--vault", f"https://{VAULT}/", *more]
        for hub in HUB_IDS:
            words += ["--hub", hub]
        if model != "none":
            words += ["--namespace", NAMESPACE_ID]
        assert target.setup(parser().parse_args(words), self.rest(**credential), self.clock) == 0

    def init(self, *more: str) -> None:
        """Carry out `vault init`."""
        words = ["vault", "init", "--vault", f"https://{VAULT}", *more]
        assert target.init(parser().parse_args(words), self.rest(), self.clock) == 0


@contextmanager
def scene_of(model: str, **behaviour: Any) -> Iterator[Scene]:
    """What infra/target has deployed for the model, in the block."""
    with run_cloud(Services(model, **behaviour)) as cloud:
        yield Scene(cloud)
