"""`target setup` and `vault init`: what a deployment of Bicep leaves to be done."""

import argparse
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from engine.adapters.clock import SystemClock
from engine.cli.errors import WrongUsage
from engine.cli.screen import print_json
from engine.cli.target.asked import parse_outputs, wanted_of
from engine.cli.target.carrying import Rest, carry_out
from engine.cli.target.keeping import STATE_KEY_CONTENT, STATE_KEY_NAME, keep_first
from engine.cli.target.profile import profile, settings
from engine.cli.target.story import set_up
from engine.ports import Clock
from engine.protocol import key_vault
from engine.protocol.body import to_base64
from engine.settings import STATE_KEY_BYTES


def target(options: argparse.Namespace) -> int:
    """Set a target up that infra/target has deployed, and print the settings that runs against it need."""
    return setup(options, _azure(), SystemClock())


def setup(options: argparse.Namespace, rest: Rest, clock: Clock) -> int:
    """The same by way of rest, on a clock."""
    wanted = wanted_of(options, parse_outputs(_text(options.outputs)) if options.outputs else {})
    say = _sayer(options)
    ready = carry_out(set_up(wanted), rest=rest, clock=clock, say=say)
    found = settings(wanted, ready)
    if options.json:
        print_json({"TARGETS": profile(wanted, ready), "ALLOWED_HOSTS": found["ALLOWED_HOSTS"]})
        return 0
    say("settings of the app and of the job:")
    for name, value in found.items():
        print(f"{name}={value}")
    return 0


def vault(options: argparse.Namespace) -> int:
    """Put into a Key Vault what the app cannot start without."""
    return init(options, _azure(), SystemClock())


def init(options: argparse.Namespace, rest: Rest, clock: Clock) -> int:
    """The same by way of rest, on a clock."""
    script = keep_first(
        options.vault,
        STATE_KEY_NAME,
        options.api_version or key_vault.API_VERSION,
        make=lambda: to_base64(secrets.token_bytes(STATE_KEY_BYTES)),
        content=STATE_KEY_CONTENT,
    )
    is_made = carry_out(script, rest=rest, clock=clock, say=_sayer(options))
    if options.json:
        print_json({"secret": STATE_KEY_NAME, "made": is_made})
    return 0


def _azure() -> Rest:
    """Azure as whoever is signed in here, by the az command, azd, or an identity of this machine."""
    from azure.identity import DefaultAzureCredential  # slow to load, and no other command needs it

    from engine.adapters.azure_rest import AzureRest  # the same

    return AzureRest(DefaultAzureCredential())


def _sayer(options: argparse.Namespace) -> Callable[[str], None]:
    """Tells each line as it comes, also to a pipe."""
    return lambda text: print(text, file=sys.stderr if options.json else sys.stdout, flush=True)


def _text(path: str) -> str:
    """The text of a file, of stdin where it is called -."""
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise WrongUsage(f"--outputs: {path} cannot be read: {type(error).__name__}") from None
