"""The paths of the web side."""

import pytest

from engine.protocol.http import Request
from unit.emulator.rig import Rig


@pytest.mark.parametrize("url", ["https://localhost:8883/", "https://localhost:8883", "https://localhost/?probe=1"])
def test_there_is_a_page_to_probe(rig: Rig, url: str) -> None:
    """A little HTML, and every time is counted."""
    answer = rig.call(Request("GET", url))
    assert (answer.status, answer.header("content-type")) == (200, "text/html; charset=utf-8")
    assert b"<title>" in answer.body
    rig.call(Request("HEAD", url))
    assert rig.service.report()["http.get"] == 2


def test_the_page_is_only_read(rig: Rig) -> None:
    """405 says how."""
    answer = rig.call(Request("POST", "https://localhost/"))
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/healthz", "/index.html", "//", "/a/registrations", "/a/registrations/d-1/other"])
def test_other_paths_lead_nowhere(rig: Rig, path: str) -> None:
    """404, and not counted as a probe."""
    assert rig.call(Request("GET", f"https://localhost{path}")).status == 404
    assert rig.service.report()["http.get"] == 0


def test_the_device_registry_is_below_its_subscriptions(rig: Rig) -> None:
    """Whatever is asked there is ARM's to answer."""
    assert rig.call(Request("GET", "https://localhost/Subscriptions/x")).header("x-ms-correlation-request-id")
