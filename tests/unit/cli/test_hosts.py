"""Which host is asked."""

import pytest

from engine.cli.errors import CommandFailed
from engine.cli.hosts import LOCAL_URL, named_url, open_api

URL = {"CERTFLEET_URL": " https://there.example "}


@pytest.mark.parametrize(
    ("given", "environ", "url"),
    [
        ("", {}, None),
        ("", URL, "https://there.example"),
        ("https://else.example", URL, "https://else.example"),
        ("local", URL, None),
        ("", {"CERTFLEET_URL": "local"}, None),
        ("", {"CERTFLEET_URL": ""}, None),
    ],
)
def test_option_goes_before_the_variable(given, environ, url):
    """And the word local before both."""
    assert named_url(given, environ) == url


def test_nobody_named_is_the_host_on_this_machine():
    """Where `up` puts it."""
    assert open_api("", {}).url == LOCAL_URL


def test_api_may_be_named_with_or_without_its_path():
    """What people copy from a portal ends in either."""
    assert open_api("https://there.example/api/", {}).url == "https://there.example"


def test_secrets_are_those_of_the_environment():
    """Blanks around them are not theirs."""
    with pytest.raises(CommandFailed, match="CERTFLEET_KEY is not sent without TLS"):
        open_api("http://there.example", {"CERTFLEET_KEY": " key "})
    with pytest.raises(CommandFailed, match="CERTFLEET_TOKEN is not sent without TLS"):
        open_api("http://there.example", {"CERTFLEET_TOKEN": "token"})
    open_api("https://there.example", {"CERTFLEET_KEY": " key ", "CERTFLEET_TOKEN": "token\n"})
